"""Documents in the bodies of requests, checked by models."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from jobruns.errors import InvalidInputError

ModelT = TypeVar("ModelT", bound=BaseModel)


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
