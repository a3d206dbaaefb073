"""Use cases of workers that are at work already: they tell of their runs instead of asking for them.

A job that does not exist is defined by the first run that is told of it. A run that is over when it is told of is
written as ended, without an execution; what follows from its end is done at once, and by reconcile where that died.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger

from jobruns.access import Permission, Principal, system_principal
from jobruns.errors import AlreadyExistsError, ConflictError, JobrunsError, NotFoundError, StaleWriteError
from jobruns.job import Job
from jobruns.retention import find_outlived
from jobruns.run import BookmarkOption, Executor, Outcome, Run, RunState
from jobruns.service.definitions import define_job
from jobruns.service.ports import Ports
from jobruns.service.settlement import finish_run
from jobruns.service.starts import StartRequest, compose_run, launch, start_token
from jobruns.service.store_ports import MAX_CREATED, StartToken, TokenSpentError
from jobruns.service.telling import read_told
from jobruns.service.transitions import MAX_TRIES, run_event
from jobruns.trigger import Watched

MAX_SETTLED_AT_ONCE = 100
"""Of the runs that are told of together when they are over: each takes some reads. Reconcile settles the others."""

REPORTS = "reports"
"""Who defines the jobs that nobody else did."""

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a worker tells of a run of its own, when it begins or when it is over.

    A run that is over without a `reported_end_at` ends when it is told of.
    """

    job: str
    outcome: Outcome = Outcome.GOING
    reported_start_at: datetime | None = None
    reported_end_at: datetime | None = None
    message: str | None = None
    source: str | None = None
    destination: str | None = None
    records: int | None = None
    counts: bool = True


_TOLD = ("reported_start_at", "reported_end_at", "message", "source", "destination", "records", "counts")


def report_start(ports: Ports, principal: Principal, report: RunReport, *, door: str, token: str | None = None) -> Run:
    """Record a run that a worker tells of; see `report_starts`."""
    return report_starts(ports, principal, [report], door=door, token=token)[0]


def report_starts(
    ports: Ports, principal: Principal, reports: Sequence[RunReport], *, door: str, token: str | None = None
) -> list[Run]:
    """Record runs that a worker tells of, all or none where they are `MAX_CREATED` or fewer.

    More are written that many at a time, after all of them have been checked: whatever stops it in between leaves the
    first of them written. Repeating the call with its token writes what is missing, and nothing twice.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs START.
    reports : sequence of RunReport
        Their runs get ascending numbers in this order.
    door : str
        Through which the worker speaks.
    token : str, optional
        Marks the call: made again by the same caller within `jobruns.service.starts.TOKEN_SECONDS`, it gives the same
        runs.

    Returns
    -------
    list of Run
        STARTING, or ended. They do not wait for a slot, as the work does not.

    Raises
    ------
    InvalidInputError
        Something that is told is not well, or a job cannot have that name.
    ConflictError
        A job of that name is not one of workers outside, or the token has been used for other runs.
    ConcurrentRunsExceededError
        A job is at its limit.
    """
    principal.require(Permission.START)
    if not reports:
        return []
    told = [read_told({name: getattr(report, name) for name in _TOLD}) for report in reports]
    jobs = _find_jobs(ports, principal, [report.job for report in reports], door)
    first = ports.runs.reserve_numbers(principal.org, len(reports))
    now = ports.clock()
    runs = [
        _compose(ports, principal, jobs[report.job], report, told[place], door, now, first + place)
        for place, report in enumerate(reports)
    ]
    limits = {name: job.max_concurrent_runs for name, job in jobs.items() if job.max_concurrent_runs is not None}
    try:
        return _create(ports, runs, limits, start_token(runs[0], token, len(runs)))
    except TokenSpentError as spent:
        return _told_before(ports, runs, limits, spent)


def _find_jobs(ports: Ports, principal: Principal, names: Sequence[str], door: str) -> dict[str, Job]:
    wanted = list(dict.fromkeys(names))
    if len(wanted) == 1:
        job = ports.jobs.get(principal.org, wanted[0])
        found = {} if job is None else {job.name: job}
    else:
        found = ports.jobs.many(principal.org, wanted)
    jobs = {name: found.get(name) or _define(ports, principal, name, door) for name in wanted}
    for job in jobs.values():
        if job.executor is not Executor.EXTERNAL:
            raise ConflictError(
                f"the job {job.name!r} is one of the executor {job.executor}, whose runs are started by this service; "
                "a worker outside tells of runs of a job of its own",
                field="job",
            )
    return jobs


def _define(ports: Ports, principal: Principal, name: str, door: str) -> Job:
    """Define a job that nobody has defined; somebody else may be doing so at this moment."""
    maker = system_principal(principal.org, REPORTS)
    for _ in range(MAX_TRIES):
        try:
            return define_job(ports, maker, name=name, executor=Executor.EXTERNAL, door=door)
        except AlreadyExistsError:
            job = ports.jobs.get(principal.org, name)
        if job is not None:
            return job
    raise StaleWriteError(f"the job {name!r} is being defined and deleted by others; try again")


def _compose(
    ports: Ports,
    principal: Principal,
    job: Job,
    report: RunReport,
    told: dict[str, Any],
    door: str,
    now: datetime,
    number: int,
) -> Run:
    request = StartRequest(
        job=job.name,
        door=door,
        number=number,
        source=told["source"],
        destination=told["destination"],
        reported_start_at=told["reported_start_at"],
        counts=told["counts"],
    )
    run = compose_run(ports, principal, job, request, now)
    rest: dict[str, Any] = {name: told[name] for name in ("message", "records", "reported_end_at")}
    if report.outcome is Outcome.GOING:
        return run.model_copy(update=rest)
    succeeded = report.outcome is Outcome.SUCCEEDED
    ended = {
        "state": RunState.SUCCEEDED if succeeded else RunState.FAILED,
        "error_code": None if succeeded else "Failed",
        "started_at": now,
        "ended_at": now,
        # It takes no slot, and what is over is not tried again.
        "limited": False,
        "max_retries": 0,
        "settled": not (ports.watched is Watched.ALL or run.bookmark_option is BookmarkOption.ENABLE),
    }
    return run.model_copy(update={**rest, **ended})


def _create(ports: Ports, runs: Sequence[Run], limits: dict[str, int], token: StartToken | None) -> list[Run]:
    """Write runs, and give them as they were written."""
    written: list[Run] = []
    patience = MAX_SETTLED_AT_ONCE
    for begin in range(0, len(runs), MAX_CREATED):
        group = _say_expiry(ports, runs[begin : begin + MAX_CREATED])
        entries = [
            (run, run_event(run, _kind(run), run.submitted_at, run.started_by, message=run.message)) for run in group
        ]
        ports.runs.create_all(entries, limits=limits, token=token if begin == 0 else None)
        for run in group:
            unsettled = run.state.terminal and not run.settled
            patience -= unsettled
            if patience >= 0 or not unsettled:
                _go_on(ports, run)
        written += group
    return written


def _say_expiry(ports: Ports, runs: Sequence[Run]) -> list[Run]:
    """Say when runs are forgotten that are over, and because of those written with them no job's last success.

    Those that may be a job's last success are to be settled.
    """
    if not ports.retention.limited:
        return list(runs)
    over = [run for run in runs if run.state.terminal and run.settled]
    outlived = find_outlived(over)
    settled = {run.run_id: run.run_id in outlived for run in over}
    expires_at = ports.retention.run_expires_at(runs[0].submitted_at)
    return [
        run.model_copy(update={"expires_at": expires_at} if settled.get(run.run_id) else {"settled": False})
        for run in runs
    ]


def _kind(run: Run) -> str:
    return "Reported" if run.state.terminal else "Submitted"


def _go_on(ports: Ports, run: Run) -> None:
    """Do what comes after a run was written; reconcile does it where this does not."""
    if run.state is RunState.STARTING:
        launch(ports, run)
    elif run.state.terminal and not run.settled:
        try:
            finish_run(ports, run, run.started_by)
        except JobrunsError:
            logger.warning("the end has yet to be settled; reconcile will", extra={"run_id": run.run_id}, exc_info=True)


def _told_before(ports: Ports, runs: list[Run], limits: dict[str, int], spent: TokenSpentError) -> list[Run]:
    """Give the runs that the token was spent on, and write those that a crash left unwritten: under their numbers."""
    first = ports.runs.get(runs[0].org, runs[0].job, spent.run_id)
    if first is None or first.number is None:
        raise NotFoundError(f"the run {spent.run_id} is gone")
    if spent.runs != len(runs):
        raise ConflictError(f"the token has been used for {spent.runs} runs; use another for these")
    wanted = {first.number + place: run for place, run in enumerate(runs)}
    for _ in range(MAX_TRIES):
        there = {first.number: first} if len(runs) == 1 else ports.runs.by_numbers(first.org, wanted)
        if any(run.job != wanted[number].job for number, run in there.items()):
            raise ConflictError("the token has been used for runs of other jobs; use another for these")
        missing = [run.model_copy(update={"number": number}) for number, run in wanted.items() if number not in there]
        try:
            fresh = _create(ports, missing, limits, None)
        except AlreadyExistsError:
            continue  # another repeat is writing them
        for run in there.values():
            _go_on(ports, run)
        written = {run.number: run for run in fresh} | there
        return [written[number] for number in wanted]
    raise StaleWriteError("the same runs are being written by others; try again")
