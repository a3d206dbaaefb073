"""Units of work of a run: who has begun and done which, so that a repeated unit is counted once."""

from datetime import datetime

from jobruns.retention import Retention
from jobruns.service.store_ports import UnitRecord
from jobruns.store import keys
from jobruns.store.conditional import save_if, update_if
from jobruns.store.run_part_items import UnitItem

MAX_UNITS = 100_000


class Units:
    """Reads and writes units.

    Parameters
    ----------
    retention : Retention
        How long they are kept.
    """

    def __init__(self, retention: Retention) -> None:
        self._retention = retention

    def begin(self, org: str, run_id: str, number: int, at: datetime) -> bool:
        """Note that a worker begins a unit.

        Returns
        -------
        bool
            False when one has begun it before (and was killed, say).
        """
        item = UnitItem(
            pk=keys.run_pk(org, run_id),
            sk=keys.unit_sk(number),
            kind="unit",
            number=number,
            state="RUNNING",
            expires_at=self._retention.history_expires_at(at),
        )
        return save_if(item, UnitItem.pk.does_not_exist())

    def end(self, org: str, run_id: str, record: UnitRecord) -> bool:
        """Note how a begun unit ended.

        Returns
        -------
        bool
            False when its end is noted already.
        """
        item = UnitItem(pk=keys.run_pk(org, run_id), sk=keys.unit_sk(record.number))
        actions = [getattr(UnitItem, name).set(value) for name, value in record.model_dump(exclude={"number"}).items()]
        return update_if(item, actions, UnitItem.state == "RUNNING")

    def all(self, org: str, run_id: str) -> list[UnitRecord]:
        """Read the units of a run that were begun, by number, consistently."""
        found = UnitItem.query(
            keys.run_pk(org, run_id), UnitItem.sk.startswith("UNIT#"), consistent_read=True, limit=MAX_UNITS
        )
        names = UnitRecord.model_fields
        return [UnitRecord.model_validate({name: getattr(item, name) for name in names}) for item in found]
