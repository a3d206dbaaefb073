"""The log, which here is what happened to runs, and what the server is."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hdb.admission import Caller
from hdb.server import ReadLog, write_entry, write_system
from hdb.tables import Everything
from jobruns.run import RunEvent
from jobruns.service.lookups import list_events, list_runs

MAX_RUNS = 50
"""The log is put together of so many runs at most, each of which takes a query."""


def read_log(caller: Caller, request: ReadLog) -> list[dict[str, Any]]:
    """Show what happened to the runs that were submitted last."""
    page = list_runs(caller.ports, caller.principal, since=None, until=request.until, limit=MAX_RUNS)
    events = [event for run in page.runs for event in list_events(caller.ports, caller.principal, run.run_id)]
    wanted = [event for event in events if _is_within(event, request)]
    wanted.sort(key=lambda event: event.at, reverse=request.descending)
    return [write_entry(event) for event in wanted[request.start : request.start + request.limit]]


def show_system(caller: Caller, request: Everything) -> dict[str, Any]:
    """Show what the server is."""
    try:
        release = version("jobruns")
    except PackageNotFoundError:  # in a layer there is the code alone
        release = "0.1.0"
    return write_system(caller.ports.clock(), release, caller.settings.aws_region)


def _is_within(event: RunEvent, request: ReadLog) -> bool:
    after = request.since is None or event.at >= request.since
    return after and (request.until is None or event.at <= request.until)
