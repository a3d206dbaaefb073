"""Reading without S3: a file is a string of bytes."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from jobruns.formats import CsvFormat
from jobruns.transform import Column, ColumnType, Source, Transform
from jobruns_data.readers import read_rows
from jobruns_data.rows import Reject

Read = Callable[..., tuple[list[dict[str, Any]], list[Reject]]]

PRIMARY = Column(name="ts", type=ColumnType.TIMESTAMP, primary=True, source=Source(constant="2024-01-01T00:00:00Z"))


@pytest.fixture
def read() -> Read:
    """Read bytes by a transform: the good rows, and the rejected ones."""

    def read_bytes(data: bytes, transform: Transform) -> tuple[list[dict[str, Any]], list[Reject]]:
        rows: list[dict[str, Any]] = []
        rejects: list[Reject] = []
        for part in read_rows(io.BytesIO(data), transform):
            rows += part.batch.to_pylist()
            rejects += part.rejects
        return rows, rejects

    return read_bytes


@pytest.fixture
def csv_of() -> Callable[..., Transform]:
    """Make a CSV transform of columns given as name=type, by header, beside a constant primary timestamp."""

    def make(form: CsvFormat | None = None, null_values: tuple[str, ...] = (), **columns: str | Column) -> Transform:
        made = [
            kind if isinstance(kind, Column) else Column(name=name, type=ColumnType(kind))
            for name, kind in columns.items()
        ]
        return Transform(name="t", format=form or CsvFormat(), columns=(PRIMARY, *made), null_values=null_values)

    return make
