"""Files in S3 become rows in a table, once each, through the door and by being uploaded."""

import gzip
import json
import random
from typing import Any
from urllib.parse import unquote_plus

import pytest

from jobruns.run import RunState, TriggerKind
from jobruns.service.lookups import list_job_runs
from jobruns.service.ports import Ports
from local.runner import Runner
from tests.e2e.door import Door, rows_csv
from tests.e2e.ledger import admin_of, wait_for
from tests.e2e.progress import assert_only_forward, observe


@pytest.fixture(scope="module")
def door(runner: Runner) -> Door:
    runner.wait_warm()
    return Door(runner)


def test_a_million_rows_in_ten_files_arrive_exactly_while_the_status_only_goes_forward(
    door: Door, ports: Ports
) -> None:
    door.make_table("million", "rows")
    for number in range(10):
        key = f"million/part-{number}.csv"
        door.s3.put_object(Bucket=door.landing, Key=key, Body=rows_csv(number * 100_000, 100_000))
    job = door.load("million.rows", "million/", "a million", input_aggregation=1)
    assert job["status"] == "ready"
    assert job["details"]["status_detail"] == {
        "tasks": {"LIST": {"READY": 1}},
        "estimated": True,
        "percent_complete": 0,
    }
    seen = observe(door, job, 120)
    assert_only_forward(seen)
    assert {"ready", "running", "done"} == {now["status"] for now in seen}
    details = [now["details"]["status_detail"] for now in seen]
    assert {detail["percent_complete"] for detail in details} >= {0, 1}
    assert details[-1] == {
        "tasks": {"LIST": {"DONE": 1}, "INDEX": {"DONE": 10}},
        "estimated": False,
        "percent_complete": 1,
    }
    assert door.ids(ports, "million.rows") == list(range(1_000_000))


def test_files_uploaded_under_a_watched_prefix_load_once_though_told_twice_in_any_order(
    door: Door, ports: Ports, runner: Runner
) -> None:
    pattern = f"^s3://{door.landing}/watched/.*\\.csv$"
    door.make_table("watched", "rows", autoingest=[{"enabled": True, "pattern": pattern}])
    queue = runner.env["UPLOAD_QUEUE_URL"]
    keys = [f"watched/day {number}.csv" for number in range(20)]
    for number, key in enumerate(keys):
        door.s3.put_object(Bucket=door.landing, Key=key, Body=rows_csv(number * 50, 50))
    sqs = runner.client("sqs")
    again = [(key, door.s3.head_object(Bucket=door.landing, Key=key)) for key in keys] * 2
    random.Random(7).shuffle(again)
    for key, head in again:
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": {"name": door.landing},
                "object": {
                    "key": key.replace(" ", "+"),
                    "size": head["ContentLength"],
                    "eTag": head["ETag"].strip('"'),
                    "versionId": head.get("VersionId"),
                    "sequencer": "00",
                },
            },
        }
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"Records": [record]}))

    def quiet() -> bool:
        waiting = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        left = int(waiting["ApproximateNumberOfMessages"]) + int(waiting["ApproximateNumberOfMessagesNotVisible"])
        runs = list_job_runs(ports, admin_of(runner), "watched.rows").runs
        return left == 0 and bool(runs) and all(run.settled for run in runs)

    wait_for(quiet, 60)
    runs = list_job_runs(ports, admin_of(runner), "watched.rows").runs
    assert {run.state for run in runs} == {RunState.SUCCEEDED}
    assert {run.trigger for run in runs} == {TriggerKind.UPLOAD}
    assert len(runs) <= 5  # uploads that arrive together are one run
    assert door.ids(ports, "watched.rows") == list(range(1000))


def test_an_uploaded_file_that_fails_is_tried_again_then_lies_in_the_dead_letter_queue_and_the_run_says_why(
    door: Door, ports: Ports, runner: Runner
) -> None:
    pattern = f"^s3://{door.landing}/poison/"
    door.make_table("poison", "rows", autoingest=[{"enabled": True, "pattern": pattern}])
    door.s3.put_object(Bucket=door.landing, Key="poison/good.csv", Body=rows_csv(0, 100))
    door.s3.put_object(Bucket=door.landing, Key="poison/bad.csv", Body=b"id,ts\n\xff\xfe\x00broken")
    dead: list[dict[str, Any]] = []

    def buried() -> bool:
        url = runner.env["UPLOAD_DLQ_URL"]
        got = runner.client("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"], MaxNumberOfMessages=10)
        dead.extend(got.get("Messages", []))
        return bool(dead)

    wait_for(buried, 90)
    # More than once where clearing up behind the run had to be repeated; a redrive loads a file once all the same.
    records = [record for letter in dead for record in json.loads(letter["Body"])["Records"]]
    assert {unquote_plus(record["s3"]["object"]["key"]) for record in records} == {"poison/bad.csv"}
    runs = list_job_runs(ports, admin_of(runner), "poison.rows").runs
    failed = [run for run in runs if run.state is RunState.FAILED]
    assert len(failed) == 3
    assert all("poison/bad.csv" in (run.message or "") for run in failed)
    assert door.ids(ports, "poison.rows") == list(range(100))


@pytest.mark.parametrize(
    ("name", "compression", "body", "reason"),
    [
        ("truncated.csv.gz", "gzip", gzip.compress(rows_csv(0, 1000), mtime=0)[:-200], "gzip"),
        ("plain.csv.gz", "gzip", rows_csv(0, 10), "gzip"),
        ("other-columns.csv", "none", b"a,b\n1,2\n", "id"),
        ("not-text.csv", "none", b"id,ts,device,temperature\n1,\xff\xfe,x,1\n", "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_fails_its_job_by_name_and_leaves_no_row(
    door: Door, ports: Ports, name: str, compression: str, body: bytes, reason: str
) -> None:
    project = "bad" + name.partition(".")[0]
    door.make_table(project, "rows", compression=compression)
    good = gzip.compress(rows_csv(0, 10)) if compression == "gzip" else rows_csv(0, 10)
    door.s3.put_object(Bucket=door.landing, Key=f"{project}/a-good-one", Body=good)
    door.s3.put_object(Bucket=door.landing, Key=f"{project}/{name}", Body=body)
    ended = door.wait(door.load(f"{project}.rows", f"{project}/", name))
    assert ended["status"] == "failed"
    errors = json.dumps(ended["details"]["errors"])
    assert f"s3://{door.landing}/{project}/{name}" in errors
    assert reason in errors
    assert "a-good-one" not in errors
    assert door.ids(ports, f"{project}.rows") == []


def test_bad_rows_are_rejected_with_a_reason_and_the_others_load(door: Door, ports: Ports, runner: Runner) -> None:
    door.make_table("rejects", "rows")
    lines = [
        "id,ts,device,temperature",
        "1,2024-01-01T00:00:00Z,a,1.5",
        "2,2024-01-01T00:00:00Z,a",
        "x,2024-01-01T00:00:00Z,a,1.5",
        "4,,a,1.5",
        "5,2024-01-01T00:00:00Z,a,warm",
        "6,2024-01-01T00:00:00Z,a,2.5",
    ]
    door.s3.put_object(Bucket=door.landing, Key="rejects/rows.csv", Body="\n".join(lines).encode())
    door.s3.put_object(Bucket=door.landing, Key="rejects/empty.csv", Body=b"")
    ended = door.wait(door.load("rejects.rows", "rejects/", "rejects"))
    assert ended["status"] == "done"
    assert (ended["details"]["rows_loaded"], ended["details"]["rows_rejected"]) == (2, 4)
    assert door.ids(ports, "rejects.rows") == [1, 6]
    work, s3 = runner.env["WORK_BUCKET"], runner.client("s3")
    listed = s3.list_objects_v2(Bucket=work, Prefix="runs/rejects/")["Contents"]
    mine = [entry["Key"] for entry in listed if ended["details"]["job_id"] in entry["Key"]]
    texts = [s3.get_object(Bucket=work, Key=key)["Body"].read().decode() for key in mine]
    assert all(f"line {number}" in "".join(texts) for number in (3, 4, 5, 6))


def test_a_bucket_that_is_not_there_fails_the_job_and_is_named(door: Door) -> None:
    door.make_table("nobucket", "rows")
    body = {
        "name": "no bucket",
        "type": "batch_import",
        "settings": {
            "source": {
                "table": "nobucket.rows",
                "transform": "rows",
                "settings": {"url": "s3://no-such-bucket-at-all/"},
            }
        },
    }
    ended = door.wait(door.call("POST", "/jobs/batch/", body))
    assert ended["status"] == "failed"
    assert "no-such-bucket-at-all" in json.dumps(ended["details"]["errors"])
    assert ended["details"]["status_detail"]["tasks"] == {"LIST": {"FAILED": 1}}


def test_a_prefix_without_files_is_done_without_an_index_task(door: Door) -> None:
    door.make_table("nofiles", "rows")
    ended = door.wait(door.load("nofiles.rows", "nothing-here/", "no files"))
    detail = ended["details"]["status_detail"]
    assert ended["status"] == "done"
    assert detail == {"tasks": {"LIST": {"DONE": 1}}, "estimated": False, "percent_complete": 1}


def test_a_canceled_job_is_canceled_at_once_and_leaves_no_row(door: Door, ports: Ports, runner: Runner) -> None:
    door.make_table("canceled", "rows")
    for number in range(4):
        key = f"canceled/part-{number}.csv"
        door.s3.put_object(Bucket=door.landing, Key=key, Body=rows_csv(number * 200_000, 200_000))
    job = door.load("canceled.rows", "canceled/", "to be canceled", input_aggregation=1)
    wait_for(lambda: door.status(job)["status"] == "running")
    answer = door.call("POST", f"/jobs/batch/{job['uuid']}/cancel", expect=200)
    assert answer["status"] == "canceled"
    assert_only_forward([door.status(job) for _ in range(20)])

    def settled() -> bool:
        (run,) = list_job_runs(ports, admin_of(runner), "canceled.rows").runs
        return run.settled and run.state is RunState.STOPPED

    wait_for(settled, 20)
    assert door.status(job)["status"] == "canceled"
    assert door.ids(ports, "canceled.rows") == []
