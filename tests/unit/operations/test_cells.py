"""Values of a query's rows as JSON has them."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from operations.cells import json_rows, json_value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1.0, 1), (1.5, 1.5), (1e300, 1e300), (float("nan"), None), (float("-inf"), None), (True, True), (2**60, 2**60),
        (Decimal(10), 10), (Decimal("1.50"), 1.5), (None, None), ("x", "x"), (date(2026, 1, 2), "2026-01-02"),
        (time(10, 5), "10:05:00"), (datetime(2026, 1, 2, 3, 4, 5, 6789, UTC), "2026-01-02T03:04:05.006Z"),
        (datetime(2026, 1, 2, tzinfo=UTC).replace(tzinfo=None), "2026-01-02T00:00:00.000Z"),
        ([1.0, {"a": Decimal(2)}], [1, {"a": 2}]),
    ],
)  # fmt: skip
def test_a_value_is_one_that_json_has(value: Any, told: Any) -> None:
    assert json_value(value) == told
    assert type(json_value(value)) is type(told)
    json.dumps(json_value(value), allow_nan=False)


def test_a_column_of_several_kinds_gives_each_value_as_its_kind() -> None:
    codes = pa.array([0, 1, 2, 1], pa.int8())
    members = [
        pa.array([1.0, None, None, None]),
        pa.array([None, "[1]", None, None]),
        pa.array([None, None, b"[1]", None]),
    ]
    column = pa.UnionArray.from_sparse(codes, members, ["num", "text", "json"])
    batch = pa.record_batch([column], names=["a"])
    assert [row["a"] for row in json_rows(batch)] == [1, "[1]", [1], None]


def test_of_columns_with_one_name_the_last_is_given() -> None:
    batch = pa.record_batch([pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"])
    assert list(json_rows(batch)) == [{"a": 3}, {"a": 4}]
