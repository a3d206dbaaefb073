"""Blocks end where records end, wherever the quotes are."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobruns.formats import CsvFormat
from jobruns_data.blocks import RECORD_BYTES, Block, Grammar, cut_blocks
from jobruns_data.errors import UnreadableFileError

FIELD = st.text(alphabet=st.sampled_from('ab,"\n;é '), max_size=6)
TABLE = st.lists(st.lists(FIELD, min_size=2, max_size=3), max_size=12)


def written(table: list[list[str]], quoting: int) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=quoting, lineterminator="\n").writerows(table)  # type: ignore[arg-type]  # a constant of csv
    return out.getvalue().encode()


def blocks(data: bytes, size: int, form: CsvFormat | None = None, skip_lines: int = 0) -> list[Block]:
    return list(cut_blocks(io.BytesIO(data), Grammar(form or CsvFormat()), skip_lines=skip_lines, block_bytes=size))


@given(TABLE, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.integers(1, 40))
@settings(max_examples=300)
def test_blocks_are_whole_records_and_nothing_is_lost(table: list[list[str]], quoting: int, size: int) -> None:
    data = written(table, quoting)
    cut = blocks(data, size)
    assert b"".join(block.data for block in cut) == data
    parsed = [row for block in cut for row in csv.reader(io.StringIO(block.data.decode(), newline=""))]
    assert parsed == table
    line = 1
    for block in cut:
        assert block.line == line
        assert block.complete
        line += block.data.count(b"\n")


@given(st.text(alphabet=st.sampled_from('a,"\n'), max_size=40))
@settings(max_examples=1000)
def test_walking_from_quote_to_quote_finds_what_the_expression_finds(text: str) -> None:
    grammar = Grammar(CsvFormat())
    data = text.encode()
    match = grammar._records.match(data)
    assert match is not None
    assert grammar._walk(data) == match.end()


@given(st.binary(max_size=200), st.integers(1, 50))
@example(b"\xef\xbb\xbf", 1)
@example(b"\xef\xbb\xbfa,b\n", 2)
def test_any_bytes_come_back_or_are_refused(data: bytes, size: int) -> None:
    if (text := data.removeprefix(b"\xef\xbb\xbf")).decode(errors="replace").encode() == text:
        assert b"".join(block.data for block in blocks(data, size)) == text
    else:
        with pytest.raises(UnreadableFileError, match="is not UTF-8"):
            blocks(data, size)


def test_a_quote_inside_a_plain_value_opens_nothing() -> None:
    data = b'5" pipe,a\n6" pipe,b\nlast'
    assert [b.data for b in blocks(data, 10)] == [b'5" pipe,a\n', b'6" pipe,b\n', b"last"]


def test_escapes_are_followed() -> None:
    data = b'"a\\"\n",b\\\nc\nx,y\n'
    assert [b.data for b in blocks(data, 6, CsvFormat(escape="\\"))] == [b'"a\\"\n",b\\\nc\n', b"x,y\n"]


def test_a_comment_may_hold_a_quote() -> None:
    data = b'# it"s\na,b\n#"\nc,d\n'
    assert b"".join(b.data for b in blocks(data, 4, CsvFormat(comment="#"))) == data
    assert all(b.complete for b in blocks(data, 4, CsvFormat(comment="#")))


def test_the_rest_behind_an_open_quote_is_set_apart() -> None:
    first, rest = blocks(b'a,b\nc,"d\ne,f\n', 1 << 20)
    assert (first.data, first.line, first.complete) == (b"a,b\n", 1, True)
    assert (rest.data, rest.line, rest.complete) == (b'c,"d\ne,f\n', 2, False)


def test_lines_are_skipped_whatever_they_hold() -> None:
    (only,) = blocks(b'junk "\nmore\na,b\n', 1 << 20, skip_lines=2)
    assert (only.data, only.line) == (b"a,b\n", 3)
    assert blocks(b"one\n", 1 << 20, skip_lines=3) == []
    assert [b.data for b in blocks(b"x" * 100 + b"\na\n", 7, skip_lines=1)] == [b"a\n"]


def test_a_byte_order_mark_is_left_out() -> None:
    (only,) = blocks(b"\xef\xbb\xbfa,b\n", 1 << 20)
    assert only.data == b"a,b\n"


def test_the_line_that_is_not_utf8_is_named() -> None:
    with pytest.raises(UnreadableFileError, match=r"line 3 is not UTF-8 \(byte 0xff\)"):
        blocks(b"a\nb\nc\xff\n", 1 << 20)


def test_a_row_without_end_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(UnreadableFileError, match="line 2 starts a row longer than 16 MiB"):
        blocks(b"a\n" + b"x" * (RECORD_BYTES + (8 << 20)), 4 << 20)
