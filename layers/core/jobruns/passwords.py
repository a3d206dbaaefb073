"""Passwords: what is kept of them, and how one is compared with that.

A password is first keyed by the stack's master secret (HMAC-SHA256) and then stretched by scrypt with a salt of its
own. So the ledger table alone gives nothing that could be guessed at, and whoever has the master secret too still pays
for each guess. With another master secret no password is right any more, as no key is.
"""

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass

from jobruns.errors import InvalidInputError

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_CHARACTERS = 256

_SALT_BYTES = 16
_HASH_BYTES = 32
_STORED = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9_-]+)\$([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Cost:
    """What it takes to try one password: scrypt's N, as a power of two, r and p."""

    power: int
    block: int
    passes: int

    @property
    def memory_bytes(self) -> int:
        """What scrypt works in."""
        return 128 * (1 << self.power) * self.block


COST = Cost(14, 8, 5)
"""16 MiB and 0.17 s of a core; some 0.6 s in a function of 512 MB, which has 0.29 of one. It is the smallest in memory
but one of the settings that OWASP's cheat sheet on storing passwords calls equal, so that the doors need no more."""


def check_password(password: str) -> None:
    """Let a password pass that may be chosen.

    Raises
    ------
    InvalidInputError
        It is too short or too long.
    """
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InvalidInputError(
            f"a password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters", field="password"
        )


def hash_password(master: str, password: str, cost: Cost | None = None) -> str:
    """Make what is kept of a password.

    Parameters
    ----------
    master : str
        The stack's master secret.
    password : str
        As it was chosen.
    cost : Cost, optional
        What each try is to take; `COST` where it is not said.

    Returns
    -------
    str
        Settings, salt and hash in one string.
    """
    cost, salt = cost or COST, secrets.token_bytes(_SALT_BYTES)
    stretched = _stretch(master, password, cost, salt)
    return f"$scrypt$ln={cost.power},r={cost.block},p={cost.passes}${_encode(salt)}${_encode(stretched)}"


def password_matches(master: str, password: str, stored: str | None) -> bool:
    """Compare a password with what is kept of one, in constant time.

    Where nothing is kept, as there is no such user, the same steps are taken, and the answer is False.
    """
    found = _STORED.fullmatch(stored or "")
    if found is None:
        _stretch(master, password, COST, bytes(_SALT_BYTES))
        return False
    cost = Cost(int(found[1]), int(found[2]), int(found[3]))
    return hmac.compare_digest(_stretch(master, password, cost, _decode(found[4])), _decode(found[5]))


def _stretch(master: str, password: str, cost: Cost, salt: bytes) -> bytes:
    # One spelling of each letter (RFC 8265, section 4.2), as keyboards differ; and no more than could be right.
    spelled = unicodedata.normalize("NFC", password[: MAX_PASSWORD_CHARACTERS + 1]).encode(errors="surrogatepass")
    pepper = hmac.new(master.encode(), b"password", hashlib.sha256).digest()
    return hashlib.scrypt(
        hmac.new(pepper, spelled, hashlib.sha256).digest(),
        salt=salt,
        n=1 << cost.power,
        r=cost.block,
        p=cost.passes,
        maxmem=2 * cost.memory_bytes,
        dklen=_HASH_BYTES,
    )


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
