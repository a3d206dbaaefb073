"""Which Arrow type a column has in memory and which Iceberg type it has in the table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, HourTransform, MonthTransform
from pyiceberg.types import (
    BooleanType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    TimestamptzType,
)

from jobruns.datatypes import ColumnType, Datatype
from jobruns.transform import Transform

__all__ = ["arrow_schema", "arrow_type", "iceberg_schema", "iceberg_type", "partition_spec", "widenings"]

# Iceberg has signed 32 and 64 bit integers only. What fits in them goes there; an unsigned 64 bit integer does not,
# and becomes a decimal rather than wrap around. Every number reads back as it was written.
_TYPES: Final[dict[ColumnType, tuple[pa.DataType, IcebergType]]] = {
    ColumnType.BOOLEAN: (pa.bool_(), BooleanType()),
    ColumnType.INT8: (pa.int32(), IntegerType()),
    ColumnType.INT16: (pa.int32(), IntegerType()),
    ColumnType.INT32: (pa.int32(), IntegerType()),
    ColumnType.INT64: (pa.int64(), LongType()),
    ColumnType.UINT8: (pa.int32(), IntegerType()),
    ColumnType.UINT16: (pa.int32(), IntegerType()),
    ColumnType.UINT32: (pa.int64(), LongType()),
    ColumnType.UINT64: (pa.decimal128(20, 0), DecimalType(20, 0)),
    ColumnType.DOUBLE: (pa.float64(), DoubleType()),
    ColumnType.STRING: (pa.string(), StringType()),
    ColumnType.JSON: (pa.string(), StringType()),
    ColumnType.TIMESTAMP: (pa.timestamp("us", tz="UTC"), TimestamptzType()),
}

_WIDTHS: Final = ((60, "hour", HourTransform()), (1440, "day", DayTransform()), (None, "month", MonthTransform()))
"""Widths of partitions: up to so many minutes, its name, and what Iceberg makes of a timestamp."""


def arrow_type(datatype: Datatype) -> pa.DataType:
    """Return the type of a value in memory, which is also the one of its table column."""
    if datatype.element is None:
        return _TYPES[datatype.type][0]
    inner = arrow_type(datatype.element)
    if datatype.type is ColumnType.MAP:
        return pa.map_(pa.field("key", pa.string(), nullable=False), pa.field("value", inner))
    return pa.list_(pa.field("element", inner))


def iceberg_type(datatype: Datatype, ids: Iterator[int] | None = None) -> IcebergType:
    """Return the type of a column in the table.

    Parameters
    ----------
    datatype : Datatype
    ids : iterator of int, optional
        Where what is in arrays and maps takes its field ids from. A table gives ids of its own when it is made or gets
        the column, so that they need to be unique only inside of one schema.
    """
    ids = ids if ids is not None else count(1)
    if datatype.element is None:
        return _TYPES[datatype.type][1]
    if datatype.type is ColumnType.MAP:
        return MapType(
            key_id=next(ids),
            key_type=StringType(),
            value_id=next(ids),
            value_type=iceberg_type(datatype.element, ids),
            value_required=False,
        )
    return ListType(element_id=next(ids), element_type=iceberg_type(datatype.element, ids), element_required=False)


def arrow_schema(transform: Transform) -> pa.Schema:
    """Return the schema of the batches that a file read by ``transform`` gives."""
    return pa.schema([pa.field(column.name, arrow_type(column)) for column in transform.columns])


def iceberg_schema(transform: Transform) -> Schema:
    """Return the schema of a new table.

    Every column but the primary one may be null: another transform of the same table may not have it.
    """
    ids = count(len(transform.columns) + 1)
    return Schema(
        *(
            NestedField(i, column.name, iceberg_type(column, ids), required=False)
            for i, column in enumerate(transform.columns, 1)
        )
    )


def partition_spec(transform: Transform, schema: Schema, minutes: int | None = None) -> PartitionSpec:
    """Return the partitioning of a new table, by the primary timestamp (UTC).

    Every unit writes at least one file for each partition it has rows of, so that without a wish the partitions are
    coarse enough for a load of history: a row a day over three years made 1,096 files in 42 s by day, and makes 36 by
    month. What a coarser partition loses, the bounds of the primary timestamp that each file carries win back: files
    that a query's days do not touch are not opened.

    Parameters
    ----------
    transform : Transform
    schema : Schema
        The table's.
    minutes : int, optional
        Width of a partition as wished. Iceberg knows hours, days and months: it is the hour up to 60, the day up to
        1440, else the month.
    """
    unit, of_time = next(
        (unit, of_time) for most, unit, of_time in _WIDTHS if most is None or (minutes and minutes <= most)
    )
    primary = schema.find_field(transform.primary.name)
    taken = {field.name.casefold() for field in schema.fields}
    name = next(n for i in range(len(taken) + 1) if (n := f"{primary.name}_{unit}" + "_" * i).casefold() not in taken)
    return PartitionSpec(PartitionField(source_id=primary.field_id, field_id=1000, transform=of_time, name=name))


def widenings(
    existing: IcebergType, wanted: IcebergType, path: tuple[str, ...]
) -> dict[tuple[str, ...], IcebergType] | None:
    """Say what must become wider before every value of ``wanted`` can be stored in a column of the type ``existing``.

    Only what Iceberg can widen in place, without rewriting files
    (https://iceberg.apache.org/spec/#schema-evolution).

    Parameters
    ----------
    existing, wanted : IcebergType
    path : tuple of str
        Where ``existing`` is: the column's name, followed by those of the arrays' elements and maps' values it is in.

    Returns
    -------
    dict of path to IcebergType, or None
        The new types by path, none if it fits as it is; None if it never will.
    """
    if isinstance(existing, ListType) and isinstance(wanted, ListType):
        return widenings(existing.element_type, wanted.element_type, (*path, "element"))
    if isinstance(existing, MapType) and isinstance(wanted, MapType):
        if existing.key_type != wanted.key_type:
            return None
        return widenings(existing.value_type, wanted.value_type, (*path, "value"))
    if isinstance(existing, IntegerType) and isinstance(wanted, LongType):
        return {path: wanted}
    fits = (
        wanted == existing
        or (isinstance(wanted, IntegerType) and isinstance(existing, LongType))
        or (isinstance(wanted, FloatType) and isinstance(existing, DoubleType))
    )
    return {} if fits else None
