"""Use cases around the bookmarks of jobs: begin where the last success ended, move on with a success, reset.

A run that commits by a bookmark holds it from its point of no return until it is settled. Whoever finds it held by a
run that has ended meanwhile does what the settling of that run would have done, and has yet to do: every such step may
be repeated, and is done once.
"""

from collections.abc import Callable

from jobruns.access import Permission, Principal
from jobruns.bookmark import Bookmark, bookmark_after
from jobruns.errors import BookmarkConflictError, NotFoundError, StaleWriteError
from jobruns.ids import canonical_id
from jobruns.job import Job
from jobruns.lifecycle import COMMIT_UNKNOWN
from jobruns.run import BookmarkOption, Executor, Run, RunState
from jobruns.service.definitions import find_job
from jobruns.service.ports import Ports

MAX_TRIES = 8
"""Each lost race is another's progress."""


def open_bookmark(ports: Ports, run: Run, has_committed: Callable[[Run], bool]) -> Bookmark:
    """Read the bookmark that a run begins or commits by: one read, unless another run holds it.

    Parameters
    ----------
    ports : Ports
        The outside.
    run : Run
        Who asks.
    has_committed : callable
        Finds out whether a run whose commit was given up undecided has committed after all. It is asked about a run
        that cannot commit any more.

    Raises
    ------
    BookmarkConflictError
        Another run of the job is committing; ask again.
    StaleWriteError
        The bookmark moved all the while.
    """
    for _ in range(MAX_TRIES):
        bookmark, holder = _read(ports, run.org, run.job)
        if holder is None or holder.run_id == run.run_id:
            return bookmark
        if not holder.state.terminal:
            raise BookmarkConflictError(
                f"another run of the job {run.job}, {holder.run_id}, is committing; start this one again when that "
                "has ended, or let the job have one run at a time"
            )
        if holder.bookmark is not None and has_committed(holder):
            ports.bookmarks.advance(bookmark_after(holder, holder.bookmark, ports.clock()), claimed=True)
        else:
            ports.bookmarks.release(run.org, run.job, holder.run_id)
    raise StaleWriteError(f"the bookmark of the job {run.job} is being moved by others; try again")


def conclude_bookmark(ports: Ports, run: Run) -> None:
    """Do to the bookmark what follows from the end of a run that uses and advances it. May be repeated.

    A success moves it: an ingest run to the state it committed by, one of another executor, which keeps no state, by
    its count alone. Any other end lets it go. Only where nobody knows whether the run has committed it stays held,
    until the next run finds out, or somebody resets it.

    Raises
    ------
    StaleWriteError
        The bookmark moved all the while.
    """
    if run.bookmark_option is not BookmarkOption.ENABLE or not run.state.terminal:
        return
    if run.state is RunState.SUCCEEDED:
        if run.bookmark is not None:
            ports.bookmarks.advance(bookmark_after(run, run.bookmark, ports.clock()), claimed=True)
        elif run.executor is not Executor.INGEST:  # a dry run of which commits nothing and moves nothing
            _count_success(ports, run)
    elif run.bookmark is not None and run.error_code != COMMIT_UNKNOWN:
        ports.bookmarks.release(run.org, run.job, run.run_id)


def find_bookmark(ports: Ports, principal: Principal, job: str, run_id: str | None = None) -> Bookmark:
    """Read a job's bookmark, or what it was at the end of a run: two reads, or three.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs READ.
    job : str
        Its name.
    run_id : str, optional
        A run of the job.

    Raises
    ------
    NotFoundError
        The org has no such job, no run of it has moved a bookmark yet, or not that run.
    """
    principal.require(Permission.READ)
    definition = find_job(ports, principal, job)
    bookmark, _ = _read(ports, principal.org, job)
    if run_id is not None:
        return _of_run(ports, definition, run_id)
    if not bookmark.version:
        raise NotFoundError(
            f"the job {job!r} has no bookmark; it gets one with the first success of a run that enables bookmarks",
            field="job",
        )
    return bookmark


def reset_bookmark(ports: Ports, principal: Principal, job: str, run_id: str | None = None) -> Bookmark:
    """Put a job's bookmark back: to the beginning, or to where it was at the end of a run.

    A run that is committing at this moment counts as one from before the reset.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs STOP: who may end the work of others may also have it done again.
    job : str
        Its name.
    run_id : str, optional
        A run of the job that moved the bookmark.

    Returns
    -------
    Bookmark
        As it is now. One that was never used stays so, with version 0.

    Raises
    ------
    NotFoundError
        The org has no such job, or that run has not moved its bookmark.
    StaleWriteError
        The bookmark moved all the while.
    """
    principal.require(Permission.STOP)
    definition = find_job(ports, principal, job)
    for _ in range(MAX_TRIES):
        bookmark, holder = _read(ports, principal.org, job)
        to = None if run_id is None else _of_run(ports, definition, run_id)
        if to is None and holder is None and not bookmark.version:
            return bookmark
        reset = bookmark.reset(to, ports.clock())
        if ports.bookmarks.replace(reset):
            return reset
    raise StaleWriteError(f"the bookmark of the job {job} is being moved by others; try again")


def _read(ports: Ports, org: str, job: str) -> tuple[Bookmark, Run | None]:
    """Read a bookmark, and the run that holds it where that has yet to decide whether it moves."""
    for _ in range(MAX_TRIES):
        bookmark = ports.bookmarks.get(org, job) or Bookmark(org=org, job=job)
        if bookmark.pending is None:
            return bookmark, None
        holder = ports.runs.get(org, job, bookmark.pending)
        if holder is None:
            ports.bookmarks.release(org, job, bookmark.pending)
        elif not holder.state.terminal or holder.error_code == COMMIT_UNKNOWN:
            return bookmark, holder
        else:
            conclude_bookmark(ports, holder)
    raise StaleWriteError(f"the bookmark of the job {job} is being moved by others; try again")


def _of_run(ports: Ports, job: Job, run_id: str) -> Bookmark:
    canonical = canonical_id(run_id)
    found = ports.bookmarks.of_run(job.org, job.name, canonical)
    if found is None:
        run = ports.runs.get(job.org, job.name, canonical)
        if run is not None and not run.settled:
            conclude_bookmark(ports, run)
            found = ports.bookmarks.of_run(job.org, job.name, canonical)
    # A job that was deleted and made again begins anew, though its runs and what they left are still on record.
    if found is None or (found.modified_at is not None and found.modified_at < job.created_at):
        raise NotFoundError(
            f"the run {run_id[:64]!r} has not moved the bookmark of the job {job.name!r}", field="run_id"
        )
    return found


def _count_success(ports: Ports, run: Run) -> None:
    for _ in range(MAX_TRIES):
        bookmark = ports.bookmarks.get(run.org, run.job) or Bookmark(org=run.org, job=run.job)
        after = bookmark_after(run, bookmark.step(bookmark.state), ports.clock())
        if ports.bookmarks.advance(after, claimed=False):
            return
    raise StaleWriteError(f"the bookmark of the job {run.job} is being moved by others; try again")
