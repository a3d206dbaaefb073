"""A table with a primary key, and what it should hold by the simplest of models: a dict of dicts."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from pyiceberg.catalog import Catalog

from jobruns.operation import WriteAction
from jobruns_data.attributes import Layout, create_keyed_table
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.deleting import DeleteOutcome, delete_before, delete_keys
from jobruns_data.incoming import incoming_records
from jobruns_data.keyed import WriteOutcome, write_rows
from jobruns_data.records import columns_of, json_records

Record = Mapping[str, Any]
START = datetime(2026, 1, 1, tzinfo=UTC)
_NAMES = count()


def token(key: Any) -> tuple[str, Any]:
    return ("bool" if isinstance(key, bool) else "", key)


@dataclass
class KeyedTable:
    """A table that is written to; every operation is a second after the one before."""

    catalog: Catalog
    primary_key: str = "id"
    target: TableTarget = field(init=False)
    runs: int = 0

    def __post_init__(self) -> None:
        name = f"t{next(_NAMES)}"
        self.target = TableTarget("dev", name, f"s3://lake/dev/{name}")
        create_keyed_table(self.catalog, self.target, self.primary_key)

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.runs)

    def write(self, action: str, records: Sequence[Record], run_id: str | None = None, **more: Any) -> WriteOutcome:
        self.runs += 1
        return write_rows(
            self.catalog,
            self.target,
            WriteAction(action),
            incoming_records(records, self.primary_key),
            run_id=run_id or f"run-{self.runs}",
            at=self.now,
            **{"name_keys": True, **more},
        )

    def delete(self, *keys: Any) -> DeleteOutcome:
        self.runs += 1
        return delete_keys(self.catalog, self.target, keys, run_id=f"run-{self.runs}")

    def delete_before(self, moment: datetime) -> DeleteOutcome:
        self.runs += 1
        return delete_before(self.catalog, self.target, moment, run_id=f"run-{self.runs}")

    def rows(self) -> dict[tuple[str, Any], dict[str, Any]]:
        """Everything in the table, by key, without what is null."""
        table = load_table(self.catalog, self.target)
        layout = Layout.of(table)
        names = [self.primary_key, "__createdtime__", "__updatedtime__", *layout.attributes]
        found = json_records(layout, table.scan().select(*columns_of(layout, names)).to_arrow(), names)
        by_key = {token(row[self.primary_key]): {k: v for k, v in row.items() if v is not None} for row in found}
        assert len(by_key) == len(found), "a key is in the table twice"
        return by_key


@dataclass
class Model:
    """What the contract says, one record after the other."""

    primary_key: str = "id"
    rows: dict[tuple[str, Any], dict[str, Any]] = field(default_factory=dict)

    def write(self, action: str, records: Sequence[Record], now: datetime) -> tuple[list[Any], list[Any]]:
        millis = now.timestamp() * 1000
        before, written, skipped = set(self.rows), [], []
        for record in copy.deepcopy(records):
            key = record[self.primary_key]
            exists = token(key) in self.rows
            if (action == "insert" and exists) or (action == "update" and token(key) not in before):
                skipped.append(key)
                continue
            row = self.rows.setdefault(token(key), {"__createdtime__": millis})
            row.update(record, __updatedtime__=millis)
            written.append(key)
        for row in self.rows.values():
            for name in [name for name, value in row.items() if value is None]:
                del row[name]
        return written, skipped

    def delete(self, keys: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        deleted = [key for key in keys if token(key) in self.rows]
        for key in keys:
            self.rows.pop(token(key), None)
        return deleted, [key for key in keys if key not in deleted]

    def delete_before(self, moment: datetime) -> int:
        old = [key for key, row in self.rows.items() if row["__createdtime__"] < moment.timestamp() * 1000]
        for key in old:
            del self.rows[key]
        return len(old)
