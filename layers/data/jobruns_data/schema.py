"""Which Arrow type a column has in memory and which Iceberg type it has in the table."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import MonthTransform
from pyiceberg.types import (
    BooleanType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from jobruns.transform import ColumnType, Transform

__all__ = ["arrow_schema", "arrow_type", "fits", "iceberg_schema", "iceberg_type", "may_become", "partition_spec"]

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


def arrow_type(kind: ColumnType) -> pa.DataType:
    """Return the type of a column in memory, which is also the one of its table column."""
    return _TYPES[kind][0]


def iceberg_type(kind: ColumnType) -> IcebergType:
    """Return the type of a column in the table."""
    return _TYPES[kind][1]


def arrow_schema(transform: Transform) -> pa.Schema:
    """Return the schema of the batches that a file read by ``transform`` gives."""
    return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in transform.columns])


def iceberg_schema(transform: Transform) -> Schema:
    """Return the schema of a new table.

    Every column but the primary one may be null: another transform of the same table may not have it.
    """
    return Schema(
        *(
            NestedField(i, column.name, iceberg_type(column.type), required=False)
            for i, column in enumerate(transform.columns, 1)
        )
    )


def partition_spec(transform: Transform, schema: Schema) -> PartitionSpec:
    """Return the partitioning of a new table: one partition per month (UTC) of the primary timestamp.

    Every unit writes at least one file for each partition it has rows of, so the partitions must be coarse enough for
    a load of history: a row a day over three years made 1,096 files in 42 s by day, and makes 36 by month. What a
    coarser partition loses, the bounds of the primary timestamp that each file carries win back: files that a query's
    days do not touch are not opened.
    """
    primary = schema.find_field(transform.primary.name)
    taken = {field.name.casefold() for field in schema.fields}
    name = next(n for i in range(len(taken) + 1) if (n := f"{primary.name}_month" + "_" * i).casefold() not in taken)
    month = PartitionField(source_id=primary.field_id, field_id=1000, transform=MonthTransform(), name=name)
    return PartitionSpec(month)


def fits(wanted: IcebergType, existing: IcebergType) -> bool:
    """Whether every value of ``wanted`` can be stored in a column of the type ``existing``."""
    return (
        wanted == existing
        or (isinstance(wanted, IntegerType) and isinstance(existing, LongType))
        or (isinstance(wanted, FloatType) and isinstance(existing, DoubleType))
    )


def may_become(existing: IcebergType, wanted: IcebergType) -> bool:
    """Whether Iceberg can widen a column in place, without rewriting its files."""
    return isinstance(existing, IntegerType) and isinstance(wanted, LongType)
