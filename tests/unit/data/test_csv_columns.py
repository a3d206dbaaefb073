"""CSV columns that are more than one field: what remains of a row, and what stands for nothing in it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from jobruns.datatypes import ColumnType, Element, TimestampFormat
from jobruns.transform import Column, Source, Transform
from jobruns_data.errors import UnreadableFileError
from jobruns_data.rows import Reject

Read = Callable[..., tuple[list[dict[str, Any]], list[Reject]]]
Make = Callable[..., Transform]

CLEAN_AND_DIRTY = pytest.mark.parametrize("dirty", [False, True])


def test_null_values_and_defaults(read: Read, csv_of: Make) -> None:
    transform = csv_of(
        null_values=("-",),
        n=Column(name="n", type=ColumnType.INT32, default="7", null_values=("none",)),
        w="string",
        must=Column(name="must", type=ColumnType.STRING, nullable=False),
    )
    rows, rejects = read(b"n,w,must\n-,-,a\n,,b\nnone,none,c\n1,x,-\n", transform)
    assert [(row["n"], row["w"]) for row in rows] == [(None, None), (7, ""), (None, "none")]
    assert [(r.line, r.reason) for r in rejects] == [(5, 'column "must": the value is missing')]


def remainder(kind: str = "map", inner: str = "string") -> Column:
    element = Element(type=ColumnType(inner)) if kind == "map" else None
    return Column(name="rest", type=ColumnType(kind), element=element, source=Source(remainder=True))


@CLEAN_AND_DIRTY
@pytest.mark.parametrize(
    ("column", "value"),
    [
        (remainder(), [("a", "1"), ("c d", "x"), ("e", "")]),
        (remainder("string"), '{"a":"1","c d":"x","e":""}'),
        (remainder("json"), '{"a":"1","c d":"x","e":""}'),
        (remainder("map", "json"), [("a", '"1"'), ("c d", '"x"'), ("e", '""')]),
    ],
)
def test_one_column_takes_the_fields_of_the_header_that_no_other_reads(
    read: Read, csv_of: Make, column: Column, value: object, dirty: bool
) -> None:
    transform = csv_of(n="int8", rest=column, placed=Column(name="placed", type="string", source=Source(index=4)))
    transform = transform.model_copy(update={"ignored": (Source(field="secret"), Source(index=6))})
    assert transform.uses_header
    data = "a,n,c d,secret,by index,e,too\n1,2,x,S,p,,T\n" + ("1,bad,x,S,p,,T\n" if dirty else "")
    rows, rejects = read(data.encode(), transform)
    assert [(row["n"], row["rest"], row["placed"]) for row in rows] == [(2, value, "p")]
    assert [reject.line for reject in rejects] == [3] * dirty


def test_nothing_remaining_is_null(read: Read, csv_of: Make) -> None:
    assert read(b"n\n1\n2\n", csv_of(n="int8", rest=remainder()))[0][1]["rest"] is None


def test_what_remains_is_read_by_its_type(read: Read, csv_of: Make) -> None:
    rows, rejects = read(b"n,a,b\n1,5,-\n2,x,\n", csv_of(None, ("-",), n="int8", rest=remainder("map", "int8")))
    assert [row["rest"] for row in rows] == [[("a", 5), ("b", None)]]
    assert [(r.line, r.reason) for r in rejects] == [
        (3, 'column "rest": cannot read ["a"]: "x" is not a whole number'),
    ]


def test_fields_that_have_the_same_name_cannot_both_remain(read: Read, csv_of: Make) -> None:
    with pytest.raises(UnreadableFileError, match='names "a" twice'):
        read(b"n,a,a\n1,2,3\n", csv_of(n="int8", rest=remainder()))


@CLEAN_AND_DIRTY
def test_what_becomes_of_missing_and_null_texts(read: Read, csv_of: Make, dirty: bool) -> None:
    columns = {
        "default": Column(name="default", type=ColumnType.INT32, default="7"),
        "filled": Column(name="filled", type=ColumnType.INT32, denullify=True),
        "both": Column(name="both", type=ColumnType.INT32, default="7", denullify=True),
        "word": Column(name="word", type=ColumnType.STRING, null_values=("",)),
        "filled_word": Column(name="filled_word", type=ColumnType.STRING, default="-", denullify=True),
        "at": Column(
            name="at", type=ColumnType.TIMESTAMP, default="03/Feb/2024", timestamp=TimestampFormat(layout="02/Jan/2006")
        ),
        "filled_at": Column(name="filled_at", type=ColumnType.TIMESTAMP, denullify=True),
        "big": Column(name="big", type=ColumnType.UINT64, denullify=True),
        "yes": Column(name="yes", type=ColumnType.BOOLEAN, denullify=True),
        "x": Column(name="x", type=ColumnType.DOUBLE, denullify=True),
        "any": Column(name="any", type=ColumnType.JSON, denullify=True),
    }
    data = ",".join(columns) + "\n" + "," * 10 + "\n" + ",".join("-" * 11) + "\n" + ("bad" + "," * 10) * dirty
    (empty, null), rejects = read(data.encode(), csv_of(None, ("-",), **columns))
    moment, zero = datetime(2024, 2, 3, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)
    filled = {"filled": 0, "filled_at": zero, "big": 0, "yes": False, "x": 0.0, "any": "null"}
    assert {name: empty[name] for name in columns} == filled | {
        "default": 7, "both": 7, "word": None, "filled_word": "-", "at": moment,
    }  # fmt: skip
    assert {name: null[name] for name in columns} == filled | {
        "default": None, "both": 7, "word": None, "filled_word": "-", "at": None,
    }  # fmt: skip
    assert len(rejects) == dirty


def test_denullify_does_not_invent_the_primary_timestamp(read: Read) -> None:
    column = Column(name="ts", type=ColumnType.TIMESTAMP, primary=True, denullify=True)
    rows, rejects = read(b'ts\n""\n', Transform(name="t", columns=(column,)))
    assert rows == []
    assert rejects[0].reason == 'column "ts": the primary timestamp is missing'
