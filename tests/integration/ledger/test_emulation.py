"""What the ledger's tests rest on: one connection, and an emulation whose short way answers as the whole way does."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from jobruns.store import Store
from jobruns.store.items import LedgerItem
from tests.integration import short_way
from tests.integration.ledger_table import TABLE

KEY = {"pk": {"S": "a"}, "sk": {"S": "1"}}
ITEM = {**KEY, "kind": {"S": "x"}, "n": {"N": "1"}, "m": {"M": {"l": {"L": [{"BOOL": True}, {"NULL": True}]}}}}
UNLESS_THERE = {"ConditionExpression": "attribute_not_exists(pk)"}


def test_every_kind_of_item_has_the_one_connection(store: Store) -> None:
    models: list[Any] = [LedgerItem, *LedgerItem.__subclasses__()]
    assert len({id(model._get_connection()) for model in models}) == 1


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("GetItem", {"Key": KEY, "ConsistentRead": True, "ReturnConsumedCapacity": "TOTAL"}),
        ("GetItem", {"Key": {**KEY, "sk": {"S": "2"}}}),
        ("PutItem", {"Item": ITEM, "ReturnValues": "ALL_OLD"}),
        (
            "UpdateItem",
            {
                "Key": KEY,
                "UpdateExpression": "SET #n = :n REMOVE kind",
                "ExpressionAttributeNames": {"#n": "n"},
                "ExpressionAttributeValues": {":n": {"N": "2"}},
                "ReturnValues": "ALL_NEW",
            },
        ),
        (
            "Query",
            {
                "KeyConditionExpression": "pk = :pk",
                "ExpressionAttributeValues": {":pk": {"S": "a"}},
                "Limit": 1,
                "ReturnConsumedCapacity": "TOTAL",
            },
        ),
        ("DeleteItem", {"Key": KEY, "ReturnValues": "ALL_OLD"}),
    ],
)
def test_the_short_way_answers_as_the_whole_way(store: Store, operation: str, parameters: dict[str, Any]) -> None:
    client = boto3.client("dynamodb")
    answers = []
    for call in (short_way.send, type(client)._make_api_call):
        client.put_item(TableName=TABLE, Item=ITEM)
        client.put_item(TableName=TABLE, Item={**ITEM, "sk": {"S": "3"}})
        answers.append(call(client, operation, {"TableName": TABLE, **parameters}))
    whole, short = ({name: answer[name] for name in answer.keys() - {"ResponseMetadata"}} for answer in answers)
    assert short == whole


def test_what_is_refused_is_told_by_botocore_and_writes_nothing(store: Store) -> None:
    client = boto3.client("dynamodb")
    client.put_item(TableName=TABLE, Item=ITEM)
    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(TableName=TABLE, Item={**KEY, "kind": {"S": "y"}}, **UNLESS_THERE)
    put = {"Put": {"TableName": TABLE, "Item": {**ITEM, "sk": {"S": "4"}}}}
    refused = {"Put": {"TableName": TABLE, "Item": ITEM, **UNLESS_THERE}}
    with pytest.raises(ClientError) as told:
        client.transact_write_items(TransactItems=[put, refused])  # type: ignore[list-item]
    assert [reason["Code"] for reason in told.value.response["CancellationReasons"]] == [
        "None",
        "ConditionalCheckFailed",
    ]
    held = client.query(
        TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "a"}}
    )
    assert held["Items"] == [ITEM]
