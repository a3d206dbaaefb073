"""Takes secrets out of settings that callers gave for one run, before anybody is told of them.

What a setting is called is all that is known of it, so whatever is called like a secret counts as one, with all that
lies below it. An address keeps everything but its password.
"""

import re
from typing import Any, Final

__all__ = ["HIDDEN", "redact"]

HIDDEN: Final = "***"

_SECRET = re.compile(
    r"passw|passphrase|pwd|secret|token|credential|authorization|oauth|bearer|jwt|cookie|signature|private|apikey"
    r"|accesskey|accountkey|servicekey|sharedkey|signingkey|encryptionkey|licen[cs]ekey|connectionstring|connstr|dsn"
    r"|webhookurl|^(?:pass|key|auth|pin|salt|cert|certificate|pem)$"
)
_HARMLESS = re.compile(
    r"(?:ref|reference|arn)$|^(?:tokensused|maxtokens|tokenurl|tokenendpoint|tokenuri|oauthversion)$"
)
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]")
_IN_ADDRESS = re.compile(r"(?<=://)([^/?#\s:@]*):[^/?#\s@]+@")


def redact(value: Any) -> Any:
    """Give a JSON value without the secrets in it; the value itself stays as it is."""
    match value:
        case dict():
            return {name: _hide(member) if _is_secret(str(name)) else redact(member) for name, member in value.items()}
        case list() | tuple():
            return [redact(element) for element in value]
        case str():
            return _IN_ADDRESS.sub(rf"\1:{HIDDEN}@", value)
    return value


def _is_secret(name: str) -> bool:
    plain = _BETWEEN_WORDS.sub("", name.lower())
    return bool(_SECRET.search(plain)) and not _HARMLESS.search(plain)


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
