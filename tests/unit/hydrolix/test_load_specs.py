"""What the settings of a batch job come to in the core's words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hydrolix.batch_documents import DEFAULTS, materialise, read_request
from hydrolix.errors import InvalidDocumentError
from jobruns.places import Endpoint
from jobruns.table import MAX_READ_AHEAD, LoadSpec, Table

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TABLE = Table(
    org="acme",
    table_id="t",
    project_id="p",
    project="project",
    name="table",
    database="d",
    lake_table="l",
    location="acme/d/l",
    created_at=NOW,
    modified_at=NOW,
)
URL = {"url": "s3://a-b/in/"}


def read(place: dict[str, Any], **settings: Any) -> LoadSpec:
    source = {"table": "project.table", "settings": place}
    request = read_request({"name": "n", "type": "batch_import", "settings": {"source": source, **settings}})
    return request.load_spec(TABLE, "x")


def test_what_is_not_sent() -> None:
    spec = read(URL)
    assert (spec.pattern, spec.max_files, spec.unit_bytes, spec.dry_run) == ("", 0, 1_536_000_000, False)
    assert (spec.read_ahead, spec.max_file_rows) == (1, 33_554_432)
    # A default of 15 minutes is shown, but nobody asked for partitions of an hour.
    assert spec.partition_minutes is None
    shown = materialise({"source": {"table": "project.table", "settings": URL}}, "rows")
    assert shown["max_minutes_per_partition"] == DEFAULTS["max_minutes_per_partition"] == 15


def test_what_is_sent() -> None:
    spec = read(
        URL,
        regex_filter="x$",
        max_files=3,
        input_aggregation=5,
        input_concurrency=7,
        max_rows_per_partition=9,
        max_minutes_per_partition=15,
        dry_run=True,
    )
    assert (spec.pattern, spec.max_files, spec.unit_bytes, spec.dry_run) == ("x$", 3, 5, True)
    assert (spec.read_ahead, spec.max_file_rows, spec.partition_minutes) == (7, 9, 15)


def test_concurrency_has_a_bound_that_nobody_is_told_of() -> None:
    assert read(URL, input_concurrency=2**40).read_ahead == MAX_READ_AHEAD


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({}, Endpoint()),
        ({"region": None, "endpoint": None}, Endpoint()),
        ({"region": "", "endpoint": ""}, Endpoint()),
        ({"region": "eu-west-1"}, Endpoint("eu-west-1")),
        ({"endpoint": "https://s3.eu-west-1.amazonaws.com"}, Endpoint("eu-west-1")),
        ({"region": "eu-west-1", "endpoint": "s3.amazonaws.com"}, Endpoint("eu-west-1")),
    ],
)
@pytest.mark.parametrize("place", [URL, {"bucket_name": "a-b", "bucket_path": "/in/"}], ids=["url", "bucket"])
def test_both_generations_of_a_source_say_where_it_is(
    place: dict[str, str], more: dict[str, str], asked: Endpoint
) -> None:
    source = read({**place, **more}).source
    assert source is not None
    assert (source.bucket, source.path, source.asked) == ("a-b", "in/", asked)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"region": "Frankfurt"}, "names the region 'Frankfurt', which no region is called"),
        ({"endpoint": "https://169.254.169.254"}, "has an endpoint that is 'https://169.254.169.254', which is none"),
        (
            {"region": "eu-west-1", "endpoint": "s3.us-east-1.amazonaws.com"},
            "contradicts itself: the endpoint is of us-east-1, not of the region eu-west-1",
        ),
    ],
)
def test_a_wrong_place_is_refused_with_the_reason(more: dict[str, str], why: str) -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        read({**URL, **more})
    ((path, reason),) = refused.value.problems
    assert path == ("settings", "source", "settings")
    assert reason.startswith(f"settings.source.settings {why}")
