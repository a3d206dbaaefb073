"""Messages of the upload queue, as recorded."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.causes import read_cause
from jobruns.errors import InvalidInputError
from jobruns.table import Watch
from jobruns.uploads import (
    UploadedObject,
    WatchList,
    parse_notification,
    read_manifest,
    write_manifest,
    write_notification,
)

EVENTS = Path(__file__).parents[3] / "events" / "ingest"

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=50)
OBJECTS = st.builds(
    UploadedObject,
    bucket=st.sampled_from(["landing", "other"]),
    key=TEXT,
    etag=st.text("0123456789abcdef-", max_size=34),
    size=st.integers(0, 1 << 43),
    version_id=st.none() | TEXT,
    attempt=st.integers(1, 9),
    redriven=st.booleans(),
)


def test_a_put_as_s3_tells_it() -> None:
    (found,) = parse_notification((EVENTS / "s3_put.json").read_text())
    assert found == UploadedObject(
        bucket="jobruns-dev-landing",
        key="daily reports/2026/11/café + tea.csv.gz",
        etag="d41d8cd98f00b204e9800998ecf8427e",
        size=1024,
        version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko",
    )
    assert found.url == "s3://jobruns-dev-landing/daily reports/2026/11/café + tea.csv.gz"


def test_only_what_was_created_counts() -> None:
    (found,) = parse_notification((EVENTS / "s3_multipart_two_records.json").read_text())
    assert (found.key, found.version_id) == ("big.json", None)
    assert parse_notification((EVENTS / "s3_test_event.json").read_text()) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[1]",
        '"text"',
        "{}",
        '{"Records": null}',
        '{"Records": [1]}',
        '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "%ff"}}}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": ""}}}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": 5}, "object": {"key": "k"}}}]}',
        '{"Records": [], "jobruns": 5}',
    ],
)
def test_what_is_no_notification_is_refused(body: str) -> None:
    with pytest.raises(InvalidInputError, match="no notification of S3"):
        parse_notification(body)


@given(st.recursive(st.none() | st.integers() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_no_json_brings_the_parser_down(value: Any) -> None:
    for body in (value, {"Records": value}, {"Records": [{"eventName": "ObjectCreated:Put", "s3": value}]}):
        with suppress(InvalidInputError):
            assert all(isinstance(found, UploadedObject) for found in parse_notification(json.dumps(body)))


@given(OBJECTS)
def test_what_is_put_back_reads_as_it_was(found: UploadedObject) -> None:
    assert parse_notification(write_notification(found)) == [found]


@given(st.lists(OBJECTS))
def test_a_manifest_reads_as_it_was_written(objects: list[UploadedObject]) -> None:
    assert read_manifest(write_manifest(objects)) == objects


def test_two_notifications_of_one_upload_are_the_same_object() -> None:
    one = UploadedObject(bucket="b", key="k", etag="e", size=1)
    assert one.identity == one.model_copy(update={"attempt": 2, "version_id": "v"}).identity
    others = [one.model_copy(update=change) for change in ({"bucket": "c"}, {"key": "l"}, {"etag": "f"})]
    assert len({one.identity, *(other.identity for other in others)}) == 4
    assert UploadedObject(bucket="a", key="bc").identity != UploadedObject(bucket="ab", key="c").identity


def test_the_first_watch_that_matches_wins() -> None:
    watches = [
        Watch(org="o", table_id="1", pattern=r"\.csv$"),
        Watch(org="o", table_id="2", pattern=r"^s3://b/in/"),
        Watch(org="o", table_id="3"),
    ]
    chosen = {}
    for key in ("in/a.csv", "in/a.json", "a"):
        watch = WatchList(watches).find(UploadedObject(bucket="b", key=key))
        chosen[key] = watch and watch.table_id
    assert chosen == {"in/a.csv": "1", "in/a.json": "2", "a": "3"}
    assert WatchList([]).find(UploadedObject(bucket="b", key="a")) is None


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        ('{"errorMessage": "it broke", "errorType": "SourceError"}', "it broke"),
        ("plain text", "plain text"),
        ('["not", "an object"]', '["not", "an object"]'),
        ("", ""),
    ],
)
def test_a_cause_is_told_without_its_wrapping(cause: str, message: str) -> None:
    assert read_cause(cause) == message
