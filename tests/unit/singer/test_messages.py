"""What a tap prints, read and laid down."""

import csv
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from scripts.errors import RunFailedError
from singer.landing import land_csv
from singer.messages import NOTHING, Reading, put_state_last, read_messages, write_payload

AT = datetime(2026, 11, 21, 9, 5, 7, tzinfo=UTC)


def record(stream: str, **row: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": row}


def lay(path: Path, *messages: Any) -> Path:
    path.write_text("".join(f"{json.dumps(message)}\n" for message in messages))
    return path


def test_records_are_counted_by_stream_and_the_last_state_counts(tmp_path: Path) -> None:
    schema = {"type": "SCHEMA", "stream": "none", "schema": {"properties": {"id": {}}}}
    states = [{"type": "STATE", "value": {"at": number}} for number in (1, 2)]
    path = lay(tmp_path / "m", schema, record("a", id=1), states[0], record("a", id=2), states[1], record("b", x=1))
    reading = read_messages(path)
    assert reading.counts == {"none": 0, "a": 2, "b": 1}
    assert reading.state == {"at": 2}


def test_types_are_compared_whatever_their_case_and_unknown_ones_are_let_pass(tmp_path: Path) -> None:
    path = lay(tmp_path / "m", {"type": "record", "stream": "a", "record": {}}, {"type": "ACTIVATE_VERSION"}, {})
    reading = read_messages(path)
    assert (reading.counts, reading.state) == ({"a": 1}, NOTHING)


def test_empty_lines_are_let_pass(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("\n  \n" + json.dumps(record("a")) + "\n\n")
    assert read_messages(tmp_path / "m").counts == {"a": 1}


@given(some.binary(max_size=60))
def test_any_line_is_taken_or_refused(line: bytes) -> None:
    with suppress(RunFailedError):
        Reading().take(line or b"x")


@given(some.recursive(some.none() | some.booleans() | some.integers() | some.text(), some.lists, max_leaves=4))
def test_a_state_is_kept_as_it_came(value: Any) -> None:
    reading = Reading()
    reading.take(json.dumps({"type": "STATE", "value": value}).encode())
    assert reading.state == value


def test_files_have_the_columns_of_schema_and_records_in_order(tmp_path: Path) -> None:
    schema = {"type": "SCHEMA", "stream": "a/b", "schema": {"properties": {"id": {}, "name": {}}}}
    rows = [record("a/b", id=1, more={"x": [1]}), record("a/b", name='q"\n,', id=None), record("c", z=True)]
    path = lay(tmp_path / "m", schema, *rows)
    files = land_csv(path, read_messages(path), tmp_path, AT)
    assert [file.name for file in files] == ["a_b-20261121T090507.csv", "c-20261121T090507.csv"]
    with files[0].open(newline="") as file:
        assert list(csv.reader(file)) == [["id", "name", "more"], ["1", "", '{"x": [1]}'], ["", 'q"\n,', ""]]


def test_a_payload_becomes_messages(tmp_path: Path) -> None:
    write_payload({"Contacts": [{"id": 1, "name": "é"}, {"email": None}], "None": []}, tmp_path / "m")
    reading = read_messages(tmp_path / "m")
    assert reading.counts == {"Contacts": 2, "None": 0}
    assert list(reading.columns["Contacts"]) == ["id", "name", "email"]


@pytest.mark.parametrize("payload", [{"a": {"id": 1}}, {"a": [1]}, {"a": "x"}])
def test_a_payload_of_another_form_is_refused(payload: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match="object of lists of records"):
        write_payload(payload, tmp_path / "m")


def test_a_state_before_a_record_is_put_last(tmp_path: Path) -> None:
    states = [{"type": "STATE", "value": {"at": number}} for number in (1, 2)]
    messages = [record("a", id=1), record("a", id=2)]
    path = lay(tmp_path / "m", states[0], messages[0], states[1], messages[1])
    put = put_state_last(path, read_messages(path), tmp_path / "n")
    assert [json.loads(line) for line in put.read_text().splitlines()] == [*messages, states[1]]


def test_messages_with_their_only_state_last_stay_as_they_are(tmp_path: Path) -> None:
    for number, messages in enumerate(([record("a")], [record("a"), {"type": "STATE", "value": None}], [])):
        path = lay(tmp_path / str(number), *messages)
        assert put_state_last(path, read_messages(path), tmp_path / "n") == path
