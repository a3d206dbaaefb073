"""Work that is done every few seconds beside other work."""

import threading
import time

import pytest

from jobruns.repetition import Repeating


class Counting(Repeating):
    def __init__(self, every_seconds: float, takes_seconds: float = 0.0) -> None:
        super().__init__("counting", every_seconds)
        self.takes_seconds = takes_seconds
        self.begun = self.done = 0
        self.third = threading.Event()

    def _do(self) -> None:
        self.begun += 1
        time.sleep(self.takes_seconds)
        self.done += 1
        if self.done == 3:
            self.third.set()


def test_it_is_done_again_and_again_until_it_is_left() -> None:
    with Counting(0.001) as counting:
        assert counting.third.wait(10)
    done = counting.done
    time.sleep(0.02)
    assert counting.done == done


def test_what_ends_sooner_does_nothing() -> None:
    with Counting(3600) as counting:
        pass
    assert counting.begun == 0


def test_leaving_waits_for_a_time_that_has_begun() -> None:
    with Counting(0.001, 0.05) as counting:
        while not counting.begun:
            time.sleep(0.001)
    assert counting.begun == counting.done > 0


def test_an_error_ends_it_and_not_the_work_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Counting):
        def _do(self) -> None:
            super()._do()
            raise ValueError("a bug")

    told: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    with Failing(0.001) as failing:
        while not told:
            time.sleep(0.001)
    assert (failing.done, str(told[0].exc_value)) == (1, "a bug")
