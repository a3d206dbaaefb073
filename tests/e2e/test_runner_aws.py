"""The emulated AWS: schedules and logs of functions' own making, and what parallel callers do to it."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from jobruns.schedule import next_after
from local.runner import Runner
from tests.e2e.tiny import Seen

# Schedules, logs


def daily(runner: Runner, name: str, **changed: Any) -> dict[str, Any]:
    """What CreateSchedule takes for the watcher to note its input at ten each day."""
    given = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    return {
        "Name": name,
        "GroupName": "tiny-timetable",
        "ScheduleExpression": "cron(0 10 * * ? *)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": runner.invoker.pool("tiny-Watcher").spec.arn,
            "RoleArn": "arn:aws:iam::123456789012:role/scheduler",
            "Input": json.dumps({"name": name} | {word: f"<aws.scheduler.{word}>" for word in given}),
        },
        **changed,
    }


def go_to_ten(runner: Runner) -> str:
    """Set the clock forward to the next ten o'clock."""
    now = runner.schedules.now()
    due_at = next_after("cron(0 10 * * ? *)", now)
    assert due_at is not None
    # Not a second too early: time goes on meanwhile.
    assert runner.schedules.advance((due_at - now).total_seconds()) >= 1
    return f"{due_at:%Y-%m-%dT%H:%M:%SZ}"


def test_schedule_and_line_that_a_function_made(tiny: Runner, seen: Seen) -> None:
    name = uuid.uuid4().hex
    tiny.faults.forget()
    tiny.invoke("Teller", {"group": "/tiny/notes", "name": name, "schedule": daily(tiny, name)})

    calls = [(call.service, call.operation) for call in tiny.faults.calls("Teller")]
    assert calls == [("logs", "CreateLogStream"), ("logs", "PutLogEvents"), ("scheduler", "CreateSchedule")]
    (line,) = tiny.client("logs").get_log_events(logGroupName="/tiny/notes", logStreamName=name)["events"]
    assert line["message"] == f"a line of {name}"
    assert tiny.client("logs").describe_log_groups()["logGroups"][0]["retentionInDays"] == 7

    client = tiny.client("scheduler")
    arn = client.get_schedule(GroupName="tiny-timetable", Name=name)["Arn"]
    due = go_to_ten(tiny)
    note = seen.wait(lambda note: note.get("scheduled-time") == due)
    assert note | {"execution-id": "any"} == {
        "name": name,
        "schedule-arn": arn,
        "scheduled-time": due,
        "execution-id": "any",
        "attempt-number": "1",
    }
    assert len(note["execution-id"]) == 16
    client.delete_schedule(GroupName="tiny-timetable", Name=name)


def test_schedule_and_rule_of_the_template_are_due_when_made_and_then_at_their_rate(tiny: Runner, seen: Seen) -> None:
    event = seen.wait(lambda note: note.get("detail-type") == "Scheduled Event")
    assert (event["source"], event["resources"][0].rpartition(":")[2]) == ("aws.events", "rule/tiny-WatcherTick")
    first = seen.wait(lambda note: "tock" in note)
    tiny.schedules.advance(2 * 86_400)
    seen.wait(lambda note: note.get("tock", first["tock"]) > first["tock"])
    assert tiny.client("scheduler").get_schedule(Name="tiny-tock")["ScheduleExpression"] == "rate(2 days)"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"ScheduleExpression": "cron(0 10 * * *)"}, "ValidationException"),
        ({"ScheduleExpression": "at(tomorrow)"}, "ValidationException"),
        ({"Name": "a b"}, "ValidationException"),
        ({"GroupName": "nobody"}, "ResourceNotFoundException"),
        ({"ScheduleExpressionTimezone": "Europe/Berlin"}, "ValidationException"),
    ],
)
def test_schedule_that_aws_would_not_take_is_refused(tiny: Runner, changed: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refusal:
        tiny.client("scheduler").create_schedule(**daily(tiny, "refused", **changed))
    assert refusal.value.response["Error"]["Code"] == code


def test_update_replaces_a_schedule_and_a_name_is_given_once(tiny: Runner) -> None:
    client, name = tiny.client("scheduler"), uuid.uuid4().hex
    client.create_schedule(**daily(tiny, name, State="DISABLED"))
    with pytest.raises(client.exceptions.ConflictException):
        client.create_schedule(**daily(tiny, name))
    with pytest.raises(client.exceptions.ConflictException):
        client.create_schedule_group(Name="tiny-timetable")
    with pytest.raises(client.exceptions.ValidationException):
        client.update_schedule(**daily(tiny, name, ScheduleExpression="rate(1 minutes)"))
    assert client.get_schedule(GroupName="tiny-timetable", Name=name)["State"] == "DISABLED"
    client.update_schedule(**daily(tiny, name))
    assert client.get_schedule(GroupName="tiny-timetable", Name=name)["State"] == "ENABLED"
    client.delete_schedule(GroupName="tiny-timetable", Name=name)


# Under load


def test_parallel_transactions_on_one_item_count_exactly(tiny: Runner) -> None:
    name, key = tiny.env["TABLE"], {"pk": {"S": uuid.uuid4().hex}, "sk": {"S": "count"}}

    client = boto3.session.Session().client(
        "dynamodb",
        endpoint_url=tiny.aws_endpoint,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(max_pool_connections=10),
    )

    def add(number: int) -> bool:
        update = {
            "TableName": name,
            "Key": key,
            "UpdateExpression": "ADD n :one",
            "ConditionExpression": "attribute_not_exists(n) OR n < :limit",
            "ExpressionAttributeValues": {":one": {"N": "1"}, ":limit": {"N": "20"}},
        }
        put = {"TableName": name, "Item": {"pk": key["pk"], "sk": {"S": f"taken-{number}"}}}
        try:
            client.transact_write_items(TransactItems=[{"Put": put}, {"Update": update}])
        except client.exceptions.TransactionCanceledException:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        succeeded = sum(pool.map(add, range(50)))
    items = tiny.client("dynamodb").query(
        TableName=name,
        ConsistentRead=True,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": key["pk"]},
    )["Items"]
    assert succeeded == 20
    # A transaction that was refused leaves nothing behind.
    assert len(items) == 21
    assert next(item for item in items if "n" in item)["n"] == {"N": "20"}


def test_messages_sent_while_others_are_deleted_are_not_lost(tiny: Runner) -> None:
    sqs = tiny.client("sqs")
    url = sqs.create_queue(QueueName=f"load-{uuid.uuid4().hex}")["QueueUrl"]
    received: list[str] = []

    def send(start: int) -> None:
        for number in range(start, start + 50):
            sqs.send_message(QueueUrl=url, MessageBody=str(number))

    def receive(_: int) -> None:
        while len(received) < 200:
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
                "Messages", []
            ):
                received.append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(send, start) for start in (0, 50, 100, 150)]
        jobs += [pool.submit(receive, number) for number in range(4)]
        for job in jobs:
            job.result(timeout=30)
    assert sorted(map(int, received)) == list(range(200))


def test_glue_refuses_an_update_of_an_old_version(tiny: Runner) -> None:
    glue, database = tiny.client("glue"), f"db_{uuid.uuid4().hex}"
    glue.create_database(DatabaseInput={"Name": database})
    glue.create_table(DatabaseName=database, TableInput={"Name": "t"})
    version = glue.get_table(DatabaseName=database, Name="t")["Table"]["VersionId"]
    glue.update_table(DatabaseName=database, TableInput={"Name": "t", "Description": "1"}, VersionId=version)
    with pytest.raises(glue.exceptions.ConcurrentModificationException):
        glue.update_table(DatabaseName=database, TableInput={"Name": "t", "Description": "2"}, VersionId=version)
    assert glue.get_table(DatabaseName=database, Name="t")["Table"]["Description"] == "1"


def test_mock_aws_in_the_same_process_leaves_the_account_alone(tiny: Runner) -> None:
    from moto import mock_aws

    with mock_aws():
        elsewhere = boto3.client("dynamodb", region_name="us-east-1").list_tables()["TableNames"]
    assert tiny.env["TABLE"] not in elsewhere
    assert tiny.env["TABLE"] in tiny.client("dynamodb").list_tables()["TableNames"]


def test_arrow_reads_and_writes_large_objects(tiny: Runner) -> None:
    from pyarrow import fs

    s3 = tiny.client("s3")
    s3.create_bucket(Bucket="arrow-bucket")
    files = fs.S3FileSystem(
        endpoint_override=tiny.aws_endpoint.removeprefix("http://"),
        scheme="http",
        region="us-east-1",
        access_key="a",
        secret_key="b",
    )
    content = bytes(range(256)) * (4096 * 32)
    with files.open_output_stream("arrow-bucket/large") as stream:
        stream.write(content)
    with files.open_input_stream("arrow-bucket/large") as stream:
        assert stream.read() == content
    ranged = s3.get_object(Bucket="arrow-bucket", Key="large", Range="bytes=1000-1009")["Body"].read()
    assert ranged == content[1000:1010]
