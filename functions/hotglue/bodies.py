"""Bodies of requests: JSON objects, read so strictly that what is kept of them can be stored and sent back."""

import json
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from jobruns.errors import InvalidInputError

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_object(body: bytes) -> dict[str, Any]:
    """Read a body, which must be a JSON object; no body is an empty one.

    Raises
    ------
    InvalidInputError
        It is no JSON, no object, or holds what JSON text in UTF-8 cannot: NaN, infinities, half characters.
    """
    if not body.strip():
        return {}
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except RecursionError:
        raise InvalidInputError("the body is nested too deeply") from None
    except ValueError:
        # Python's own words may quote the body, which may hold secrets.
        raise InvalidInputError("the body is not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise InvalidInputError("the body must be a JSON object")
    return value


def check_document(check: Callable[[Any], ModelT], value: Any) -> ModelT:
    """Check a document by a model's ``model_validate``.

    Raises
    ------
    InvalidInputError
        Naming what is wrong, without what was sent.
    """
    try:
        return check(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        places = [".".join(str(part) for part in problem["loc"]) for problem in problems]
        reasons = [problem["msg"].removeprefix("Value error, ") for problem in problems]
        told = [f"{place}: {reason}" if place else reason for place, reason in zip(places, reasons, strict=True)]
        raise InvalidInputError("; ".join(told[:10]), field=places[0] or None) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
