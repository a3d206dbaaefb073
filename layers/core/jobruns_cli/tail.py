"""Follows a run until it ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobruns.access import Principal
from jobruns.errors import UnavailableError
from jobruns.run import Run, RunEvent
from jobruns.service.lookups import find_run, list_events
from jobruns.service.ports import Ports
from jobruns_cli.output import describe_progress, dump_run, make_console, print_json_line, show_event

PATIENCE = timedelta(hours=2)
"""After its deadline a run has ended by then, also one whose commit could not be decided and was given up."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found: the run as it is, and what happened since the look before."""

    run: Run
    events: list[RunEvent]


class Follower:
    """Looks at a run again and again.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        Whose run it is.
    run_id : str
        In any spelling of a UUID.
    interval_seconds : float
        Between two looks.
    timeout : timedelta or None
        How long to follow. ``None`` is until the run must have ended by all the ledger's own limits.
    pause : callable
        Waits the given seconds.
    """

    def __init__(
        self,
        ports: Ports,
        principal: Principal,
        run_id: str,
        interval_seconds: float,
        timeout: timedelta | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ports = ports
        self._principal = principal
        self._run_id = run_id
        self._interval = interval_seconds
        self._timeout = timeout
        self._pause = pause

    def looks(self) -> Iterator[Look]:
        """Yield a look at a time; the last one shows a run that has ended.

        Raises
        ------
        NotFoundError
            There is no such run.
        UnavailableError
            The time to follow is over.
        """
        began = self._ports.clock()
        run = find_run(self._ports, self._principal, self._run_id)
        seen: set[tuple[object, ...]] = set()
        sequence = 0
        while True:
            # The history is read after the run: what ended it is then in there too. It is read from the last sequence
            # on and not after it, as events that are ignored are filed under the sequence they met.
            history = list_events(self._ports, self._principal, run.run_id, after=max(sequence - 1, 0))
            fresh = [event for event in history if _identity(event) not in seen]
            sequence = max([sequence, *(event.sequence for event in history)])
            seen = {_identity(event) for event in history if event.sequence == sequence}
            yield Look(run, fresh)
            if run.state.terminal:
                return
            now = self._ports.clock()
            if now >= (began + self._timeout if self._timeout else _latest_end(run)):
                raise UnavailableError(f"the run is still {run.state}; it is not followed any longer")
            self._pause(self._interval)
            run = find_run(self._ports, self._principal, run.run_id, job=run.job)


def show_follower(follower: Follower, *, as_json: bool) -> Run:
    """Print what a follower sees.

    Returns
    -------
    Run
        As it ended.
    """
    last: Run | None = None
    shown = ""
    console = make_console()
    live = console.status("") if console.is_terminal and not as_json else None
    with live or nullcontext():
        for look in follower.looks():
            for event in look.events:
                if as_json:
                    print_json_line({"event": event.model_dump(mode="json")})
                else:
                    show_event(console, event)
            progress = describe_progress(look.run.progress)
            if as_json and (last is None or look.run.progress != last.progress):
                print_json_line({"progress": dump_run(look.run)["progress"]})
            elif not as_json and progress != shown:
                if live is not None and not look.run.state.terminal:
                    live.update(progress)
                else:
                    console.print(progress, soft_wrap=True)
            last, shown = look.run, progress
    if last is None:
        raise AssertionError("a follower that never looked")
    return last


def _latest_end(run: Run) -> datetime:
    return max(run.deadline_at, run.committing_until_at or run.deadline_at) + PATIENCE


def _identity(event: RunEvent) -> tuple[object, ...]:
    return event.sequence, event.applied, event.kind, event.at, event.actor
