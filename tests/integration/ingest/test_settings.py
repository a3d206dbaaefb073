"""What a load is told beside what to load: partitions, places, and what it says of what it could not read."""

from collections import Counter
from typing import Any
from urllib.parse import SplitResult

import botocore.client
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from jobruns.places import LoadSource
from jobruns.run import ERRORS_METRIC, Run, RunState
from jobruns.service.loads import load_table
from jobruns.table import LoadSpec, Table
from jobruns_data.catalog import TableTarget, open_catalog
from jobruns_data.catalog import load_table as load_lake_table
from tests.integration.ingest.conftest import LAKE, LANDING, LambdaTime, Stack, client, csv

CONTEXT: Any = LambdaTime()
HEADER = "at,name,value"


def _lake_table(table: Table) -> Any:
    return load_lake_table(
        open_catalog(LAKE), TableTarget(table.database, table.lake_table, f"s3://{LAKE}/{table.location}")
    )


@pytest.mark.parametrize(("minutes", "partitions"), [(1, 5), (60, 5), (61, 3), (1440, 3), (1441, 2), (None, 2), (0, 2)])
def test_partitions_are_as_wide_as_wished_and_a_query_opens_those_of_its_time(
    stack: Stack, minutes: int | None, partitions: int
) -> None:
    table = stack.table()
    times = ["01-01T01:00", "01-01T02:00", "01-02T01:00", "01-02T02:30", "02-01T01:00"]
    rows = [f"2026-{time}:00Z,x,{number}" for number, time in enumerate(times)]
    stack.put("in/a.csv", "\n".join([HEADER, *rows, ""]).encode())
    assert stack.load(table, "in/", partition_minutes=minutes).state is RunState.SUCCEEDED
    lake = _lake_table(table)
    assert len(list(lake.scan().plan_files())) == partitions
    wanted = "at >= '2026-01-01T01:30:00+00:00' and at < '2026-01-01T02:30:00+00:00'"
    assert len(list(lake.scan(row_filter=wanted).plan_files())) == 1
    assert [row["value"] for row in lake.scan(row_filter=wanted).to_arrow().to_pylist()] == [1]
    # A later wish changes nothing: a table keeps the partitions it began with.
    assert stack.load(table, "in/", partition_minutes=1440).state is RunState.SUCCEEDED
    assert len(list(_lake_table(table).scan().plan_files())) == 2 * partitions


def _load_from(stack: Stack, table: Table, **place: Any) -> Run:
    assert table.default_transform_id is not None
    spec = LoadSpec(
        table_id=table.table_id, transform_id=table.default_transform_id, source=LoadSource(bucket="abroad", **place)
    )
    return stack.settle(stack.ingest(stack.dispatch(load_table(stack.ports, stack.admin, table, spec, door="tests"))))


@pytest.mark.parametrize(
    "place", [{"region": "eu-west-3"}, {"endpoint": "https://s3.eu-west-3.amazonaws.com"}], ids=["region", "endpoint"]
)
def test_a_bucket_of_another_region_is_listed_and_read_there(
    stack: Stack, gets: list[SplitResult], place: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = stack.table()
    here = client("s3")
    here.create_bucket(Bucket="abroad", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    stack.put("in/a.csv", csv(3), "abroad")
    asked: Counter[tuple[str, str]] = Counter()
    send = botocore.client.BaseClient._make_api_call

    def note(self: Any, operation: str, parameters: Any) -> Any:
        if parameters.get("Bucket") == "abroad":
            asked[operation, self.meta.region_name] += 1
        return send(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", note)
    assert _load_from(stack, table, path="in/", **place).message == "loaded 3 rows from 1 files"
    assert _load_from(stack, table, path="in/a.csv", **place).message == "loaded 3 rows from 1 files"
    assert {region for _, region in asked} == {"eu-west-3"}
    assert {operation for operation, _ in asked} >= {"ListObjectsV2", "HeadObject"}
    reads = [url.hostname for url in gets if url.path == "/abroad/in/a.csv"]
    assert reads == ["s3.eu-west-3.amazonaws.com"] * 2


@pytest.mark.parametrize(
    ("error", "place", "reason"),
    [
        (("AccessDenied", 403), {}, "access denied; allow this service's role s3:ListBucket"),
        (("403", 403), {"path": "in/a.csv"}, "access denied"),
        (("PermanentRedirect", 301), {}, "the bucket is in another region; name its region"),
        (("AuthorizationHeaderMalformed", 400), {"region": "eu-west-1"}, "the bucket is in another region"),
        (None, {"region": "me-north-9"}, "S3 does not answer in me-north-9; check the region"),
    ],
)
def test_a_bucket_that_cannot_be_listed_fails_the_run_and_is_named(
    stack: Stack,
    error: tuple[str, int] | None,
    place: dict[str, str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = stack.table()
    send = botocore.client.BaseClient._make_api_call

    def refuse(self: Any, operation: str, parameters: Any) -> Any:
        if parameters.get("Bucket") != "abroad":
            return send(self, operation, parameters)
        if error is None:
            raise EndpointConnectionError(endpoint_url="https://s3.me-north-9.amazonaws.com/")
        code, status = error
        told: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(told, operation)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", refuse)
    run = _load_from(stack, table, **place)
    assert (run.state, run.error_code, run.progress.listing) == (RunState.FAILED, "SourceError", "FAILED")
    assert str(run.message).startswith(f"s3://abroad/{place.get('path', '')} cannot be read: {reason}")


def test_a_region_that_does_not_answer_for_once_is_asked_again_where_none_was_named(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import list as list_files

    run = stack.start(stack.table(), "in/")
    send = botocore.client.BaseClient._make_api_call

    def refuse(self: Any, operation: str, parameters: Any) -> Any:
        if operation == "ListObjectsV2" and parameters["Bucket"] == LANDING:
            raise EndpointConnectionError(endpoint_url="https://s3.us-east-1.amazonaws.com/")
        return send(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", refuse)
    with pytest.raises(EndpointConnectionError):  # which Step Functions tries again
        list_files.handler(stack.event(run), CONTEXT)


def test_each_file_that_vanished_or_changed_after_it_was_listed_is_told_with_the_reason(stack: Stack) -> None:
    from ingest import list as list_files

    table = stack.table()
    for name in ("changed", "gone", "well"):
        stack.put(f"in/{name}.csv", csv(3))
    run = stack.start(table, "in/")
    list_files.handler(stack.event(run), CONTEXT)
    stack.put("in/changed.csv", csv(4))
    client("s3").delete_object(Bucket=LANDING, Key="in/gone.csv")
    run = stack.ingest(run)
    assert run.state is RunState.FAILED
    assert run.metrics[ERRORS_METRIC] == [
        f"s3://{LANDING}/in/changed.csv: the object was changed after it was listed; start the run again",
        f"s3://{LANDING}/in/gone.csv: the object does not exist (any more)",
    ]


def test_of_many_failed_files_twenty_are_told_and_the_others_counted(stack: Stack) -> None:
    table = stack.table(gzip=True)
    for number in range(23):
        stack.put(f"in/{number:02d}.gz", b"this is no gzip")
    run = stack.load(table, "in/")
    errors = run.metrics[ERRORS_METRIC]
    assert len(errors) == 21
    assert all(f"s3://{LANDING}/in/{number:02d}.gz: it is not gzip" in errors[number] for number in range(20))
    assert errors[-1] == "and 3 more files"
    assert len(stack._json(run.metrics["failed_files_key"])) == 23


def test_files_are_limited_after_they_were_matched_and_units_are_filled_to_the_byte(stack: Stack) -> None:
    table = stack.table()
    size = len(csv(1))
    for number in range(6):
        stack.put(f"in/{number}.csv", csv(1, number))
        stack.put(f"in/{number}.txt", b"no")
    run = stack.load(table, "in/", pattern=r"\.csv$", max_files=4, unit_bytes=2 * size)
    assert (run.metrics["files"], run.progress.units_total) == (4, 2)
    assert [row["value"] for row in stack.rows(table)] == [0, 1, 2, 3]
    assert stack.load(table, "in/", pattern=r"\.csv$", unit_bytes=2 * size - 1, dry_run=True).progress.units_total == 6
    assert stack.load(table, "in/", pattern="^in/", dry_run=True).message == "found no files to load"


def test_data_files_have_no_more_rows_than_wished(stack: Stack) -> None:
    table = stack.table()
    stack.put("in/a.csv", csv(9))
    assert stack.load(table, "in/", max_file_rows=4, read_ahead=2).message == "loaded 9 rows from 1 files"
    assert sorted(_lake_table(table).inspect.files()["record_count"].to_pylist()) == [1, 4, 4]
