"""Does what an operation says, once, and says how it ended. All may be repeated."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException, NoSuchTableError

from jobruns.errors import (
    CommitInProgressError,
    IllegalTransitionError,
    InvalidInputError,
    JobrunsError,
    NotFoundError,
    StaleWriteError,
    UnavailableError,
)
from jobruns.lifecycle import committing
from jobruns.operation import (
    BYTES_READ,
    ROWS_DELETED,
    ROWS_READ,
    ROWS_WRITTEN,
    DeleteBefore,
    Export,
    Load,
    RowFormat,
    handed_over,
)
from jobruns.run import Run, RunState
from jobruns.service.ports import Ports
from jobruns.service.tables import find_table_by_id, purge_dropped
from jobruns.service.work import begin_commit, conclude_work, load_run
from jobruns_data.attributes import create_keyed_table
from jobruns_data.catalog import load_table, open_catalog
from jobruns_data.commit import discard_run
from jobruns_data.deleting import DeleteOutcome, delete_before
from jobruns_data.delimited import read_delimited
from jobruns_data.incoming import Incoming, incoming_records
from jobruns_data.keyed import WriteOutcome, find_write, write_rows
from jobruns_data.source import Readable
from operations.exports import RowCount, compose_file, write_export
from operations.json_arrays import read_json_array
from operations.operation import Operation, open_operation
from operations.pulse import Pulse, RunOverError
from operations.sources import Places, open_source
from operations.sweeps import have_swept

FENCE_MARGIN_SECONDS = 5
"""How far clocks may be apart."""

COMMIT_LOST = "CommitLost"
"""Error code of a run whose function died while it committed, and whose commit was not made."""

_PASSING = (UnavailableError, StaleWriteError, CommitInProgressError)
"""What the same call may not meet again."""

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Work:
    """What does operations.

    Parameters
    ----------
    ports : Ports
    lake_bucket : str
    places : Places
    remaining_seconds : float
        How long this process lives at most.
    """

    ports: Ports
    lake_bucket: str
    places: Places
    remaining_seconds: float

    def do(self, run: Run) -> Run:
        """Do the operation of a run, unless it has been done; gives the run as it is then.

        Raises
        ------
        UnavailableError, StaleWriteError
            It could not be done now; call again. Never of a run that was handed over, as nobody would.
        """
        if run.state is not RunState.RUNNING:
            return self._leave_be(run)
        try:
            operation = open_operation(self.ports, self.lake_bucket, run)
        except (NotFoundError, InvalidInputError) as error:
            return self._fail(run, error)
        return self._attempt(operation)

    def _attempt(self, operation: Operation) -> Run:
        run = operation.run
        try:
            return self._do(operation)
        except (RunOverError, IllegalTransitionError):
            return self._leave_be(self._read(run))
        except _PASSING as error:
            if not handed_over(run):
                raise
            return self._decide(operation, error)
        except JobrunsError as error:
            return self._decide(operation, error)
        except Exception as error:
            if not handed_over(run) or isinstance(error, CommitStateUnknownException):
                raise
            logger.exception("the operation failed")
            return self._decide(operation, UnavailableError(f"{type(error).__name__}; ask for the same again"))

    def resolve(self, run: Run) -> Run:
        """Find out how the commit of a run ended whose function did not say so."""
        if not committing(run):
            return self._leave_be(run)
        try:
            operation = open_operation(self.ports, self.lake_bucket, run)
        except (NotFoundError, InvalidInputError) as error:
            return self._fail(run, error)
        if isinstance(operation.spec, DeleteBefore):
            return self.do(run)  # takes no more than looking whether it was done
        done = self._find_write(operation)
        if done is not None:
            return self._succeed_load(operation, done)
        if run.committing_until_at is not None and self.ports.clock() < run.committing_until_at:
            return run
        discard_run(self._catalog(), operation.target, run.run_id)
        lost = UnavailableError("what worked on it died before it could commit; nothing was written")
        return self._fail(run, lost, COMMIT_LOST)

    def discard(self, run: Run) -> Run:
        """Delete what a run wrote that ended without success."""
        if run.state is RunState.STOPPING or (run.state.terminal and run.state is not RunState.SUCCEEDED):
            try:
                operation = open_operation(self.ports, self.lake_bucket, run)
            except (NotFoundError, InvalidInputError):
                return run  # the table is gone with all its files
            deleted = discard_run(self._catalog(), operation.target, run.run_id)
            logger.info("discarded", extra={"data_files": deleted})
        return run

    def _do(self, operation: Operation) -> Run:
        with Pulse(self.ports, operation.run) as pulse:
            match operation.spec:
                case Load():
                    return self._load(operation, operation.spec, pulse)
                case DeleteBefore(before=before):
                    self._pass_fence(operation)
                    try:
                        run_id = operation.run.run_id
                        gone = delete_before(self._catalog(), operation.target, before, run_id=run_id)
                    except NoSuchTableError:  # it has never been written to
                        gone = DeleteOutcome(deleted=0)
                    return self._succeed_deletion(operation, gone)
                case Export():
                    return self._export(operation, operation.spec, pulse)

    def _load(self, operation: Operation, load: Load, pulse: Pulse) -> Run:
        catalog = self._catalog()
        create_keyed_table(catalog, operation.target, operation.key)
        with open_source(load, self.places, pulse) as stream:
            outcome = write_rows(
                catalog,
                operation.target,
                load.action,
                self._fenced(operation, _read_rows(load, stream, operation.key), pulse),
                run_id=operation.run.run_id,
                at=operation.at,
            )
        if committing(operation.run):
            # Somebody had begun to commit before, and may have left files behind.
            discard_run(catalog, operation.target, operation.run.run_id)
        return self._succeed_load(operation, outcome, pulse.bytes_noted)

    def _fenced(self, operation: Operation, rows: Iterable[Incoming], pulse: Pulse) -> Iterator[Incoming]:
        """Give all rows, then pass the point of no return: nothing is written before the last row was read."""
        for some in rows:
            pulse.note(rows=some.rows)
            yield some
        self._pass_fence(operation)

    def _pass_fence(self, operation: Operation) -> None:
        """Have nothing but this process end the run, for as long as it can live.

        Raises
        ------
        IllegalTransitionError
            The run has ended or is being stopped.
        """
        begin_commit(self.ports, operation.run, math.ceil(self.remaining_seconds) + FENCE_MARGIN_SECONDS)

    def _export(self, operation: Operation, export: Export, pulse: Pulse) -> Run:
        count = RowCount(pulse)
        pieces = compose_file(
            self.ports, self.lake_bucket, operation, export, self._catalog(), self.places.seconds, count
        )
        told = write_export(export, pieces, self.places)
        metrics = {ROWS_WRITTEN: count.rows, **told}
        message = f"wrote {count.rows} rows to {told['place']}"
        return conclude_work(self.ports, operation.run, message=message, metrics=metrics, records=count.rows)

    def _succeed_load(self, operation: Operation, outcome: WriteOutcome, size: int | None = None) -> Run:
        metrics: dict[str, Any] = {ROWS_READ: outcome.total, ROWS_WRITTEN: outcome.written}
        if size is not None and not outcome.already_committed:
            metrics[BYTES_READ] = size
        if outcome.snapshot_id is not None:
            metrics["snapshot_id"] = str(outcome.snapshot_id)
        message = f"wrote {outcome.written} of {outcome.total} rows"
        return self._succeed(operation, message, metrics, outcome.written, sweep=outcome.sweep_due)

    def _succeed_deletion(self, operation: Operation, outcome: DeleteOutcome) -> Run:
        metrics: dict[str, Any] = {ROWS_DELETED: outcome.deleted}
        if outcome.snapshot_id is not None:
            metrics["snapshot_id"] = str(outcome.snapshot_id)
        message = f"deleted {outcome.deleted} rows"
        return self._succeed(operation, message, metrics, outcome.deleted, sweep=outcome.sweep_due)

    def _succeed(
        self, operation: Operation, message: str, metrics: dict[str, Any], records: int, *, sweep: bool
    ) -> Run:
        after = conclude_work(self.ports, operation.run, message=message, metrics=metrics, records=records)
        if sweep:
            table = operation.table
            have_swept(self.ports, table.database, table.lake_table, table.location)
        try:
            find_table_by_id(self.ports, operation.run.org, operation.table.table_id)
        except NotFoundError:
            # It was deleted at this very moment, and has been made again by what was written.
            purge_dropped(self.ports, operation.run.org, operation.table.table_id)
        return after

    def _decide(self, operation: Operation, error: JobrunsError) -> Run:
        """Say that an operation failed, unless its commit has been made all the same; nothing more will be tried."""
        run = self._read(operation.run)
        if committing(run):
            done = self._find_write(operation) if isinstance(operation.spec, Load) else None
            if done is not None:
                return self._succeed_load(operation, done)
            discard_run(self._catalog(), operation.target, run.run_id)
        return self._fail(run, error)

    def _find_write(self, operation: Operation) -> WriteOutcome | None:
        try:
            return find_write(load_table(self._catalog(), operation.target), operation.run.run_id)
        except NoSuchTableError:
            return None

    def _fail(self, run: Run, error: JobrunsError, code: str | None = None) -> Run:
        logger.info("the operation cannot be done", extra={"reason": error.message})
        return conclude_work(
            self.ports, run, error=error.message, error_code=code or type(error).__name__, conclusive=True
        )

    def _leave_be(self, run: Run) -> Run:
        """Accept how a run has ended. Whoever ended it may have died before he told the state machine."""
        return conclude_work(self.ports, run) if run.state.terminal else run

    def _read(self, run: Run) -> Run:
        return load_run(self.ports, run.org, run.job, run.run_id)

    def _catalog(self) -> Catalog:
        return open_catalog(self.lake_bucket)


def _read_rows(load: Load, stream: Readable, key: str) -> Iterator[Incoming]:
    if load.format is RowFormat.JSON:
        return incoming_records(read_json_array(stream), key)
    return read_delimited(stream, key, structures=load.structures)
