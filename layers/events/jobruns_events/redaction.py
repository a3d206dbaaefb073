"""Takes secrets out of settings that callers gave for one run, before anybody is told of them.

What is called like a secret counts as one, with all that lies below it. An address keeps everything but its password.
"""

from typing import Any

from jobruns.secret_names import HIDDEN, hide_in_text, is_secret

__all__ = ["redact"]


def redact(value: Any) -> Any:
    """Give a JSON value without the secrets in it; the value itself stays as it is."""
    match value:
        case dict():
            return {name: _hide(member) if is_secret(str(name)) else redact(member) for name, member in value.items()}
        case list() | tuple():
            return [redact(element) for element in value]
        case str():
            return hide_in_text(value)
    return value


def _hide(value: Any) -> Any:
    """Hide all that is below a secret's name; that there is nothing, or a switch, is told."""
    match value:
        case dict():
            return {name: _hide(member) for name, member in value.items()}
        case list() | tuple():
            return [_hide(element) for element in value]
        case None | bool() | "":
            return value
    return HIDDEN
