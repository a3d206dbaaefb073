"""One JSON array of objects, whatever pieces it comes in."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns_data.errors import UnreadableFileError
from operations import json_arrays
from operations.json_arrays import CUT_OFF, NO_ARRAY, read_json_array

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), max_size=5)


class Pieces:
    """A stream that gives a few bytes at a time."""

    def __init__(self, content: bytes, most: int) -> None:
        self._content = io.BytesIO(content)
        self._most = most

    def read(self, size: int, /) -> bytes:
        return self._content.read(min(size, self._most))


def read(content: bytes, most: int = 1 << 20) -> list[dict[str, Any]]:
    return list(read_json_array(Pieces(content, most)))


@given(RECORDS, st.integers(1, 7), st.sampled_from([None, 2]), st.booleans())
def test_objects_come_as_they_were_written_in_pieces_of_any_size(
    records: list[dict[str, Any]], most: int, indent: int | None, escaped: bool
) -> None:
    content = json.dumps(records, indent=indent, ensure_ascii=escaped).encode(errors="surrogatepass")
    assert read(b"\xef\xbb\xbf " + content + b"\n", most) == records


@pytest.mark.parametrize("content", [b"", b"{}", b'{"id": 1}\n{"id": 2}', b"1", b"x"])
def test_what_is_no_array_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFileError) as refused:
        read(content)
    assert refused.value.message == NO_ARRAY


@given(st.integers(1, 40))
def test_an_array_that_is_cut_off_is_refused_wherever_it_is(length: int) -> None:
    content = b'[{"id": 1, "a": [1, 2]}, {"id": 25, "b": "x"}]'[:length]
    with pytest.raises(UnreadableFileError) as refused:
        read(content, 3)
    assert refused.value.message == CUT_OFF


@pytest.mark.parametrize("content", [b'[{"a": 1},]', b"[{},,{}]", b"[{'a': 1}]", b"[{} {}]", b"[nope]"])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFileError, match=CUT_OFF):
        read(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[1]", "element 1 of the array is no object"),
        (b'[{}, "x"]', "element 2"),
        (b"[{}] {}", "behind the end"),
        (b'[{"a": "\xff"}]', "UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_else_is_wrong_is_said(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFileError, match=reason):
        read(content)


def test_a_value_that_does_not_end_is_not_taken_in_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_arrays, "RECORD_BYTES", 1000)
    monkeypatch.setattr(json_arrays, "_PIECE_BYTES", 100)
    asked = 0

    class Endless:
        def read(self, size: int, /) -> bytes:
            nonlocal asked
            asked += size
            return (b'[{"a": "' if asked == size else b"") + b"x" * size

    with pytest.raises(UnreadableFileError, match="longer than 1000 bytes"):
        list(read_json_array(Endless()))
    assert asked < 10_000
