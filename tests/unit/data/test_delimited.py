"""Delimited text of undeclared columns: nothing is rejected, whatever is in it."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns_data import delimited
from jobruns_data.delimited import read_cells, read_delimited
from jobruns_data.errors import InvalidAttributeError, UnreadableFileError
from jobruns_data.incoming import Incoming
from jobruns_data.keys import named
from jobruns_data.kinds import python_values


def cells(data: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for columns in read_cells(io.BytesIO(data)):
        texts = [array.to_pylist() for array in columns.values()]
        rows += [dict(zip(columns, row, strict=True)) for row in zip(*texts, strict=True)]
    return rows


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_delimiter_is_guessed(delimiter: str, line_end: str) -> None:
    lines = [["a", "b", "c"], ["1", "x;y,z|w"[0:1], "3"], ["4", '"p,q;r|s\tt"', "6"]]
    data = line_end.join(delimiter.join(line) for line in lines).encode()
    assert cells(data) == [{"a": "1", "b": "x", "c": "3"}, {"a": "4", "b": "p,q;r|s\tt", "c": "6"}]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"", []),
        (b"a,b\n", []),
        (b"a,b", []),
        (b"\n\r\na,b\n\n1,2\n\n\n3,4\n\n", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        (b"\xef\xbb\xbfa,b\n1,2", [{"a": "1", "b": "2"}]),
        (b"a\n1\n2\n", [{"a": "1"}, {"a": "2"}]),
        (b"a,b\n1\n1,2,3\n,\n", [{"a": "1", "b": None}, {"a": "1", "b": "2"}, {"a": "", "b": ""}]),
        (b'a,b\n1,"x\ny"\n2,"say ""hi"""\n', [{"a": "1", "b": "x\ny"}, {"a": "2", "b": 'say "hi"'}]),
        (b'a,b\n1,2\n3,"open\n4,5\n', [{"a": "1", "b": "2"}, {"a": "3", "b": "open\n4,5\n"}]),
        (b"a,a,,a\n1,2,3,4\n", [{"a": "1", "a_1": "2", "_3": "3", "a_2": "4"}]),
        (b'"a,b",c\n1,2\n', [{"a,b": "1", "c": "2"}]),
    ],
)  # fmt: skip
def test_a_file_is_read_as(data: bytes, rows: list[dict[str, Any]]) -> None:
    assert cells(data) == rows


@pytest.mark.parametrize("name", ["a/b", "a`b", "x" * 251])
def test_a_column_with_a_name_that_cannot_be_is_told(name: str) -> None:
    with pytest.raises(InvalidAttributeError) as raised:
        cells(f"id,{name}\n1,2\n".encode())
    assert raised.value.name == name


def test_what_is_not_utf8_is_told() -> None:
    with pytest.raises(UnreadableFileError, match="line 2 is not UTF-8"):
        cells(b"a,b\n1,\xff\n")


def read(data: bytes, *, structures: bool = True) -> list[Incoming]:
    return list(read_delimited(io.BytesIO(data), "id", structures=structures))


def test_cells_become_keys_and_values() -> None:
    (rows,) = read(b'id,n,__createdtime__,j\n1,1.5,5,"{""a"":1}"\nx,,5,[1]\n')
    assert rows.keys is not None
    assert named(rows.keys) == [1, "x"]
    values = {
        name: [python_values(kind, array) for kind, array in found.items()] for name, found in rows.values.items()
    }
    assert values == {"n": [[1.5, None], [None, ""]], "j": [[{"a": 1}, [1]]]}
    assert rows.given is None
    (texts,) = read(b'id,j\n1,"{""a"":1}"\n', structures=False)
    assert [python_values(kind, array) for kind, array in texts.values["j"].items()] == [['{"a":1}']]


def test_a_file_without_the_key_column_has_no_keys() -> None:
    (rows,) = read(b"a\n1\n")
    assert (rows.keys, rows.rows) == (None, 1)


@given(
    st.lists(
        st.lists(st.text('ab,"\n\r ;ä', max_size=4), min_size=2, max_size=2).filter(lambda row: row != ["", ""]),
        max_size=20,
    ),
    st.integers(1, 40),
)
def test_blocks_of_any_size_give_the_same_as_the_csv_module(rows: list[list[str]], block: int) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["k", "v"], *rows])

    class Drip(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, block))

    found = []
    for columns in read_cells(Drip(out.getvalue().encode())):
        assert list(columns) == ["k", "v"]
        found += [list(row) for row in zip(*(array.to_pylist() for array in columns.values()), strict=True)]
    assert found == rows


def test_a_file_larger_than_a_block_is_not_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b"1,some text\n"
    data = b"id,a\n" + line * (1 << 20)
    blocks = read_delimited(io.BytesIO(data), "id", structures=True)
    assert next(blocks).rows < 1 << 20
    assert sum(rows.rows for rows in blocks) > 1 << 19
    assert delimited._START_BYTES < 1 << 20
