"""Writes to runs: each transition is one transaction, and this is the only module that moves a run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.update import Action

from jobruns.errors import BookmarkConflictError, ConcurrentRunsExceededError, GoneError
from jobruns.lifecycle import Decision, due_at
from jobruns.run import Progress, Run, RunEvent, RunState
from jobruns.store import bookmarks, keys
from jobruns.store.conditional import save_if, update_if
from jobruns.store.expiry import RunExpiries
from jobruns.store.run_items import RunItem, attribute_value, read_run, run_keys, start_keys
from jobruns.store.run_part_items import QueueItem, RunRefItem, SlotsItem
from jobruns.store.run_parts import add_number, number_item, queue_item, ref_item, root_item, take_slots
from jobruns.store.transaction import RefusedError


class RunWrites(RunExpiries):
    """Creates runs, moves them and deletes them."""

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
        transaction = self._begin()
        item = RunItem(pk=keys.job_pk(before.org, before.job), sk=keys.run_sk(before.run_id))
        unmoved = (RunItem.version == before.version) & (RunItem.state == str(before.state))
        transaction.update("run", item, _changes(before, after), unmoved)
        transaction.put("event", self._event_item(event))
        if before.number is None:
            add_number(transaction, after)
        if after.bookmark is not None and before.bookmark is None:
            bookmarks.claim_in(transaction, after)
        if before.state is RunState.WAITING and after.state is not RunState.WAITING:
            transaction.delete("queue", queue_item(before))
            if after.state is RunState.STARTING and slots is not None:
                take_slots(transaction, [before], slots)
        elif after.state.terminal and not before.state.terminal and before.limited:
            holders = SlotsItem(pk=keys.job_pk(before.org, before.job), sk="SLOTS")
            transaction.update("slots", holders, [SlotsItem.holders.delete({before.run_id})])
        try:
            transaction.commit()
        except RefusedError as refusal:
            raw = refusal.parts.get("run")
            if "run" in refusal.parts and raw:
                return read_run(_from_raw(raw))
            if "run" in refusal.parts:
                raise GoneError(f"the run {before.run_id} is gone") from None
            if "bookmark" in refusal.parts:
                raise BookmarkConflictError(
                    f"another run of the job {before.job} has just moved its bookmark, or is about to"
                ) from None
            raise ConcurrentRunsExceededError(f"Concurrent runs exceeded for {before.job}") from None
        return None

    def record_ignored(self, event: RunEvent, mark: str) -> None:
        """Append an event that changed nothing; `mark` tells several apart that met the same version."""
        item = self._event_item(event)
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

    def delete(self, run: Run, event: RunEvent) -> Run | None:
        """Delete a run that has ended, with its number, if it is still as read. Its history stays and says so.

        Returns
        -------
        Run or None
            The run as it is now, when somebody moved it and nothing was deleted; else ``None``, also when it is gone.
        """
        transaction = self._begin()
        item = RunItem(pk=keys.job_pk(run.org, run.job), sk=keys.run_sk(run.run_id))
        transaction.delete("run", item, RunItem.version == run.version)
        transaction.delete("ref", ref_item(run, None))
        if run.number is not None:
            transaction.delete("number", number_item(run, None))
        if run.root is not None:
            transaction.delete("root", root_item(run, run.root, None))
        transaction.put("event", self._event_item(event))
        try:
            transaction.commit()
        except RefusedError:
            try:
                return read_run(RunItem.get(item.pk, item.sk, consistent_read=True))
            except DoesNotExist:
                return None
        return None

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
    if after.start_at != before.start_at:
        actions += [getattr(RunItem, name).set(key) for name, key in start_keys(after).items()]
    return actions
