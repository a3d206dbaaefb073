"""JSON that callers send, read so strictly that what is kept of it can always be stored and sent back."""

import json
from typing import Any, NoReturn

from jobruns.errors import UnreadableJsonError

__all__ = ["read_json", "read_object"]


def read_json(body: bytes) -> Any:
    """Read a body.

    Raises
    ------
    UnreadableJsonError
        It is empty or no JSON, or holds what JSON text in UTF-8 cannot: NaN, infinities, half characters.
    """
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
        # Half a character, and a number too large for a float, are values in Python.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except RecursionError:
        raise UnreadableJsonError("the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise UnreadableJsonError("the body is not JSON in UTF-8", error) from None
    except ValueError:
        # Python's own words may quote the body, which may hold secrets.
        raise UnreadableJsonError("the body is not JSON in UTF-8") from None
    return value


def read_object(body: bytes) -> dict[str, Any]:
    """Read a body, which must be a JSON object; no body is an empty one.

    Raises
    ------
    UnreadableJsonError
        It is another thing, or none that `read_json` reads.
    """
    if not body.strip():
        return {}
    value = read_json(body)
    if not isinstance(value, dict):
        raise UnreadableJsonError("the body is JSON, but not an object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise UnreadableJsonError(f"the body is not JSON, which has no {name}")
