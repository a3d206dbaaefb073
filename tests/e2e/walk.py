"""Kills a function's process at each AWS call it makes, one call at a time, and looks whether all still ends well."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from local.faults import When
from local.runner import Runner


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a process is killed: before its `nth` call has any effect, or after, before it learns the answer."""

    function: str
    nth: int
    when: When
    operation: str

    def __str__(self) -> str:
        return f"{self.when} call {self.nth} of {self.function} ({self.operation})"


def kills(runner: Runner, functions: Sequence[str], scenario: Callable[[], None]) -> list[Kill]:
    """Run a scenario undisturbed and list every kill that could disturb it."""
    runner.faults.forget()
    scenario()
    calls = {function: runner.faults.calls(function) for function in functions}
    return [
        Kill(function, nth, when, f"{call.service} {call.operation}")
        for function, made in calls.items()
        for nth, call in enumerate(made, 1)
        for when in ("before", "after")
    ]


def most(walk: Sequence[Kill]) -> float:
    """Say how many of a walk's kills must strike: a repeat polls more or less often, so its calls differ in number."""
    return min(0.9 * len(walk), len(walk) - 1)


def strike(runner: Runner, walk: Sequence[Kill], scenario: Callable[[], None]) -> Iterator[tuple[Kill, bool]]:
    """Repeat a scenario once for each kill.

    Yields
    ------
    tuple of Kill and bool
        The kill, and whether it struck: a repeat may make fewer calls than the first run did.
    """
    for kill in walk:
        fault = runner.faults.arm(kill.function, kill.nth, kill.when)
        try:
            scenario()
        except Exception as error:
            error.add_note(f"while killed {kill}")
            raise
        finally:
            runner.faults.disarm()
        yield kill, fault.fired.is_set()
