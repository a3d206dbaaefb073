"""Files that are read together give what each gives by itself."""

import io
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from jobruns.formats import CsvFormat, JsonFormat
from jobruns.transform import Column, ColumnType, Source, Transform
from jobruns_data.errors import UnreadableFileError
from jobruns_data.readers import RowReader, read_rows

COLUMNS = (
    Column(name="ts", type=ColumnType.TIMESTAMP, primary=True),
    Column(name="n", type=ColumnType.INT32),
    Column(name="t", type=ColumnType.STRING),
)
BY_NAME = Transform(name="rows", columns=COLUMNS)
BY_INDEX = Transform(
    name="rows",
    columns=tuple(column.model_copy(update={"source": Source(index=i)}) for i, column in enumerate(COLUMNS)),
)
COMMENTED = BY_NAME.model_copy(update={"format": CsvFormat(comment="#")})
ESCAPED = BY_INDEX.model_copy(update={"format": CsvFormat(escape="\\")})
UNQUOTED = BY_INDEX.model_copy(update={"format": CsvFormat(quote=None)})
JSON = BY_NAME.model_copy(update={"format": JsonFormat()})

DAY = "2024-01-01T00:00:00Z"
PIECES = [
    "ts,n,t\n", "t,ts,n\n", "ts,n\n", f"{DAY},1,a\n", f"{DAY},2,b", f"{DAY},3,c\r", f"{DAY},4,d\r\n",
    f"{DAY},x,bad\n", ",5,untimed\n", "short\n", "\n", "\r\n", "#note\n", "# note, with, fields",
    f'{DAY},6,"two\nlines"\n', f'{DAY},7,"open\n', f'{DAY},8,a"b\n', f'{DAY},9,"a""b"', '"', "\\", f"{DAY},10,a\\\n",
    f"{DAY},11,é\n", "\udcff", '{"ts":"2024-01-01T00:00:00Z"}\n', '{"ts":"2024-01-01T00:00:00Z","n":1}', "null\n",
    "[", "{", "}\n",
]  # fmt: skip


def alone(files: list[bytes], transform: Transform) -> tuple[list[Any], list[Any], list[Any]]:
    rows: list[Any] = []
    rejects: list[Any] = []
    failed: list[Any] = []
    for number, data in enumerate(files):
        try:
            for part in read_rows(io.BytesIO(data), transform):
                rows += part.batch.to_pylist()
                rejects += [(f"{number}", reject) for reject in part.rejects]
        except UnreadableFileError as error:
            failed.append((number, error.message))
    return rows, rejects, failed


def together(files: list[bytes], transform: Transform) -> tuple[list[Any], list[Any], list[Any]]:
    rows: list[Any] = []
    rejects: list[Any] = []
    failed: list[Any] = []

    def take(name: str, part: Any) -> None:
        rows.extend(part.batch.to_pylist())
        rejects.extend((name, reject) for reject in part.rejects)

    reader = RowReader(transform, take)
    for number, data in enumerate(files):
        try:
            reader.read(f"{number}", io.BytesIO(data))
        except UnreadableFileError as error:
            failed.append((number, error.message))
    reader.finish()
    return rows, rejects, failed


@pytest.mark.parametrize("transform", [BY_NAME, BY_INDEX, COMMENTED, ESCAPED, UNQUOTED, JSON])
@settings(max_examples=150, deadline=None)
@given(files=st.lists(st.lists(st.sampled_from(PIECES), max_size=5).map("".join), max_size=5))
def test_files_read_together_give_what_each_gives_alone(transform: Transform, files: list[str]) -> None:
    written = [file.encode(errors="surrogateescape") for file in files]
    assert together(written, transform) == alone(written, transform)


def test_a_good_file_is_taken_with_its_neighbours_and_a_bad_row_names_its_own() -> None:
    good = f"ts,n,t\n{DAY},1,a\n".encode()
    taken: list[tuple[str, int, int]] = []
    reader = RowReader(BY_NAME, lambda name, rows: taken.append((name, rows.batch.num_rows, len(rows.rejects))))
    for name, data in {"a": good, "b": good, "c": good}.items():
        reader.read(name, io.BytesIO(data))
    assert taken == []
    reader.finish()
    assert taken == [("c", 3, 0)]
    taken.clear()
    for name, data in {"a": good, "b": good + b"x\n", "c": good}.items():
        reader.read(name, io.BytesIO(data))
    reader.finish()
    assert taken == [("a", 1, 0), ("b", 1, 1), ("c", 1, 0)]


def test_a_block_of_a_large_file_is_not_held_back() -> None:
    taken: list[int] = []
    reader = RowReader(BY_NAME, lambda _, rows: taken.append(rows.batch.num_rows))
    reader.read("a", io.BytesIO(b"ts,n,t\n" + f"{DAY},1,{'a' * 100}\n".encode() * 20_000))
    assert taken == [20_000]
