"""A text reads the same whatever stands beside it: the fast way and the careful way agree."""

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobruns.transform import Column, ColumnType, Resolution, TimestampFormat
from jobruns_data.cells import CellReader

NUMERIC = st.from_regex(r"[ +-]{0,2}(0x)?[0-9a-fA-F_.]{0,22}([eE][+-]?\d{1,3})?[ \t]?", fullmatch=True)
WORDS = st.sampled_from(
    ["true", "T", "0", "nan", "-NaN", "inf", "Infinity", "null", "", " ", "None", "{}", "[1", '"a"', "\u0661"]
)
MOMENTS = st.from_regex(
    r"(19|20|00|99)\d\d-(0\d|1[0-3])-([0-2]\d|3[0-3])"
    r"[T ][0-2]\d:[0-6]\d(:[0-6]\d)?([.,]\d{1,10})?(Z|[+-]\d\d(:?\d\d)?)?",
    fullmatch=True,
)
SCALARS = [kind for kind in ColumnType if not kind.nested]
COLUMNS = [
    *(Column(name="c", type=kind) for kind in SCALARS),
    *(
        Column(name="c", type=ColumnType.TIMESTAMP, timestamp=TimestampFormat(epoch=unit))
        for unit in ("s", "cs", "ms", "us", "ns")
    ),
    *(
        Column(name="c", type=ColumnType.TIMESTAMP, timestamp=TimestampFormat(layout=layout), resolution=resolution)
        for layout in ("2006-01-02 15:04:05", "2006-01-02T15:04:05.000Z", "2006-01-02T15:04:05.999-07:00")
        for resolution in Resolution
    ),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: f"{c.type}-{c.timestamp}-{c.resolution}")
@given(text=NUMERIC | WORDS | MOMENTS | st.text(max_size=12))
@example(text="0x1F")
@example(text="-0x1")
@example(text="+5")
@example(text="1_0")
@example(text="2024-01-01 00:00:00Z")
@example(text="2024-01-01T00:00:00+0200")
@settings(max_examples=60, deadline=None)
def test_the_two_ways_agree(column: Column, text: str) -> None:
    reader = CellReader(column)
    alone, bad = reader.read(pa.array([text, None], pa.string()))
    reader._fast = lambda texts: reader_fast(texts) if len(texts) == 1 else _refuse()
    reader_fast = CellReader(column)._fast
    beside, bad_beside = reader.read(pa.array([text, None], pa.string()))
    assert bad == bad_beside
    assert alone.equals(beside) or str(alone) == str(beside)  # NaN equals nothing
    assert alone.type == reader.type


def _refuse() -> None:
    raise pa.ArrowInvalid("not this way")


@pytest.mark.parametrize("column", [Column(name="c", type=kind) for kind in SCALARS], ids=lambda c: str(c.type))
@given(text=NUMERIC | WORDS)
@settings(max_examples=60, deadline=None)
def test_what_a_transform_accepts_as_default_can_be_read(column: Column, text: str) -> None:
    try:
        column.check(text)
    except ValueError:
        return
    values, bad = CellReader(column).read(pa.array([text], pa.string()))
    assert bad == []
    assert values.null_count == (text == "" and column.type is not ColumnType.STRING)
