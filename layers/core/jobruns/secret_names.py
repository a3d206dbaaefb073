"""What counts as a secret in what callers send along: whatever is called like one.

No rule finds them all. This one would rather hide too much, so what only points to a secret counts as well.
"""

import re
from typing import Final

__all__ = ["HIDDEN", "hide_in_text", "is_secret"]

HIDDEN: Final = "***"

_SECRET = re.compile(
    r"passw|passphrase|pwd|secret|token|credential|authorization|oauth|bearer|jwt|cookie|signature|private|apikey"
    r"|accesskey|accountkey|servicekey|sharedkey|signingkey|encryptionkey|licen[cs]ekey|connectionstring|connstr|dsn"
    r"|webhookurl|^(?:pass|key|auth|pin|salt|cert|certificate|pem)$",
    re.IGNORECASE,
)
_HARMLESS = re.compile(r"(?ai)[\W_]*(?:tokens[\W_]*used|max[\W_]*tokens|oauth[\W_]*version)[\W_]*")
# Letters that are an s, an i or a k but for their case stay, as re.IGNORECASE takes them for that.
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]", re.IGNORECASE)

_IN_ADDRESS = re.compile(r"(?<=://)([^/?#\s:@]*):[^/?#\s@]+@")
_IN_TEXT = re.compile(
    r"\b((?:[\w.-]{0,40}(?:password|passwd|passphrase|secret|token|signature|credential"
    r"|(?:api|access|account|shared|private)[-_.]?key)|pwd)\s*=\s*)(?:\"[^\"]*\"|'[^']*'|[^\s;&,\"']+)",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Tell whether what has this name is a secret, with all that lies below it."""
    return bool(_SECRET.search(_BETWEEN_WORDS.sub("", name))) and not _HARMLESS.fullmatch(name)


def hide_in_text(text: str) -> str:
    """Give a text without the passwords of addresses, and without what connection strings and queries call secret."""
    return _IN_TEXT.sub(rf"\1{HIDDEN}", _IN_ADDRESS.sub(rf"\1:{HIDDEN}@", text))
