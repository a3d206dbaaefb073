"""DynamoDB's items and queries, without work that grows with what the table has beside.

moto sorts the whole table for every query, compares each key by way of six properties, and weighs an item anew for
every attribute that is put into it.
"""

import functools
from typing import Any

from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import DynamoType, LimitedSizeDict
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import bytesize

MAX_ITEM_BYTES = 405_000
"""As moto has it."""

_PLAIN = frozenset({"S", "B", "BOOL"})
"""Types whose value is told as it is."""


@functools.cache
def apply() -> None:
    """Replace how values are compared, items weighed and queries answered, once per process."""
    _compare_values()
    LimitedSizeDict.__setitem__ = _put_attribute
    Table.all_items = _list_items(Table.all_items)
    Table.query = _query_partition(Table.query)


def _compare_values() -> None:
    cast = DynamoType.cast_value.fget

    def plain(value: Any) -> Any:
        return value.value if value.type in _PLAIN else cast(value)

    DynamoType.cast_value = property(plain)
    DynamoType.__hash__ = lambda self: hash((self.type, plain(self)))
    DynamoType.__eq__ = lambda self, other: self.type == other.type and plain(self) == plain(other)
    DynamoType.__ne__ = lambda self, other: self.type != other.type or plain(self) != plain(other)
    DynamoType.__lt__ = lambda self, other: plain(self) < plain(other)


def _put_attribute(attributes: Any, key: str, value: Any) -> None:
    """Put an attribute into an item; what it weighs is added up only where it may be too much.

    The bound counts an attribute that is put twice as two, and is mended when it reaches the limit.
    """
    added = _weigh(key) + _weigh(value)
    bound = attributes.__dict__.get("bound")
    if bound is None or bound + added > MAX_ITEM_BYTES:
        bound = sum(_weigh(name) + _weigh(held) for name, held in attributes.items())
        if bound + added > MAX_ITEM_BYTES:
            raise ItemSizeTooLarge
    attributes.bound = bound + added
    dict.__setitem__(attributes, key, value)


def _weigh(value: Any) -> int:
    size: int = value.size() if type(value) is DynamoType else bytesize(str(value))
    return size


def _list_items(original: Any) -> Any:
    def all_items(table: Any) -> Any:
        kinds = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table.attr}
        if kinds.get(table.hash_key_attr) != "S" or kinds.get(table.range_key_attr) != "S":
            return original(table)
        items = [item for partition in table.items.values() for item in partition.values()]
        items.sort(key=lambda item: (item.hash_key.value, item.range_key.value))
        return items

    return all_items


def _query_partition(original: Any) -> Any:
    def query(
        table: Any,
        hash_key: Any,
        comparison: Any,
        values: Any,
        limit: Any,
        behind: Any,
        forward: Any,
        shown: Any,
        index_name: Any = None,
        *more: Any,
        **conditions: Any,
    ) -> Any:
        keys = dict(conditions.get("hash_key_conditions") or ())
        partition = keys.get(table.hash_key_attr) if index_name else hash_key
        if partition is not None:
            # The same table, in which there is but the one partition that is asked for.
            part = object.__new__(Table)
            part.__dict__.update(table.__dict__, items={partition: table.items.get(partition, {})})
            table = part
        return original(
            table, hash_key, comparison, values, limit, behind, forward, shown, index_name, *more, **conditions
        )

    return query
