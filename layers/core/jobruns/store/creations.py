"""New runs: each is written with all that must exist with it, or not at all."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from pynamodb.connection import Connection

from jobruns.documents import Document
from jobruns.errors import AlreadyExistsError, ConcurrentRunsExceededError, RootTakenError
from jobruns.lifecycle import due_at
from jobruns.retention import Retention
from jobruns.run import Run, RunEvent, RunState
from jobruns.service.store_ports import StartToken, TokenSpentError
from jobruns.store import documents, keys
from jobruns.store.run_items import RunItem, write_run
from jobruns.store.run_part_items import EventItem, RootItem, RunRefItem, TokenItem
from jobruns.store.run_parts import (
    add_number,
    add_token,
    attempt_item,
    event_item,
    queue_item,
    ref_item,
    root_item,
    take_slots,
)
from jobruns.store.transaction import RefusedError, Transaction, TransactionalStore


class RunExistsError(AlreadyExistsError):
    """The run id is taken, by a run or by the mark that no run may have it."""


class RunCreations(TransactionalStore):
    """Creates runs.

    Parameters
    ----------
    connection : Connection
        As `jobruns.store.binding.bind` gives it.
    pause : callable
        Waits between tries of a transaction.
    retention : Retention
        How long the history of a run is kept; of the run itself, the run says it.
    """

    def __init__(self, connection: Connection, pause: Callable[[float], None], retention: Retention) -> None:
        super().__init__(connection, pause)
        self._retention = retention

    def create(
        self,
        run: Run,
        event: RunEvent,
        *,
        slots: int | None = None,
        token: StartToken | None = None,
        new_documents: Sequence[Document] = (),
        changed_documents: Sequence[Document] = (),
    ) -> None:
        """Write a new run, its first event, and what must exist with it or not at all.

        Parameters
        ----------
        run : Run
            In WAITING or STARTING, or ended from the first.
        event : RunEvent
            Its first event.
        slots : int, optional
            The job's limit: the run takes one of so many slots. A WAITING run takes a place in the queue instead.
        token : StartToken, optional
            Starts one run until it expires.
        new_documents, changed_documents : sequence of Document
            A door's own documents, written in the same transaction. A changed one carries the version it will have.

        Raises
        ------
        TokenSpentError
            The token has started a run.
        RunExistsError
            The id is taken.
        RootTakenError
            Another run has its files in the place of this one's.
        ConcurrentRunsExceededError
            All slots are taken.
        AlreadyExistsError
            A new document's name or id is taken.
        ConflictError
            A changed document was changed by somebody else in between.
        """
        transaction = self._begin()
        self._add_run(transaction, run, event)
        if token is not None:
            add_token(transaction, run, token)
        if run.state is RunState.WAITING:
            transaction.put("queue", queue_item(run))
        elif slots is not None:
            take_slots(transaction, [run], slots)
        for document in new_documents:
            documents.add_to(transaction, document)
        for document in changed_documents:
            documents.change_in(transaction, document)
        try:
            transaction.commit()
        except RefusedError as refusal:
            _explain(refusal, [run])
            documents.explain(refusal)
            raise _exceeded(run.job, slots) from None

    def create_all(
        self,
        runs: Sequence[tuple[Run, RunEvent]],
        *,
        limits: Mapping[str, int],
        token: StartToken | None = None,
    ) -> None:
        """Write new runs with their first events, all of them or none.

        Parameters
        ----------
        runs : sequence of tuple
            At most `jobruns.service.store_ports.MAX_CREATED`, none of them WAITING.
        limits : mapping
            The slots of jobs that are limited, by name.
        token : StartToken, optional
            Spent on the first of them.

        Raises
        ------
        TokenSpentError
            The token has started a run.
        RunExistsError
            An id or a number is taken.
        ConcurrentRunsExceededError
            Not all of them get a slot.
        """
        transaction = self._begin()
        going: dict[str, list[Run]] = defaultdict(list)
        for place, (run, event) in enumerate(runs):
            self._add_run(transaction, run, event, str(place))
            if run.job in limits and not run.state.terminal:
                going[run.job].append(run)
        if token is not None:
            add_token(transaction, runs[0][0], token)
        for job, mine in going.items():
            take_slots(transaction, mine, limits[job], f"slots {job}")
        try:
            transaction.commit()
        except RefusedError as refusal:
            _explain(refusal, [run for run, _ in runs])
            job = next(part.removeprefix("slots ") for part in refusal.parts)
            raise _exceeded(job, limits[job]) from None

    def _event_item(self, event: RunEvent) -> EventItem:
        return event_item(event, self._retention.history_expires_at(event.at))

    def _add_run(self, transaction: Transaction, run: Run, event: RunEvent, place: str = "") -> None:
        due = due_at(run)
        item = write_run(run, keys.instant(due) if due else None)
        transaction.put(f"run{place}", item, RunItem.pk.does_not_exist())
        transaction.put(f"ref{place}", ref_item(run, run.expires_at), RunRefItem.pk.does_not_exist())
        transaction.put("event", self._event_item(event))
        add_number(transaction, run, f"number{place}")
        if run.root is not None:
            transaction.put(f"root{place}", root_item(run, run.root, run.expires_at), RootItem.pk.does_not_exist())
        if run.root_run_id != run.run_id:
            transaction.put("attempt", attempt_item(run, run.expires_at))


def _explain(refusal: RefusedError, runs: Sequence[Run]) -> None:
    """Raise what a refusal of a run's own parts means; return where it is about others."""
    if spent := refusal.parts.get("token"):
        item = TokenItem.from_raw_data(spent)
        raise TokenSpentError(item.run_id, int(item.runs or 1)) from None
    for place, run in enumerate(runs):
        for name in ("", str(place)):
            if f"run{name}" in refusal.parts or f"ref{name}" in refusal.parts:
                raise RunExistsError(f"the run id {run.run_id} is taken") from None
            if f"root{name}" in refusal.parts:
                raise RootTakenError(f"another run has its files in {run.root and run.root.path}") from None
            if f"number{name}" in refusal.parts:
                raise RunExistsError(f"the run number {run.number} is taken") from None


def _exceeded(job: str, slots: int | None) -> ConcurrentRunsExceededError:
    return ConcurrentRunsExceededError(
        f"Concurrent runs exceeded for {job}: it may have {slots} at a time; wait for one to end or raise the limit"
    )
