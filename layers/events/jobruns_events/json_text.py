"""JSON as it is read, and as it is written: the shortest form, in UTF-8, and nothing other readers do not take."""

import json
import math
from typing import Any

__all__ = ["read_object", "write_json"]


def read_object(content: bytes) -> dict[str, Any] | None:
    """Read an object; ``None`` where this is something else."""
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def write_json(value: Any) -> bytes:
    """Write a value; what is no number, or infinite, becomes null, as JSON has no such numbers."""
    try:
        return _dump(value)
    except ValueError:
        return _dump(_finite(value))


def _dump(value: Any) -> bytes:
    # Half of a surrogate pair, which a caller's JSON may hold, is no UTF-8.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(errors="replace")


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: _finite(member) for name, member in value.items()}
        case list() | tuple():
            return [_finite(element) for element in value]
    return value
