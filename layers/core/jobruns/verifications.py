"""Compares passwords, and remembers for a while which were right, as each comparison takes most of a second.

What is remembered is neither password nor hash but a MAC of both, under a key that this process made for itself. It
says that this password fits that hash, which stays true whatever becomes of the user: whoever asks reads the user anew
every half a minute, and a new password has a new hash. So it may be remembered for as long as the master secret is.
"""

import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from jobruns.errors import TooManyAttemptsError
from jobruns.passwords import password_matches

RIGHT_SECONDS = 300
WRONG_SECONDS = 30
MAX_REMEMBERED = 1000

MAX_WRONG = 20
"""So many wrong passwords are compared in `WRONG_SECONDS`; then no more for a while. It bounds guessing, and what
guessing costs: every comparison keeps a function busy some hundred times as long as a request without one."""


class Verifications:
    """Compares passwords with what is kept of them.

    Parameters
    ----------
    master : callable
        Gives the stack's master secret.
    clock : callable
        Gives the time, aware.
    """

    def __init__(self, master: Callable[[], str], clock: Callable[[], datetime]) -> None:
        self._master = master
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, tuple[datetime, bool]] = {}
        self._wrong: deque[datetime] = deque(maxlen=MAX_WRONG)

    def holds(self, name: str, password: str, stored: str | None) -> bool:
        """Compare a user's password with what is kept of it; ``None`` is kept of one that there is not.

        Raises
        ------
        TooManyAttemptsError
            Too many wrong passwords were sent lately, for whatever users.
        """
        now, told = self._clock(), self._digest(name, password, stored)
        until, right = self._remembered.get(told, (now, False))
        if now < until:
            return right
        self._check_rate(now)
        right = password_matches(self._master(), password, stored)
        if not right:
            self._wrong.append(now)
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[told] = (now + timedelta(seconds=RIGHT_SECONDS if right else WRONG_SECONDS), right)
        return right

    def _check_rate(self, now: datetime) -> None:
        if len(self._wrong) == MAX_WRONG and now - self._wrong[0] < timedelta(seconds=WRONG_SECONDS):
            raise TooManyAttemptsError(
                f"too many wrong passwords were sent lately; try again in {WRONG_SECONDS} seconds, or use an access key"
            )

    def _digest(self, name: str, password: str, stored: str | None) -> bytes:
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in (name, stored or "", password):
            data = part.encode(errors="surrogatepass")
            mac.update(len(data).to_bytes(8, "big") + data)
        return mac.digest()
