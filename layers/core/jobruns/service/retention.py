"""Says when runs are forgotten, and that a job's last success is not; see `jobruns.retention`.

Where runs are kept for ever, which is the default, nothing here calls anything but `mark_settled` of the store.
"""

from jobruns.errors import StaleWriteError
from jobruns.retention import REVIEWED, Verdict, is_success, weigh
from jobruns.run import Run, RunSummary
from jobruns.run_order import Moment, RunOrder
from jobruns.service.ports import Ports
from jobruns.service.transitions import MAX_TRIES

LOOK_SIZE, MAX_LOOKS = 200, 6
"""Where many successes were told of at once, the one that was the last before is behind all of them."""


def settle_in_time(ports: Ports, run: Run) -> None:
    """Note that all that follows from the end of a run has been done, and when it is forgotten. May be repeated.

    Raises
    ------
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    if not ports.retention.limited:
        ports.runs.mark_settled(run)
        return
    for _ in range(MAX_TRIES):
        last = _review(ports, run.org, run.job, fresh=run.run_id).last if is_success(run) else ()
        stays = any(other.run_id == run.run_id for other in last)
        expires_at = None if stays else ports.retention.run_expires_at(ports.clock())
        if ports.runs.mark_settled(run, expires_at=expires_at, outlived_by=last):
            return
    raise StaleWriteError(f"the last runs of the job {run.job!r} are being changed by others; try again")


def keep_for_change(ports: Ports, run: Run, *, may_succeed: bool = False) -> None:
    """See to it that what will be a job's last success is not forgotten when an ended run is told otherwise or deleted.

    Parameters
    ----------
    ports : Ports
        The outside.
    run : Run
        As it was read.
    may_succeed : bool
        Whether it is to be a success that counts.
    """
    if not ports.retention.limited:
        return
    if may_succeed and (run.expires_at is not None or not is_success(run)):
        ports.runs.keep(run)
    if is_success(run):
        for other in _weigh(ports, run.org, run.job, leaving=run.run_id).kept:
            ports.runs.keep(other)


def review_change(ports: Ports, run: Run, *, there: bool = True) -> None:
    """Say when the runs of a job are forgotten after one that had ended was told otherwise, or deleted.

    Parameters
    ----------
    ports : Ports
        The outside.
    run : Run
        As it is now, or was at last.
    there : bool
        Whether it is there still.
    """
    if not ports.retention.limited:
        return
    last = _review(ports, run.org, run.job).last
    if there and all(other.run_id != run.run_id for other in last):
        _expire(ports, run, last if is_success(run) else ())


def _review(ports: Ports, org: str, job: str, fresh: str | None = None) -> Verdict:
    """Keep a job's last successes, and let those go that they outlived; what is `fresh` has let none go yet."""
    for _ in range(MAX_TRIES):
        verdict = _weigh(ports, org, job, fresh=fresh)
        if all(ports.runs.keep(run) for run in verdict.kept):
            break
    else:
        raise StaleWriteError(f"the last runs of the job {job!r} are going one after the other; try again")
    for run in verdict.outlived:
        _expire(ports, run, verdict.last)
    return verdict


def _weigh(ports: Ports, org: str, job: str, *, leaving: str | None = None, fresh: str | None = None) -> Verdict:
    by_end, by_start = (_find_last(ports, org, job, by, fresh) for by in (Moment.END, Moment.START))
    return weigh(by_end, by_start, leaving)


def _find_last(ports: Ports, org: str, job: str, by: Moment, fresh: str | None) -> list[RunSummary]:
    """Read a job's last successes: as many as it takes to find the one that was kept before a fresh one came."""
    found: list[RunSummary] = []
    size, position = REVIEWED, None
    for _ in range(MAX_LOOKS):
        page = ports.runs.summaries(org, job, RunOrder.of_successes(by), limit=size, position=position)
        found += page.summaries
        size, position = LOOK_SIZE, page.position
        if position is None or found[0].run_id != fresh or any(run.expires_at is None for run in found[1:]):
            break
    return found


def _expire(ports: Ports, run: RunSummary, outlived_by: tuple[RunSummary, ...]) -> None:
    expires_at = ports.retention.run_expires_at(ports.clock())
    if expires_at is not None:
        # Refused where one of them is not as it was read: whoever changed it looks through them again.
        ports.runs.expire(run, expires_at, outlived_by=outlived_by)
