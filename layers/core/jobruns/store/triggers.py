"""Triggers, the jobs they watch, and which ends of runs they have heard of."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition

from jobruns.errors import AlreadyExistsError, ConflictError
from jobruns.lifecycle import START_PATIENCE_SECONDS
from jobruns.run import Run
from jobruns.store import keys
from jobruns.store.conditional import delete_if, save_if
from jobruns.store.definition_items import HeardItem, TriggerItem, WatchItem
from jobruns.store.transaction import MAX_PARTS, RefusedError, TransactionalStore
from jobruns.trigger import Trigger

HEARD_DAYS = 30
"""Far longer than the settlement of a run is ever repeated."""

_KEY_FIELDS = {"name", "trigger_id", "version"}


class Triggers(TransactionalStore):
    """Reads and writes triggers."""

    def add(self, trigger: Trigger) -> None:
        """Write a new trigger.

        Raises
        ------
        AlreadyExistsError
            The org has a trigger of this name.
        """
        if not save_if(_item(trigger), TriggerItem.pk.does_not_exist()):
            raise AlreadyExistsError(f"a trigger named {trigger.name!r} exists already", field="name")

    def change(self, trigger: Trigger) -> None:
        """Replace a trigger whose version is one more than that stored.

        Raises
        ------
        ConflictError
            It was changed or deleted in the meantime.
        """
        if not save_if(_item(trigger), _unchanged(trigger)):
            raise _conflict(trigger)

    def remember(self, trigger: Trigger, run: Run) -> bool:
        """Replace a trigger, as `change` does, by what the end of a run made of it: one transaction.

        Returns
        -------
        bool
            False when it has heard of that run's end before; nothing was written.

        Raises
        ------
        ConflictError
            It was changed or deleted in the meantime.
        """
        at = run.ended_at or run.modified_at
        heard = HeardItem(
            pk=keys.heard_pk(run.org, run.run_id),
            sk=trigger.name,
            kind="heard",
            expires_at=int((at + timedelta(days=HEARD_DAYS)).timestamp()),
        )
        transaction = self._begin()
        transaction.put("heard", heard, HeardItem.pk.does_not_exist())
        transaction.put("trigger", _item(trigger), _unchanged(trigger))
        try:
            transaction.commit()
        except RefusedError as refusal:
            if "heard" in refusal.parts:
                return False
            raise _conflict(trigger) from None
        return True

    def remove(self, trigger: Trigger) -> None:
        """Delete a trigger, whatever became of it since it was read; another of its name stays."""
        delete_if(_item(trigger), TriggerItem.trigger_id == trigger.trigger_id)

    def get(self, org: str, name: str) -> Trigger | None:
        """Read a trigger, consistently: one read."""
        try:
            return _read(TriggerItem.get(keys.triggers_pk(org), name, consistent_read=True))
        except DoesNotExist:
            return None

    def many(self, org: str, names: Iterable[str]) -> dict[str, Trigger]:
        """Read the triggers of these names, consistently; what is not there is left out."""
        return {trigger.name: trigger for trigger in _batch((keys.triggers_pk(org), name) for name in names)}

    def page(self, org: str, *, after: str | None = None, limit: int = 1000) -> list[Trigger]:
        """Read triggers by name, consistently, at most `limit`, beginning after the name `after`."""
        pk = keys.triggers_pk(org)
        start = {"pk": {"S": pk}, "sk": {"S": after}} if after else None
        found = TriggerItem.query(pk, consistent_read=True, limit=limit, last_evaluated_key=start)
        return [_read(item) for item in found]

    def due(self, now: datetime, limit: int) -> list[Trigger]:
        """Read the triggers of all orgs whose schedule should have been written or removed by now, at most `limit`."""
        found = TriggerItem.gsi_due.query(
            keys.due_triggers_pk(), TriggerItem.due_sk <= keys.instant(now) + "$", limit=limit, page_size=limit
        )
        return list(_batch((item.pk, item.sk) for item in found))

    def watch(self, trigger: Trigger, jobs: Iterable[str]) -> None:
        """Have a trigger hear of the runs of jobs, from this version of it on."""
        wanted = sorted(jobs)
        for start in range(0, len(wanted), MAX_PARTS):
            transaction = self._begin()
            for job in wanted[start : start + MAX_PARTS]:
                transaction.put(job, _watch(trigger, job))
            transaction.commit()

    def unwatch(self, trigger: Trigger, jobs: Iterable[str]) -> None:
        """Have a trigger hear of the runs of jobs no more, unless a later version or another of its name wants to."""
        ours = (WatchItem.trigger_id == trigger.trigger_id) & (WatchItem.version <= trigger.version)
        for job in jobs:
            delete_if(_watch(trigger, job), ours)

    def watching(self, org: str, job: str) -> list[str]:
        """Read the names of the triggers that must hear of a job's runs: one query."""
        return [item.sk for item in WatchItem.query(keys.watched_pk(org, job), consistent_read=True)]


def _item(trigger: Trigger) -> TriggerItem:
    due = trigger.modified_at + timedelta(seconds=START_PATIENCE_SECONDS) if trigger.unfinished else None
    return TriggerItem(
        pk=keys.triggers_pk(trigger.org),
        sk=trigger.name,
        kind="trigger",
        due_pk=keys.due_triggers_pk() if due else None,
        due_sk=f"{keys.instant(due)}#{trigger.trigger_id}" if due else None,
        trigger_id=trigger.trigger_id,
        version=trigger.version,
        definition=trigger.model_dump(mode="json", exclude=_KEY_FIELDS),
    )


def _watch(trigger: Trigger, job: str) -> WatchItem:
    pk = keys.watched_pk(trigger.org, job)
    return WatchItem(pk=pk, sk=trigger.name, kind="watch", trigger_id=trigger.trigger_id, version=trigger.version)


def _unchanged(trigger: Trigger) -> Condition:
    condition: Condition = (TriggerItem.trigger_id == trigger.trigger_id) & (TriggerItem.version == trigger.version - 1)
    return condition


def _conflict(trigger: Trigger) -> ConflictError:
    return ConflictError(f"the trigger {trigger.name!r} was changed in the meantime; read it and try again")


def _batch(wanted: Iterable[tuple[str, str]]) -> Iterable[Trigger]:
    # DynamoDB refuses a batch that names a key twice.
    return (_read(item) for item in TriggerItem.batch_get(list(dict.fromkeys(wanted)), consistent_read=True))


def _read(item: TriggerItem) -> Trigger:
    stored: dict[str, Any] = item.definition
    return Trigger.model_validate(
        {**stored, "name": item.sk, "trigger_id": item.trigger_id, "version": int(item.version)}
    )
