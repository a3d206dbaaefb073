"""Lists of jobs: newest first, page by page, of a lane or of a whole environment.

A page reads so many runs at most; where a filter lets few of them pass, it may have fewer jobs than were asked for and
still say how to go on.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hotglue.admission import DOOR, Caller
from hotglue.jobs import env_of
from hotglue.names import Lane
from hotglue.settings import find_environment, find_flow
from jobruns.errors import InvalidInputError
from jobruns.run import Outcome, Run, TriggerKind
from jobruns.run_order import EVERY_OUTCOME, RunOrder
from jobruns.service.definitions import list_jobs
from jobruns.service.lookups import list_job_runs
from jobruns.service.store_ports import Page
from jobruns.service.views import list_org_runs
from jobruns_events.statuses import STATUSES, status_of

DEFAULT_COUNT = 20
MAX_COUNT = 100
MAX_READ = 1000
MAX_PAGES = 20
"""Pages in a row that are read although there is nothing on them."""

MAX_LANE_JOBS = 100
"""Jobs of the ledger that one lane is looked for in; a flow has fewer connectors."""

_FAILED = "_FAILED"
_ANY_FAILURE = "JOB_FAILED"
_GOING = frozenset(status for status in STATUSES if status.endswith(("_CREATED", "_STARTED", "_SUCCESS")))
_YES_NO = {"true": True, "1": True, "false": False, "0": False}
_MAX_TOKEN_CHARACTERS = 32_000

Fetch = Callable[[int, str | None], Page]
"""Reads a page of runs, newest first: so many, from a position."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are listed; what is empty or ``None`` lets all pass."""

    count: int = DEFAULT_COUNT
    statuses: frozenset[str] = frozenset()
    scheduled: bool | None = None
    tenant: str | None = None
    taps: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, run: Run) -> bool:
        """Tell whether a run is one of these."""
        own = run.extra.get(DOOR, {})
        return (
            (self.since is None or run.start_at >= self.since)
            and (self.until is None or run.start_at <= self.until)
            and (self.tenant is None or own.get("tenant", run.org) == self.tenant)
            and (not self.taps or own.get("tap", run.source) in self.taps)
            and (not self.targets or own.get("target", run.destination) in self.targets)
            and (self.scheduled is None or (run.trigger is TriggerKind.SCHEDULE) is self.scheduled)
            and (not self.statuses or self._has_status(status_of(run)))
        )

    @property
    def outcomes(self) -> frozenset[Outcome]:
        """What may have become of these."""
        if not self.statuses:
            return EVERY_OUTCOME
        kinds = {Outcome.GOING: self.statuses & _GOING, Outcome.SUCCEEDED: self.statuses & {"JOB_COMPLETED"}}
        known = {outcome for outcome, wanted in kinds.items() if wanted}
        return frozenset(known | ({Outcome.FAILED} if self.statuses - _GOING - {"JOB_COMPLETED"} else set()))

    def _has_status(self, status: str) -> bool:
        return status in self.statuses or (_ANY_FAILURE in self.statuses and status.endswith(_FAILED))


@dataclass(slots=True)
class _Source:
    """Runs of one kind, newest first: where its page began, what is left of it, and how much of it is taken."""

    fetch: Fetch
    begin: str | None = None
    ended: bool = False
    page: list[Run] = field(default_factory=list)
    taken: int = 0
    following: str | None = None
    read: bool = False

    def head(self, size: int) -> Run | None:
        """Give the newest that is not taken; reads on where the page is at its end.

        The first page has `size` runs. Where that was not enough there is a filter, and larger ones follow.
        """
        for _ in range(MAX_PAGES):
            if self.ended or self.taken < len(self.page):
                break
            if self.read and self.following is None:
                self.ended = True
                break
            self.begin = self.following if self.read else self.begin
            found = self.fetch(MAX_COUNT if self.read else size, self.begin)
            self.page, self.taken, self.following, self.read = found.runs, 0, found.next_token, True
            if not self.page and self.following is None:
                self.ended = True
        return None if self.ended or self.taken == len(self.page) else self.page[self.taken]

    def position(self) -> str | bool | None:
        """Say where the next page begins: ``False`` at the end, ``None`` at the beginning."""
        if self.ended or (self.read and self.taken == len(self.page) and self.following is None):
            return False
        if not self.read or self.taken == 0:
            return self.begin
        if self.taken == len(self.page):
            return self.following
        return self.fetch(self.taken, self.begin).next_token or False


def read_filter(query: Mapping[str, str], *, since: str, until: str) -> JobFilter:
    """Read which jobs are asked for; `since` and `until` are what the bounds of time are called.

    Raises
    ------
    InvalidInputError
        A parameter cannot be read.
    """
    statuses = _words(query, "status")
    if unknown := statuses - set(STATUSES):
        raise InvalidInputError(f"status: there is no {min(unknown)[:64]!r}", field="status")
    scheduled = query.get("scheduled") or None
    if scheduled is not None and scheduled.lower() not in _YES_NO:
        raise InvalidInputError("scheduled: is true or false", field="scheduled")
    return JobFilter(
        count=_read_count(query),
        statuses=statuses,
        scheduled=None if scheduled is None else _YES_NO[scheduled.lower()],
        tenant=query.get("tenant") or None,
        taps=_words(query, "taps"),
        targets=_words(query, "targets"),
        since=_read_time(query, since),
        until=_read_time(query, until),
    )


def list_lane(caller: Caller, lane: Lane, wanted: JobFilter, token: str | None) -> tuple[list[Run], str | None]:
    """Read jobs of a lane: a query for a page, or one for each connector.

    Raises
    ------
    NotFoundError
        There is no such environment or flow.
    InvalidInputError
        The token is not one of this list's.
    """
    if lane.env_id == caller.principal.org:
        names = [lane.flow_id] if lane.tenant == caller.principal.org else []
    else:
        flow, _ = find_flow(caller, lane.env_id, lane.flow_id)
        names = [lane.scope, *(_linked_jobs(caller, lane) if flow.version == 2 else [])]
    sources = {name: _Source(_fetch_job(caller, name)) for name in names}
    return _take(sources, wanted, token, wanted.takes)


def list_environment(caller: Caller, env_id: str, wanted: JobFilter, token: str | None) -> tuple[list[Run], str | None]:
    """Read jobs of an environment, whatever the flow. One that has just been started may be missing for a moment.

    Raises
    ------
    NotFoundError
        There is no such environment.
    InvalidInputError
        The token is not one of this list's.
    """
    if env_id != caller.principal.org:
        find_environment(caller, env_id)
    order = RunOrder(counts=None, outcomes=wanted.outcomes, since=wanted.since, until=wanted.until)

    def fetch(limit: int, position: str | None) -> Page:
        return list_org_runs(caller.ports, caller.principal, order, limit=limit, position=position)

    return _take({"": _Source(fetch)}, wanted, token, lambda run: env_of(run) == env_id and wanted.takes(run))


def _take(
    sources: dict[str, _Source], wanted: JobFilter, token: str | None, keeps: Callable[[Run], bool]
) -> tuple[list[Run], str | None]:
    _resume(sources, token)
    found: list[Run] = []
    for _ in range(MAX_READ):
        if len(found) == wanted.count:
            break
        heads = [(run, source) for source in sources.values() if (run := source.head(wanted.count)) is not None]
        if not heads:
            break
        run, source = max(heads, key=lambda head: head[0].run_id)
        source.taken += 1
        if wanted.since is not None and run.submitted_at < wanted.since and "" not in sources:
            source.ended = True  # all that follow were asked for earlier still
        elif keeps(run):
            found.append(run)
    positions = {name: source.position() for name, source in sources.items()}
    left = {name: position for name, position in positions.items() if position is not False}
    return found, _write_token(left) if left else None


def _resume(sources: dict[str, _Source], token: str | None) -> None:
    if token is None:
        return
    positions = _read_token(token)
    for name, source in sources.items():
        if name in positions:
            source.begin = positions[name]
        else:
            source.ended = True


def _linked_jobs(caller: Caller, lane: Lane) -> list[str]:
    """Find the ledger's jobs of a lane's connectors: those whose names begin with the lane's, one query."""
    beginning = f"{lane.scope}/"
    found = list_jobs(caller.ports, caller.principal, after=beginning, limit=MAX_LANE_JOBS)
    return [job.name for job in found if job.name.startswith(beginning)]


def _fetch_job(caller: Caller, name: str) -> Fetch:
    return lambda limit, token: list_job_runs(caller.ports, caller.principal, name, limit=limit, token=token)


def _write_token(positions: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(positions, separators=(",", ":")).encode()).decode()


def _read_token(token: str) -> dict[str, str | None]:
    try:
        positions = (
            json.loads(base64.urlsafe_b64decode(token.encode())) if len(token) <= _MAX_TOKEN_CHARACTERS else None
        )
    except (ValueError, RecursionError):
        positions = None
    if not isinstance(positions, dict) or not all(isinstance(one, str | None) for one in positions.values()):
        raise InvalidInputError("next_token: is not one of this list's; begin again without it", field="next_token")
    return positions


def _words(query: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(word.strip() for word in query.get(name, "").split(",") if word.strip())


def _read_count(query: Mapping[str, str]) -> int:
    text = query.get("count") or str(DEFAULT_COUNT)
    count = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if count < 1:
        raise InvalidInputError(f"count: is a whole number from 1 to {MAX_COUNT}", field="count")
    return min(count, MAX_COUNT)


def _read_time(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    try:
        # A plus sign that was not encoded has become a space on its way.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(f"{name}: is a date or a date and time in ISO 8601", field=name) from None
