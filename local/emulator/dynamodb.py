"""Transactions that undo what they touched.

moto copies every table a transaction names before it begins, and puts the copies back when a condition fails: the
cost of a write grows with the table. Here only the items of the transaction are kept.
"""

import copy
import functools
from types import SimpleNamespace
from typing import Any

from moto.dynamodb import models
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table


@functools.cache  # a replacement of the replacement would copy every item once more
def apply() -> None:
    """Replace `transact_write_items`, once per process."""
    original = models.DynamoDBBackend.transact_write_items

    def transact_write_items(backend: Any, transact_items: list[dict[str, Any]]) -> None:
        before = _Before(backend, transact_items)
        try:
            original(backend, transact_items)
        except BaseException:
            before.restore()
            raise

    models.DynamoDBBackend.transact_write_items = transact_write_items
    # "Putting back" the table itself is then a step that changes nothing.
    models.copy = SimpleNamespace(copy=copy.copy, deepcopy=_copy_but_tables)


def _copy_but_tables(value: Any, memo: dict[int, Any] | None = None) -> Any:
    return value if isinstance(value, Table) else copy.deepcopy(value, memo)


class _Before:
    """The items a transaction names, as they were, and how long each stream was."""

    def __init__(self, backend: Any, transact_items: list[dict[str, Any]]) -> None:
        self._items: list[tuple[Any, Any, Any, Any]] = []
        self._streams: dict[str, tuple[Any, int]] = {}
        for entry in transact_items:
            operation = next(iter(entry.values()))
            table = backend.tables.get(operation.get("TableName", "").rpartition("/")[2])
            if table is None:
                continue
            if table.stream_shard is not None:
                self._streams[table.name] = (table.stream_shard, len(table.stream_shard.items))
            attributes = operation.get("Key") or operation.get("Item") or {}
            if table.hash_key_attr not in attributes or (
                table.has_range_key and table.range_key_attr not in attributes
            ):
                continue
            hash_key = DynamoType(attributes[table.hash_key_attr])
            range_key = DynamoType(attributes[table.range_key_attr]) if table.has_range_key else None
            self._items.append((table, hash_key, range_key, copy.deepcopy(table.get_item(hash_key, range_key))))

    def restore(self) -> None:
        for table, hash_key, range_key, item in self._items:
            if range_key is None:
                if item is None:
                    table.items.pop(hash_key, None)
                else:
                    table.items[hash_key] = item
            elif item is None:
                if hash_key in table.items:
                    table.items[hash_key].pop(range_key, None)
            else:
                table.items[hash_key][range_key] = item
        for stream, length in self._streams.values():
            del stream.items[length:]
