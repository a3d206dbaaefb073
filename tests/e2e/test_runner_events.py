"""What calls functions and queues without being asked: streams of tables, buses, schedules, deletions in buckets."""

import json
import uuid
from typing import Any

from local.runner import Runner
from tests.e2e.tiny import Seen, eventually, queue_url


def received(tiny: Runner, name: str) -> dict[str, Any] | None:
    sqs, url = tiny.client("sqs"), queue_url(tiny, name)
    for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        told: dict[str, Any] = json.loads(message["Body"])
        return told
    return None


def test_changes_of_an_item_reach_the_function_in_their_order_with_both_images(tiny: Runner, seen: Seen) -> None:
    db, table = tiny.client("dynamodb"), tiny.env["TABLE"]
    key = {"pk": {"S": f"stream-{uuid.uuid4().hex}"}, "sk": {"S": "told"}}
    db.put_item(TableName=table, Item=key | {"sk": {"S": "kept back"}})
    db.put_item(TableName=table, Item=key)
    for number in range(20):
        change = {":n": {"N": str(number)}}
        db.update_item(TableName=table, Key=key, UpdateExpression="SET n = :n", ExpressionAttributeValues=change)
    # Undone as a whole: neither item is ever told of.
    refused = {"Put": {"TableName": table, "Item": key, "ConditionExpression": "attribute_not_exists(pk)"}}
    other = {"Put": {"TableName": table, "Item": {"pk": key["pk"], "sk": {"S": "told too"}}}}
    try:
        db.transact_write_items(TransactItems=[other, refused])
    except db.exceptions.TransactionCanceledException:
        db.delete_item(TableName=table, Key=key)

    def told() -> list[dict[str, Any]]:
        records = [record for note in seen.notes for record in note.get("Records", []) if "dynamodb" in record]
        return [record for record in records if record["dynamodb"]["Keys"]["pk"] == key["pk"]]

    seen.wait(lambda _: any(record["eventName"] == "REMOVE" for record in told()))
    records = told()
    assert [record["eventName"] for record in records] == ["INSERT", *["MODIFY"] * 20, "REMOVE"]
    assert {record["dynamodb"]["Keys"]["sk"]["S"] for record in records} == {"told"}
    numbers = [record["dynamodb"]["NewImage"]["n"]["N"] for record in records[1:-1]]
    assert numbers == [str(number) for number in range(20)]
    before = [record["dynamodb"]["OldImage"].get("n", {}).get("N") for record in records[1:]]
    assert before == [None, *numbers]
    assert "OldImage" not in records[0]["dynamodb"]
    assert "NewImage" not in records[-1]["dynamodb"]
    assert isinstance(records[0]["dynamodb"]["ApproximateCreationDateTime"], float)
    positions = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
    assert positions == sorted(set(positions))


def test_an_event_on_a_bus_reaches_the_targets_of_its_rule_and_a_broken_one_hinders_nobody(
    tiny: Runner, seen: Seen
) -> None:
    events = tiny.client("events")
    pattern = json.dumps({"source": ["mine"]})
    events.put_rule(Name="broken", EventBusName="tiny", EventPattern=pattern)
    nowhere = f"arn:aws:sqs:us-east-1:{'0' * 12}:nowhere"
    events.put_targets(Rule="broken", EventBusName="tiny", Targets=[{"Id": "nowhere", "Arn": nowhere}])
    entries = [
        {"EventBusName": "tiny", "Source": "mine", "DetailType": "said", "Detail": json.dumps({"kind": kind})}
        for kind in ("other", "to you")
    ]
    assert events.put_events(Entries=entries)["FailedEntryCount"] == 0
    heard = eventually(lambda: received(tiny, "Heard"))
    assert (heard["source"], heard["detail-type"], heard["detail"]) == ("mine", "said", {"kind": "to you"})
    called = seen.wait(lambda note: note.get("detail-type") == "said")
    assert (called["detail"], called["id"]) == (heard["detail"], heard["id"])
    assert called["time"].endswith("Z")
    assert received(tiny, "Heard") is None


def test_a_schedule_sends_to_a_queue(tiny: Runner) -> None:
    queue = tiny.client("sqs").get_queue_attributes(QueueUrl=queue_url(tiny, "Heard"), AttributeNames=["QueueArn"])
    tiny.client("scheduler").create_schedule(
        Name=f"once-{uuid.uuid4().hex}",
        GroupName="tiny-timetable",
        ScheduleExpression=f"at({tiny.schedules.now():%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={
            "Arn": queue["Attributes"]["QueueArn"],
            "RoleArn": f"arn:aws:iam::{'0' * 12}:role/any",
            "Input": '{"again": 1}',
        },
    )
    assert eventually(lambda: received(tiny, "Heard")) == {"again": 1}


def test_a_deletion_is_notified_with_what_tells_it_from_what_was_before(tiny: Runner, seen: Seen) -> None:
    s3, bucket, key = tiny.client("s3"), f"tiny-landing-{_account(tiny)}", f"a folder/ü-{uuid.uuid4().hex}"
    s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    marker = s3.delete_object(Bucket=bucket, Key=key)["VersionId"]
    # The first one says that there will be some.
    (record,) = eventually(lambda: (received(tiny, "Removals") or {}).get("Records"))
    assert record["eventName"] == "ObjectRemoved:DeleteMarkerCreated"
    gone = record["s3"]["object"]
    assert (gone["versionId"], gone["key"]) == (marker, key.replace(" ", "+").replace("ü", "%C3%BC"))
    assert "size" not in gone

    def created(note: dict[str, Any]) -> list[str]:
        records = [record for body in note.get("batch", []) for record in body.get("Records", [])]
        return [each["s3"]["object"]["sequencer"] for each in records if each["s3"]["object"]["key"] == gone["key"]]

    (first,) = created(seen.wait(lambda note: bool(created(note))))
    assert first < gone["sequencer"]


def _account(tiny: Runner) -> str:
    return queue_url(tiny, "Seen").split("/")[-2]
