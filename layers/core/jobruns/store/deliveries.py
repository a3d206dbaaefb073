"""Deliveries: what is told to endpoints, every try of it, and about what each is left in quiet."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pynamodb.exceptions import DoesNotExist

from jobruns.announcement import Announcement
from jobruns.delivery import Attempt, Delivery, DeliveryState
from jobruns.endpoint import Endpoint
from jobruns.store import keys
from jobruns.store.conditional import save_if, update_if
from jobruns.store.delivery_items import DeliveryItem, QuietItem

BATCH = 100
"""What one BatchGetItem takes."""

_TRIED = ("state", "attempts", "reason", "due_at", "modified_at")


class Deliveries:
    """Reads and writes deliveries."""

    def add(self, delivery: Delivery) -> bool:
        """Write a new delivery.

        Returns
        -------
        bool
            False when it is there already, and then perhaps tried.
        """
        fields: dict[str, Any] = delivery.model_dump(exclude={"delivery_id", "log", "state"})
        fields |= {"kind": "delivery", "state": str(delivery.state), "log": _log(delivery)}
        return save_if(_item(delivery, **fields), DeliveryItem.pk.does_not_exist())

    def get(self, org: str, endpoint_id: str, delivery_id: str) -> Delivery | None:
        """Read a delivery, consistently: one read."""
        pk = keys.delivery_pk(org, endpoint_id, delivery_id)
        try:
            return _read(DeliveryItem.get(pk, delivery_id, consistent_read=True))
        except DoesNotExist:
            return None

    def many(self, names: Iterable[tuple[str, str, str]]) -> dict[str, Delivery]:
        """Read deliveries by org, endpoint and id, consistently: one request for each hundred. Gives them by id."""
        wanted = sorted({(keys.delivery_pk(*name), name[2]) for name in names})
        found: dict[str, Delivery] = {}
        for start in range(0, len(wanted), BATCH):
            for item in DeliveryItem.batch_get(wanted[start : start + BATCH], consistent_read=True):
                found[item.sk] = _read(item)
        return found

    def lease(self, delivery: Delivery, now: datetime, until: datetime) -> bool:
        """Leave a delivery to the caller until then.

        Returns
        -------
        bool
            False when it is another's, or is not as it was read.
        """
        as_read = (DeliveryItem.state == str(delivery.state)) & (DeliveryItem.attempts == delivery.attempts)
        return update_if(_item(delivery), [DeliveryItem.leased_until.set(until)], as_read & _free(now))

    def conclude(self, delivery: Delivery) -> bool:
        """Write down how a delivery is after an attempt, and end the lease.

        Returns
        -------
        bool
            False when that attempt has been written down already.
        """
        unwritten = DeliveryItem.attempts == delivery.attempts - 1
        actions = [*_changes(delivery), DeliveryItem.log.set(_log(delivery)), DeliveryItem.leased_until.remove()]
        return update_if(_item(delivery), actions, unwritten)

    def reopen(self, delivery: Delivery, now: datetime) -> bool:
        """Write down that somebody asked for a delivery again.

        Returns
        -------
        bool
            False when it is being tried, or is not as it was read.
        """
        actions = [
            *_changes(delivery),
            DeliveryItem.tried_from.set(delivery.tried_from),
            DeliveryItem.expires_at.set(delivery.expires_at),
        ]
        return update_if(_item(delivery), actions, (DeliveryItem.attempts == delivery.attempts) & _free(now))

    def page(self, org: str, endpoint_id: str, *, limit: int, behind: str | None = None) -> list[Delivery]:
        """Read deliveries to an endpoint, consistently, the latest first, from behind an id: a query for each shard."""
        found: list[Delivery] = []
        for shard in range(keys.DELIVERY_SHARDS):
            items = DeliveryItem.query(
                keys.delivery_shard_pk(org, endpoint_id, shard),
                DeliveryItem.sk < behind if behind else None,
                consistent_read=True,
                limit=limit,
                scan_index_forward=False,
            )
            found += [_read(item) for item in items]
        return sorted(found, key=lambda delivery: delivery.delivery_id, reverse=True)[:limit]

    def keep_quiet(self, endpoint: Endpoint, told: Announcement, now: datetime) -> bool:
        """Note what an endpoint is told of a job: one write, and none for what happens once in a run.

        Returns
        -------
        bool
            False when it was told the same of another run, and is left in quiet about it still.
        """
        if told.outcome is None:
            return True
        until = now + timedelta(seconds=endpoint.selection.quiet_seconds)
        item = QuietItem(
            pk=keys.endpoint_pk(told.org, endpoint.endpoint_id),
            sk=keys.quiet_sk("late" if told.overdue else "end", told.job),
            kind="quiet",
            outcome=told.outcome,
            announcement_id=told.announcement_id,
            until_at=until,
            expires_at=until,
        )
        return save_if(
            item,
            QuietItem.pk.does_not_exist()
            | (QuietItem.outcome != told.outcome)
            | (QuietItem.until_at <= now)
            | (QuietItem.announcement_id == told.announcement_id),
        )


def _free(now: datetime) -> Any:
    return DeliveryItem.leased_until.does_not_exist() | (DeliveryItem.leased_until <= now)


def _changes(delivery: Delivery) -> list[Any]:
    actions: list[Any] = []
    for name in _TRIED:
        value = getattr(delivery, name)
        attribute: Any = getattr(DeliveryItem, name)
        text = str(value) if isinstance(value, DeliveryState) else value
        actions.append(attribute.remove() if text is None else attribute.set(text))
    return actions


def _log(delivery: Delivery) -> list[dict[str, Any]]:
    return [attempt.model_dump(mode="json", exclude_defaults=True) for attempt in delivery.log]


def _item(delivery: Delivery, **fields: Any) -> DeliveryItem:
    pk = keys.delivery_pk(delivery.org, delivery.endpoint_id, delivery.delivery_id)
    return DeliveryItem(pk=pk, sk=delivery.delivery_id, **fields)


def _read(item: DeliveryItem) -> Delivery:
    fields: dict[str, Any] = {
        name: getattr(item, name) for name in Delivery.model_fields if name not in {"delivery_id", "log"}
    }
    log = tuple(Attempt.model_validate(entry) for entry in item.log or ())
    return Delivery.model_validate({**fields, "delivery_id": item.sk, "log": log})
