"""Takes secrets out of what is shown of a run's arguments.

Whoever may read runs is not thereby let into the databases that they read. Arguments are no place for secrets, and no
rule finds them all; this one finds those that are called what they are.
"""

import re
from typing import Any

HIDDEN = "***"

_NAMES = re.compile(
    r"pass(?:word|wd|phrase)|pwd|secret|token(?!s)|credential|authorization|(?:api|access|private|account)[-_ ]?key"
    r"|connection[-_ ]?string|signature",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(?<=://)([^/?#\s:@]*):[^/?#\s@]+@")
_IN_TEXT = re.compile(
    r"(?i)\b((?:[\w.-]{0,40}(?:password|passwd|secret|token|signature)|pwd)\s*=\s*)(?:\"[^\"]*\"|'[^']*'|[^\s;&,\"']+)"
)


def hide_secrets(value: Any, name: str = "") -> Any:
    """Give the same without what is called a secret, and without the passwords of addresses and connection strings."""
    if value is not None and _NAMES.search(name):
        return HIDDEN
    match value:
        case dict():
            return {key: hide_secrets(member, str(key)) for key, member in value.items()}
        case list():
            return [hide_secrets(element) for element in value]
        case str():
            return _IN_TEXT.sub(rf"\1{HIDDEN}", _IN_URL.sub(rf"\1:{HIDDEN}@", value))
    return value
