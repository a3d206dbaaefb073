"""What is kept of passwords, and what is remembered of comparing them."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobruns.errors import InvalidInputError, TooManyAttemptsError
from jobruns.passwords import COST, Cost, check_password, hash_password, password_matches
from jobruns.verifications import MAX_WRONG, RIGHT_SECONDS, WRONG_SECONDS, Verifications

MASTER = "m" * 64
CHEAP = Cost(4, 1, 1)


def kept(password: str, master: str = MASTER) -> str:
    return hash_password(master, password, CHEAP)


class Door:
    """Verifications with a clock to move, and a count of what was compared."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2026, 11, 21, tzinfo=UTC)
        self.compared = 0
        self.memory = Verifications(lambda: MASTER, lambda: self.now)

        def compare(*arguments: Any) -> bool:
            self.compared += 1
            return password_matches(*arguments)

        monkeypatch.setattr("jobruns.verifications.password_matches", compare)
        monkeypatch.setattr("jobruns.passwords.COST", CHEAP)

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(monkeypatch)


def test_what_is_kept_is_salted_stretched_as_owasp_asks_and_fits_one_password_only() -> None:
    stored = hash_password(MASTER, "correct horse")
    assert stored.startswith("$scrypt$ln=14,r=8,p=5$")
    assert COST.memory_bytes == 16 << 20
    assert "correct" not in stored
    assert password_matches(MASTER, "correct horse", stored)
    assert not password_matches(MASTER, "correct horsE", kept("correct horse"))
    assert kept("correct horse") != kept("correct horse")


def test_the_table_alone_does_not_tell_a_password_from_another() -> None:
    assert not password_matches("another master secret", "correct horse", kept("correct horse"))


def test_a_password_is_the_same_however_its_letters_are_composed() -> None:
    assert password_matches(MASTER, "cafe\u0301 noir", kept("caf\u00e9 noir"))


@pytest.mark.parametrize("password", ["", "7 chars", "x" * 257])
def test_a_password_is_neither_short_nor_endless(password: str) -> None:
    with pytest.raises(InvalidInputError, match="8 to 256"):
        check_password(password)


@pytest.mark.parametrize("password", ["8 chars.", "x" * 256, "\ud800" * 8])
def test_other_passwords_may_be_chosen(password: str) -> None:
    check_password(password)
    assert password_matches(MASTER, password, kept(password))


def test_no_user_takes_the_same_steps_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[dict[str, Any]] = []
    stretch = hashlib.scrypt

    def note(*arguments: Any, **settings: Any) -> bytes:
        steps.append({name: value for name, value in settings.items() if name != "salt"})
        return stretch(*arguments, **settings)

    monkeypatch.setattr(hashlib, "scrypt", note)
    monkeypatch.setattr("jobruns.passwords.COST", CHEAP)
    stored = kept("correct horse")
    steps.clear()
    for of_whom in (stored, None, ""):
        assert not password_matches(MASTER, "battery staple", of_whom)
    assert len(steps) == 3
    assert steps[0] == steps[1] == steps[2]


def test_a_right_password_is_compared_once_for_as_long_as_it_is_remembered(door: Door) -> None:
    stored = kept("correct horse")
    for seconds in (0, WRONG_SECONDS, RIGHT_SECONDS - WRONG_SECONDS - 1):
        door.pass_by(seconds)
        assert door.memory.holds("ann", "correct horse", stored)
    assert door.compared == 1
    door.pass_by(1)
    assert door.memory.holds("ann", "correct horse", stored)
    assert door.compared == 2


def test_a_wrong_password_is_compared_once_in_half_a_minute(door: Door) -> None:
    stored = kept("correct horse")
    for _ in range(3 * MAX_WRONG):
        assert not door.memory.holds("ann", "battery staple", stored)
    assert door.compared == 1
    door.pass_by(WRONG_SECONDS)
    assert not door.memory.holds("ann", "battery staple", stored)
    assert door.compared == 2


def test_what_is_remembered_is_of_one_name_one_password_and_what_is_kept_of_it(door: Door) -> None:
    first, second = kept("correct horse"), kept("battery staple")
    assert door.memory.holds("ann", "correct horse", first)
    assert not door.memory.holds("ann", "correct horse", second)
    assert not door.memory.holds("ann", "correct horse", None)
    assert not door.memory.holds("ann", "battery staple", first)
    assert door.memory.holds("ann", "battery staple", second)
    assert door.compared == 5


def test_the_password_is_nowhere_in_what_is_remembered(door: Door) -> None:
    door.memory.holds("ann", "correct horse", kept("correct horse"))
    assert "correct horse" not in repr(vars(door.memory))


def test_guessing_is_slowed_down_and_who_is_known_gets_in_all_the_same(door: Door) -> None:
    stored = kept("correct horse")
    assert door.memory.holds("ann", "correct horse", stored)
    for guess in range(MAX_WRONG):
        assert not door.memory.holds(f"name {guess}", f"guess {guess}", None)
    compared = door.compared
    for stored_of in (stored, None):
        with pytest.raises(TooManyAttemptsError):
            door.memory.holds("ann", "another guess", stored_of)
    assert door.compared == compared
    assert door.memory.holds("ann", "correct horse", stored)
    door.pass_by(WRONG_SECONDS)
    assert not door.memory.holds("ann", "another guess", stored)
