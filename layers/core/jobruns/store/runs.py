"""Writes to runs: each transition is one transaction, and this is the only module that writes a run's state."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pynamodb.connection import Connection
from pynamodb.expressions import condition as expressions
from pynamodb.expressions.update import Action

from jobruns.documents import Document
from jobruns.errors import AlreadyExistsError, BookmarkConflictError, ConcurrentRunsExceededError, ConflictError
from jobruns.lifecycle import Decision, due_at
from jobruns.run import Progress, Run, RunEvent, RunState
from jobruns.service.ports import StartToken, TokenSpentError
from jobruns.store import bookmarks, documents, keys
from jobruns.store.conditional import save_if, update_if
from jobruns.store.items import (
    AttemptItem,
    EventItem,
    LastItem,
    QueueItem,
    RunItem,
    RunRefItem,
    SlotsItem,
    TokenItem,
    attribute_value,
    read_run,
    run_keys,
    write_run,
)
from jobruns.store.transaction import RefusedError, Transaction


class RunExistsError(AlreadyExistsError):
    """The run id is taken, by a run or by the mark that no run may have it."""


class RunWrites:
    """Creates runs and moves them.

    Parameters
    ----------
    connection : Connection
        As `jobruns.store.items.bind` gives it.
    pause : callable
        Waits between tries of a transaction.
    """

    def __init__(self, connection: Connection, pause: Callable[[float], None]) -> None:
        self._connection = connection
        self._pause = pause

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
        ConcurrentRunsExceededError
            All slots are taken.
        AlreadyExistsError
            A new document's name or id is taken.
        ConflictError
            A changed document was changed by somebody else in between.
        """
        transaction = Transaction(self._connection, self._pause)
        due = due_at(run)
        transaction.put("run", write_run(run, keys.instant(due) if due else None), RunItem.pk.does_not_exist())
        ref = RunRefItem(pk=keys.run_pk(run.org, run.run_id), sk="REF", kind="run_ref", job=run.job)
        transaction.put("ref", ref, RunRefItem.pk.does_not_exist())
        transaction.put("event", _event_item(event))
        if run.root_run_id != run.run_id:
            transaction.put("attempt", _attempt_item(run))
        if token is not None:
            unspent = TokenItem.pk.does_not_exist() | (TokenItem.expires_at <= int(run.submitted_at.timestamp()))
            transaction.put("token", _token_item(run, token), unspent)
        if run.state is RunState.WAITING:
            transaction.put("queue", _queue_item(run))
        elif slots is not None:
            _take_slot(transaction, run, slots)
        for document in new_documents:
            documents.add_to(transaction, document)
        for document in changed_documents:
            documents.change_in(transaction, document)
        try:
            transaction.commit()
        except RefusedError as refusal:
            if spent := refusal.parts.get("token"):
                raise TokenSpentError(TokenItem.from_raw_data(spent).run_id) from None
            if "run" in refusal.parts or "ref" in refusal.parts:
                raise RunExistsError(f"the run id {run.run_id} is taken") from None
            documents.explain(refusal)
            raise ConcurrentRunsExceededError(
                f"Concurrent runs exceeded for {run.job}: it may have {slots} at a time; wait for one to end "
                "or raise the limit"
            ) from None

    def transition(self, decision: Decision, event: RunEvent, *, slots: int | None = None) -> Run | None:
        """Write an applied decision, if the run is still as the decision found it.

        Parameters
        ----------
        decision : Decision
            Applied.
        event : RunEvent
            Its entry in the history.
        slots : int, optional
            The job's limit, when the decision takes a waiting run from the queue.

        Returns
        -------
        Run or None
            The run as it is now, when somebody else moved it first and nothing was written; else ``None``.

        Raises
        ------
        ConcurrentRunsExceededError
            All slots are taken.
        BookmarkConflictError
            The run would commit by a bookmark that has moved since, or that another run holds.
        """
        before, after = decision.before, decision.after
        transaction = Transaction(self._connection, self._pause)
        item = RunItem(pk=keys.job_pk(before.org, before.job), sk=keys.run_sk(before.run_id))
        unmoved = (RunItem.version == before.version) & (RunItem.state == str(before.state))
        transaction.update("run", item, _changes(before, after), unmoved)
        transaction.put("event", _event_item(event))
        if after.bookmark is not None and before.bookmark is None:
            bookmarks.claim_in(transaction, after)
        if before.state is RunState.WAITING:
            transaction.delete("queue", _queue_item(before))
            if after.state is RunState.STARTING and slots is not None:
                _take_slot(transaction, before, slots)
        elif after.state.terminal and before.limited:
            holders = SlotsItem(pk=keys.job_pk(before.org, before.job), sk="SLOTS")
            transaction.update("slots", holders, [SlotsItem.holders.delete({before.run_id})])
        try:
            transaction.commit()
        except RefusedError as refusal:
            raw = refusal.parts.get("run")
            if "run" in refusal.parts and raw:
                return read_run(_from_raw(raw))
            if "run" in refusal.parts:
                raise ConflictError(f"the run {before.run_id} is gone") from None
            if "bookmark" in refusal.parts:
                raise BookmarkConflictError(
                    f"another run of the job {before.job} has just moved its bookmark, or is about to"
                ) from None
            raise ConcurrentRunsExceededError(f"Concurrent runs exceeded for {before.job}") from None
        return None

    def record_ignored(self, event: RunEvent, mark: str) -> None:
        """Append an event that changed nothing; `mark` tells several apart that met the same version."""
        item = _event_item(event)
        item.sk = keys.event_sk(event.sequence, ignored=mark)
        item.save()

    def abandon(self, org: str, run_id: str) -> bool:
        """See to it that no run ever has this id.

        Returns
        -------
        bool
            False when a run has it already.
        """
        item = RunRefItem(pk=keys.run_pk(org, run_id), sk="REF", kind="run_ref", abandoned=True)
        return save_if(item, RunRefItem.pk.does_not_exist() | (RunRefItem.abandoned == True))  # noqa: E712 - builds an expression

    def beat(self, run: Run, at: datetime) -> bool:
        """Note a heartbeat of a run that is going.

        Returns
        -------
        bool
            False when it is not RUNNING (any more).
        """
        return self._update_running(run, [RunItem.heartbeat_at.set(at)])

    def add_progress(self, run: Run, at: datetime, deltas: Mapping[str, int], *, listing: str | None = None) -> bool:
        """Add to the progress counters of a run that is going.

        Returns
        -------
        bool
            False when it is not RUNNING (any more); nothing was written.
        """
        actions: list[Action] = [getattr(RunItem, name).add(value) for name, value in deltas.items() if value]
        if listing is not None:
            actions.append(RunItem.listing.set(listing))
        return self._update_running(run, [*actions, RunItem.modified_at.set(at)])

    def set_progress(self, run: Run, at: datetime, progress: Progress) -> bool:
        """Put the exact progress in place of the running count.

        Returns
        -------
        bool
            False when the run is not RUNNING (any more); nothing was written.
        """
        values = progress.model_dump(exclude_none=True)
        actions = [getattr(RunItem, name).set(value) for name, value in values.items()]
        return self._update_running(run, [*actions, RunItem.modified_at.set(at)])

    def defer(self, run: Run, until: datetime) -> None:
        """Let reconcile come back to an unfinished run later, unless the run moved."""
        item = RunItem(pk=keys.job_pk(run.org, run.job), sk=keys.run_sk(run.run_id))
        action = RunItem.due_sk.set(f"{keys.instant(until)}#{run.run_id}")
        update_if(item, [action], (RunItem.version == run.version) & RunItem.due_pk.exists())

    def mark_settled(self, run: Run) -> None:
        """Note that all that follows from the end of a run has been done."""
        item = RunItem(pk=keys.job_pk(run.org, run.job), sk=keys.run_sk(run.run_id))
        actions: list[Action] = [RunItem.settled.set(True), RunItem.due_pk.remove(), RunItem.due_sk.remove()]
        update_if(item, actions, RunItem.version == run.version)

    def mark_last_success(self, run: Run) -> None:
        """Note a success as its job's last by start and by end, unless a later one is noted already."""
        if run.started_at is None or run.ended_at is None:
            return
        for by, at in (("START", run.started_at), ("END", run.ended_at)):
            item = LastItem(
                pk=keys.job_pk(run.org, run.job),
                sk=f"LAST#{by}",
                kind="last_success",
                run_id=run.run_id,
                at=at,
                started_at=run.started_at,
                ended_at=run.ended_at,
            )
            save_if(item, LastItem.pk.does_not_exist() | (LastItem.at <= at))

    def _update_running(self, run: Run, actions: list[Action]) -> bool:
        item = RunItem(pk=keys.job_pk(run.org, run.job), sk=keys.run_sk(run.run_id))
        return update_if(item, actions, RunItem.state == str(RunState.RUNNING))


def find_queued(org: str, job: str, limit: int) -> list[str]:
    """Read the ids of the runs waiting for a slot, oldest first, at most `limit`."""
    found = QueueItem.query(
        keys.job_pk(org, job),
        QueueItem.sk.startswith("QUEUE#"),
        consistent_read=True,
        limit=limit,
        page_size=limit,
    )
    return [item.run_id for item in found]


def _from_raw(raw: dict[str, Any]) -> RunItem:
    return RunItem.from_raw_data(raw)


def _take_slot(transaction: Transaction, run: Run, slots: int) -> None:
    item = SlotsItem(pk=keys.job_pk(run.org, run.job), sk="SLOTS", kind="slots")
    held = SlotsItem.holders
    free = held.does_not_exist() | (_size(held) < slots) | held.contains(run.run_id)
    transaction.update("slots", item, [held.add({run.run_id}), SlotsItem.kind.set("slots")], free)


def _size(path: Any) -> Any:
    make: Any = expressions.size  # untyped in PynamoDB
    return make(path)


def _queue_item(run: Run) -> QueueItem:
    pk = keys.job_pk(run.org, run.job)
    return QueueItem(pk=pk, sk=keys.queue_sk(run.run_id), kind="queue", run_id=run.run_id)


def _attempt_item(run: Run) -> AttemptItem:
    pk = keys.run_pk(run.org, run.root_run_id)
    return AttemptItem(pk=pk, sk=keys.attempt_sk(run.attempt), kind="attempt", run_id=run.run_id)


def _token_item(run: Run, token: StartToken) -> TokenItem:
    return TokenItem(
        pk=keys.token_pk(run.org, token.digest),
        sk="START",
        kind="start_token",
        run_id=run.run_id,
        expires_at=int(token.expires_at.timestamp()),
    )


def _event_item(event: RunEvent) -> EventItem:
    return EventItem(
        pk=keys.run_pk(event.org, event.run_id),
        sk=keys.event_sk(event.sequence),
        kind="event",
        org=event.org,
        job=event.job,
        run_id=event.run_id,
        sequence=event.sequence,
        event=event.kind,
        state=str(event.state),
        at=event.at,
        actor=event.actor,
        applied=event.applied,
        message=event.message,
    )


def _changes(before: Run, after: Run) -> list[Action]:
    actions: list[Action] = []
    for name in Run.model_fields:
        if name == "progress" or getattr(after, name) == getattr(before, name):
            continue
        attribute, value = getattr(RunItem, name), attribute_value(getattr(after, name))
        actions.append(attribute.remove() if value is None else attribute.set(value))
    due = due_at(after)
    for name, key in run_keys(after, keys.instant(due) if due else None).items():
        actions.append(getattr(RunItem, name).remove() if key is None else getattr(RunItem, name).set(key))
    return actions
