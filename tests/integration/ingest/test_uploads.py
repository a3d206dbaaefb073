"""From objects that are uploaded to rows in the table, through queue, claims, runs and dead letters."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from jobruns.errors import NotFoundError
from jobruns.formats import Compression
from jobruns.run import RunState
from jobruns.service.tables import amend_transform, find_transform
from jobruns.service.uploads import QueueMessage, receive_uploads
from jobruns.uploads import UploadedObject, write_notification
from tests.integration.ingest.conftest import LANDING, Stack, client, csv


def work_off(stack: Stack, bodies: list[Any], rounds: int = 12) -> None:
    """Deliver messages, run what they start, deliver what comes back, until the queue is empty."""
    for _ in range(rounds):
        if not bodies:
            return
        assert stack.receive(bodies) == {"batchItemFailures": []}
        for run in stack.uploaded_runs():
            if not run.state.terminal:
                stack.settle(stack.ingest(stack.dispatch(run)))
        bodies = [json.loads(message["Body"]) for message in stack.take(stack.settings.upload_queue_url)]
    pytest.fail("the queue does not become empty")


def test_each_notification_twice_and_shuffled_loads_each_row_once(stack: Stack) -> None:
    table = stack.table(watch=r"^s3://stack-landing/in/.*\.csv$")
    told = [stack.put(f"in/{number}.csv", csv(10, number * 10)) for number in range(20)] * 2
    told += [stack.put("elsewhere/a.csv", csv(5, 1000))]
    random.Random(7).shuffle(told)
    for start in range(0, len(told), 15):
        work_off(stack, told[start : start + 15])
    work_off(stack, told)
    assert [row["value"] for row in stack.rows(table)] == list(range(200))
    assert {run.state for run in stack.uploaded_runs()} == {RunState.SUCCEEDED}


def test_what_arrives_together_is_one_run_and_one_commit(stack: Stack) -> None:
    table = stack.table(watch="")
    work_off(stack, [stack.put(f"{number}.csv", csv(1, number)) for number in range(30)])
    (run,) = stack.uploaded_runs()
    assert (run.state, run.message, run.door) == (RunState.SUCCEEDED, "loaded 30 rows from 30 files", "upload")
    assert len(stack.rows(table)) == 30


def test_an_object_written_over_is_loaded_as_it_was_each_time(stack: Stack) -> None:
    table = stack.table(watch="")
    told = [stack.put("a.csv", csv(2, 0)), stack.put("a.csv", csv(2, 2))]
    work_off(stack, list(reversed(told)))
    assert [row["value"] for row in stack.rows(table)] == [0, 1, 2, 3]


def test_a_file_that_keeps_failing_is_put_aside_and_does_not_hold_up_the_others(stack: Stack) -> None:
    table = stack.table(gzip=True, watch="")
    told = [stack.put(f"{number}.gz", gzip.compress(csv(2, number * 2))) for number in range(5)]
    told.append(stack.put("bad file.gz", csv(1, 100)))
    work_off(stack, told)
    assert [row["value"] for row in stack.rows(table)] == list(range(10))
    states = Counter(run.state for run in stack.uploaded_runs())
    assert states == {RunState.FAILED: 3, RunState.SUCCEEDED: 1}
    (dead,) = stack.take(stack.settings.upload_dlq_url)
    (record,) = json.loads(dead["Body"])["Records"]
    assert record["s3"]["object"]["key"] == "bad+file.gz"
    attributes = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    last = max(stack.uploaded_runs(), key=lambda run: run.run_id if run.state is RunState.FAILED else "")
    assert attributes["run_id"] == last.run_id
    assert f"s3://{LANDING}/bad file.gz: it is not gzip" in attributes["reason"] == last.message


def test_a_redrive_after_the_mistake_is_mended_loads_the_file(stack: Stack) -> None:
    table = stack.table(gzip=True, watch="")
    work_off(stack, [stack.put("a.csv", csv(3))])
    assert stack.rows(table) == []
    dead = [json.loads(message["Body"]) for message in stack.take(stack.settings.upload_dlq_url)]
    assert len(dead) == 1
    held = find_transform(stack.ports, table)
    mended = held.transform.model_copy(update={"compression": Compression.NONE})
    amend_transform(stack.ports, stack.admin, table, held, mended, default=True, extra={})
    work_off(stack, [*dead, *dead])
    assert [row["value"] for row in stack.rows(table)] == [0, 1, 2]


def test_a_malformed_message_is_given_back_alone(stack: Stack) -> None:
    stack.table(watch="")
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": LANDING}
    answer = stack.receive(["no json", json.dumps(test_event), json.dumps(stack.put("a.csv", csv(1)))])
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert len(stack.uploaded_runs()) == 1


def test_a_stopped_run_does_not_bring_its_files_back(stack: Stack) -> None:
    stack.table(watch="")
    told = stack.put("a.csv", csv(1))
    stack.receive([told])
    (run,) = stack.uploaded_runs()
    run = stack.dispatch(run)
    from jobruns.service.stops import stop_run

    stop_run(stack.ports, stack.admin, run)
    assert stack.settle(run).state is RunState.STOPPED
    assert stack.take(stack.settings.upload_queue_url) == []


def test_the_price_of_a_batch(stack: Stack, calls: Callable[[], Counter[str]]) -> None:
    stack.table(watch="")
    messages = [
        QueueMessage(str(number), write_notification(UploadedObject(bucket=LANDING, key=f"{number}.csv", etag="e")))
        for number in range(250)
    ]
    calls()
    receipt = receive_uploads(stack.ports, stack.uploads, messages)
    first = calls()
    assert (receipt.claimed, len(receipt.runs)) == (250, 1)
    assert first == {"Query": 1, "GetItem": 4, "TransactWriteItems": 3 + 1, "PutObject": 1, "StartExecution": 1}
    receipt = receive_uploads(stack.ports, stack.uploads, messages)
    assert (receipt.duplicates, receipt.runs, receipt.failed) == (250, [], set())
    assert calls() == {"Query": 1, "GetItem": 3 + 2, "TransactWriteItems": 3}


def test_many_files_go_back_in_batches(stack: Stack, calls: Callable[[], Counter[str]]) -> None:
    stack.uploads.queue.send([f"body {number}" for number in range(25)], 0)
    stack.uploads.queue.bury(["dead"], {"reason": "a line\nand\x00 another", "empty": ""})
    assert calls()["SendMessageBatch"] == 4
    assert sorted(message["Body"] for message in stack.take(stack.settings.upload_queue_url)) == sorted(
        f"body {number}" for number in range(25)
    )
    (dead,) = stack.take(stack.settings.upload_dlq_url)
    assert dead["MessageAttributes"]["reason"]["StringValue"] == "a line and  another"


def test_a_message_sqs_refuses_is_sent_again_and_then_told_of(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobruns.aws import clients
    from jobruns.errors import UnavailableError

    sqs, refusals = clients.sqs(), [1]
    send = sqs.send_message_batch

    def refuse(**request: Any) -> Any:
        if refusals[0] > 0:
            refusals[0] -= 1
            first, *rest = request["Entries"]
            if rest:
                send(QueueUrl=request["QueueUrl"], Entries=rest)
            return {"Failed": [{"Id": first["Id"], "Message": "busy", "Code": "InternalError", "SenderFault": False}]}
        return send(**request)

    monkeypatch.setattr(sqs, "send_message_batch", refuse)
    stack.uploads.queue.send(["a", "b", "c"], 0)
    assert sorted(message["Body"] for message in stack.take(stack.settings.upload_queue_url)) == ["a", "b", "c"]
    refusals[0] = 9
    with pytest.raises(UnavailableError, match="busy"):
        stack.uploads.queue.send(["a"], 0)


def test_claims_are_forgotten_after_a_month(stack: Stack) -> None:
    stack.table(watch="")
    stack.receive([stack.put("a.csv", csv(1))])
    found = client("dynamodb").scan(TableName=stack.settings.ledger_table)["Items"]
    (claim,) = [item for item in found if item["kind"] == {"S": "claim"}]
    assert claim["url"] == {"S": f"s3://{LANDING}/a.csv"}
    (run,) = stack.uploaded_runs()
    days = (int(claim["expires_at"]["N"]) - run.submitted_at.timestamp()) / 86400
    assert days == pytest.approx(30, abs=0.01)


def test_a_manifest_that_is_gone_is_told_of_without_bringing_a_sweep_down(stack: Stack) -> None:
    stack.table(watch="")
    stack.receive([stack.put("a.csv", csv(1)), stack.put("b.csv", csv(1))])
    (run,) = stack.uploaded_runs()
    client("s3").delete_object(Bucket=stack.settings.work_bucket, Key=f"runs/{run.run_id}/uploads.jsonl")
    run = stack.ingest(stack.dispatch(run))
    assert (run.state, run.error_code) == (RunState.FAILED, "NotFoundError")
    assert str(run.message) == f"the document runs/{run.run_id}/uploads.jsonl is gone"
    with pytest.raises(NotFoundError):
        stack.settle(run)
