"""How a load ends: its rows appear all at once, or it says why not and leaves nothing behind. All may be repeated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aws_lambda_powertools import Logger
from pyiceberg.exceptions import NoSuchTableError

from ingest.bookmarks import LoadBookmark, TakenMeanwhileError, find_outcome
from ingest.keeping import keep_units
from ingest.load import Load
from ingest.results import Results, read_results
from jobruns.aws.objects import WorkObjects
from jobruns.bookmark import BOOKMARK_CONFLICT
from jobruns.causes import read_cause
from jobruns.errors import BookmarkConflictError, CommitInProgressError, IllegalTransitionError
from jobruns.lifecycle import committing
from jobruns.listing import Unit, read_lines
from jobruns.run import ERRORS_METRIC, BookmarkOption, Run, RunState
from jobruns.service.ports import Ports
from jobruns.service.tables import purge_dropped
from jobruns.service.uploads import FAILED_FILES_METRIC
from jobruns.service.work import begin_commit, conclude_work, fail_listing, load_run, recount
from jobruns_data.catalog import open_catalog
from jobruns_data.commit import CommitOutcome, commit_run, discard_run
from jobruns_data.errors import UncommittableError
from jobruns_data.units import FailedFile

FENCE_MARGIN_SECONDS = 5
"""How far clocks may be apart."""

RESERVE_SECONDS = 60
"""Of the time there is, so much is left for deleting when the last file is copied."""

NAMED_FILES = 5
"""Failed files the message of a run names; all of them are in the work bucket."""

MAX_ERRORS = 20
MAX_ERROR_CHARACTERS = 400
"""Failed files a run tells of, and of each: 8 KB at most, as whoever polls the run reads all of it each time."""

FILE_FAILED = "SourceError"

_CODES = {BookmarkConflictError.__name__: BOOKMARK_CONFLICT}
"""Error codes of runs that do not bear the name of the error."""

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Ends one load.

    Parameters
    ----------
    ports : Ports
    work : WorkObjects
    lake_bucket : str
    load : Load
    remaining_seconds : float
        How long this process lives at most.
    """

    ports: Ports
    work: WorkObjects
    lake_bucket: str
    load: Load
    remaining_seconds: float

    def commit(self) -> Run:
        """Commit what the units wrote, or say which files failed; nothing else decides while this process lives.

        Raises
        ------
        CommitConflictError
            The table has too many writers; call again.
        BookmarkConflictError
            Another run of the job is committing; call again.
        """
        run = self.load.run
        if run.state is not RunState.RUNNING:
            return self._leave_be(run)
        total = recount(self.ports, run).units_total
        results = read_results(self.work, self.load, total)
        if results.failed:
            return self._fail(_describe_failed(results.failed), FILE_FAILED, results.failed)
        if results.missing:
            units = ", ".join(map(str, results.missing[:NAMED_FILES]))
            return self._fail(f"{len(results.missing)} of {total} units have no result: {units}", "ResultMissing")
        if self.load.spec.dry_run or not (results.rows or run.bookmark_option is BookmarkOption.ENABLE):
            return self._succeed(results, None)
        return self._commit(results)

    def fail(self, error: str, cause: str) -> Run:
        """Say that the work failed, unless its commit has been done all the same.

        Raises
        ------
        CommitInProgressError
            A commit may still be going on; call again.
        """
        run = self.load.run
        if run.state is not RunState.RUNNING:
            return self._leave_be(run)
        error = _CODES.get(error, error)
        undecided = committing(run)
        if undecided:
            outcome = find_outcome(self.lake_bucket, self.load)
            if outcome is not None:
                return self._succeed(read_results(self.work, self.load, run.progress.units_total), outcome)
            if run.committing_until_at is not None and self.ports.clock() < run.committing_until_at:
                raise CommitInProgressError(f"the run {run.run_id} is committing")
        if run.progress.listing != "DONE":
            fail_listing(self.ports, run)
            return self._fail(read_cause(cause) or error, error, conclusive=undecided)
        message, failed = self._blame(run, read_cause(cause) or error)
        return self._fail(message, error, failed, conclusive=undecided)

    def discard(self) -> Run:
        """Delete the data files of a run that ended without success."""
        return self._clear_away(self.load.run)

    def _commit(self, results: Results) -> Run:
        run = self.load.run
        # A commit that cannot be decided is tried until the run's own deadline; then it may be given up.
        if not committing(run) or self.ports.clock() < run.deadline_at:
            try:
                run = self._begin(run, results)
            except IllegalTransitionError:
                return self._leave_be(load_run(self.ports, run.org, run.job, run.run_id))
            except TakenMeanwhileError as error:
                return self._fail(error.message, BOOKMARK_CONFLICT)
        if not results.rows:
            return self._succeed(results, None)  # the files without rows are taken all the same
        try:
            outcome = commit_run(open_catalog(self.lake_bucket), self.load.target, run.run_id, results.units)
        except (UncommittableError, NoSuchTableError) as error:
            # Raised before anything is committed, and would be again. The table may have been deleted at this moment.
            purge_dropped(self.ports, run.org, self.load.table.table_id)
            return self._fail(f"the rows cannot be committed: {error}", type(error).__name__, conclusive=True)
        return self._succeed(results, outcome)

    def _begin(self, run: Run, results: Results) -> Run:
        step = None
        # A run that is committing holds the bookmark already.
        if run.bookmark_option is BookmarkOption.ENABLE and not committing(run):
            bookmark = LoadBookmark(self.ports, self.work, self.lake_bucket, self.load)
            step = bookmark.propose_step(len(results.units))
        return begin_commit(self.ports, run, math.ceil(self.remaining_seconds) + FENCE_MARGIN_SECONDS, step)

    def _succeed(self, results: Results, outcome: CommitOutcome | None) -> Run:
        load = self.load
        metrics: dict[str, Any] = {
            "files": results.files,
            "rows_loaded": results.rows if outcome is None else outcome.rows,
            "rows_rejected": results.rejected,
            "bytes_read": results.bytes_read,
        }
        if outcome is not None:
            metrics |= {"snapshot_id": str(outcome.snapshot_id), "data_files": outcome.data_files}
        if results.rejected:
            metrics["rejects"] = f"s3://{self.work.bucket}/{load.rejects_prefix}{load.run.run_id}/"
        after = conclude_work(self.ports, load.run, message=_describe(load, metrics), metrics=metrics)
        return self._clear_away(after)

    def _fail(self, message: str, code: str, failed: Sequence[FailedFile] = (), *, conclusive: bool = False) -> Run:
        """Say that the load failed; which of its files did is written down first, for who tries the others again."""
        metrics: dict[str, Any] = {}
        if failed:
            self.work.put_json(self.load.failed_files_key, [file.url for file in failed])
            metrics = {FAILED_FILES_METRIC: self.load.failed_files_key, ERRORS_METRIC: list_errors(failed)}
        after = conclude_work(
            self.ports,
            self.load.run,
            error=message,
            error_code=code or "Failed",
            metrics=metrics,
            conclusive=conclusive,
        )
        if not after.state.terminal:
            raise CommitInProgressError(f"the run {after.run_id} is committing")
        return self._clear_away(after)

    def _leave_be(self, run: Run) -> Run:
        """Accept how a run has ended. Whoever ended it may have died before he told the state machine."""
        if run.state.terminal:
            conclude_work(self.ports, run)
        return self._clear_away(run)

    def _clear_away(self, run: Run) -> Run:
        """Keep for a retry what a run without success has done, then delete its data files."""
        if run.state is RunState.STOPPING or (run.state.terminal and run.state is not RunState.SUCCEEDED):
            keep_units(self.work, replace(self.load, run=run), self.remaining_seconds - RESERVE_SECONDS)
            deleted = discard_run(open_catalog(self.lake_bucket), self.load.target, run.run_id)
            logger.info("discarded", extra={"data_files": deleted})
        return run

    def _blame(self, run: Run, cause: str) -> tuple[str, list[FailedFile]]:
        """Find the files over which the work broke off: those that failed, and those of units that never ended."""
        results = read_results(self.work, self.load, run.progress.units_total)
        if results.failed:
            return _describe_failed(results.failed), results.failed
        begun = {record.number for record in self.ports.units.all(run.org, run.run_id)} & set(results.missing)
        if not begun:
            return cause, []
        units = [Unit.model_validate(unit) for unit in self.work.get_json(self.load.units_key)]
        urls = [
            file.url
            for number in sorted(begun)
            for file in read_lines(
                self.work.get_part(units[number].files_key, units[number].offset, units[number].length)
            )
        ]
        reason = f"could not be loaded: {cause}"
        return f"{_name(urls)} {reason}", [FailedFile(url=url, reason=reason) for url in urls]


def _describe(load: Load, metrics: dict[str, Any]) -> str:
    if not metrics["files"]:
        known = load.run.bookmark_option is not BookmarkOption.DISABLE
        return "found no files that were not loaded before" if known else "found no files to load"
    verb = "would have loaded" if load.spec.dry_run else "loaded"
    text = f"{verb} {metrics['rows_loaded']} rows from {metrics['files']} files"
    if metrics["rows_rejected"]:
        text += f", rejected {metrics['rows_rejected']}"
    return f"{text} (dry run: nothing was kept)" if load.spec.dry_run else text


def _describe_failed(failed: Sequence[FailedFile]) -> str:
    named = "; ".join(f"{file.url}: {file.reason}" for file in failed[:NAMED_FILES])
    more = f"; and {len(failed) - NAMED_FILES} more" if len(failed) > NAMED_FILES else ""
    return f"{len(failed)} file{'s' if len(failed) > 1 else ''} could not be read: {named}{more}"


def list_errors(failed: Sequence[FailedFile]) -> list[str]:
    """Say of each failed file what is wrong with it, of as many as a run has room for, and how many more there are."""
    errors = [f"{file.url}: {file.reason}"[:MAX_ERROR_CHARACTERS] for file in failed[:MAX_ERRORS]]
    more = len(failed) - len(errors)
    return [*errors, f"and {more} more files"] if more else errors


def _name(urls: Sequence[str]) -> str:
    more = f" and {len(urls) - NAMED_FILES} more" if len(urls) > NAMED_FILES else ""
    return ", ".join(urls[:NAMED_FILES]) + more
