"""The ledger table's stream: records as Lambda hands them over."""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import boto3

from jobruns.run import Run
from jobruns.store.run_items import write_run
from tests.integration.ledger_table import TABLE, describe_table, ledger_client

_numbers = count(1)


def make_streaming_table() -> Callable[[], list[dict[str, Any]]]:
    """Create the ledger's table with its stream, and give what reads all that the stream has by then."""
    described = describe_table()
    wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    ledger_client().create_table(
        TableName=TABLE,
        **{key: described[key] for key in wanted},
        StreamSpecification=described["StreamSpecification"] | {"StreamEnabled": True},
    )
    streams: Any = boto3.client("dynamodbstreams")
    arn = ledger_client().describe_table(TableName=TABLE)["Table"]["LatestStreamArn"]

    def read() -> list[dict[str, Any]]:
        (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records: list[dict[str, Any]] = streams.get_records(ShardIterator=iterator)["Records"]
        return records

    return read


def record(before: Run | None, after: Run) -> dict[str, Any]:
    """Write the record of one write of a run."""
    change = {"Keys": _keys(after), "NewImage": image(after), "SequenceNumber": f"{next(_numbers):021d}"}
    if before is None:
        return {"eventName": "INSERT", "dynamodb": change}
    return {"eventName": "MODIFY", "dynamodb": {**change, "OldImage": image(before)}}


def records(writes: Iterable[tuple[Run | None, Run]]) -> list[dict[str, Any]]:
    """Write the records of writes."""
    return [record(before, after) for before, after in writes]


def image(run: Run) -> dict[str, Any]:
    """Write a run's item as DynamoDB does."""
    written: dict[str, Any] = write_run(run, None).serialize()
    return written


def _keys(run: Run) -> dict[str, Any]:
    whole = image(run)
    return {name: whole[name] for name in ("pk", "sk")}
