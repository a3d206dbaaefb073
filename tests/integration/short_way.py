"""DynamoDB's calls on the short way: from the client straight to moto's model of DynamoDB.

Half of what an emulated call takes is HTTP that nobody looks at: signing, sending, routing and reading again. The tests
against the runner send every call over HTTP; here only those go the whole way that DynamoDB refuses, so that errors are
botocore's own. That is a second time for these, which changes nothing: what is refused has written nothing.
"""

import functools
import json
import threading
from typing import Any

from botocore.client import BaseClient
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.models import botocore_stubber
from moto.dynamodb.responses import DynamoHandler

ACTIONS = {
    "BatchGetItem": DynamoHandler.batch_get_item,
    "DeleteItem": DynamoHandler.delete_item,
    "GetItem": DynamoHandler.get_item,
    "PutItem": DynamoHandler.put_item,
    "Query": DynamoHandler.query,
    "TransactWriteItems": DynamoHandler.transact_write_items,
    "UpdateItem": DynamoHandler.update_item,
}

send = BaseClient._make_api_call
"""The whole way."""


@functools.cache
def apply() -> None:
    """Replace how a client calls, once per process."""
    one_at_a_time = threading.RLock()

    def call(client: Any, operation: str, parameters: Any) -> Any:
        action = ACTIONS.get(operation)
        if action is None or not botocore_stubber.enabled or not client.meta.endpoint_url.endswith(".amazonaws.com"):
            return send(client, operation, parameters)
        handler = DynamoHandler()
        handler.current_account, handler.region = DEFAULT_ACCOUNT_ID, client.meta.region_name
        try:
            # As JSON carries them, and so that the model keeps nothing of the caller's.
            handler.body = json.loads(json.dumps(parameters))
            with one_at_a_time:
                result = action(handler).result
        except Exception:  # noqa: BLE001 - whatever it is, the long way tells it as AWS would
            return send(client, operation, parameters)
        # What the description of the operation does not have is never sent.
        members = client.meta.service_model.operation_model(operation).output_shape.members
        told: dict[str, Any] = {
            name: value
            for name, value in json.loads(json.dumps(result)).items()
            if name in members and value is not None
        }
        told["ResponseMetadata"] = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
        return told

    BaseClient._make_api_call = call  # type: ignore[method-assign]
