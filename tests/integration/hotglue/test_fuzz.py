"""Requests that nobody would send: each is answered, and none as if it were a fault of ours."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import botocore.client
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotglue.app import handler
from tests.integration.gateway import Context
from tests.integration.hotglue.door import ENV, FLOW, TENANT, Cloud, Door, http_event

LONG = "x" * 3000
TEXT = st.sampled_from(["", "..", LONG, "ledger/" + LONG, "#", "a#b", "é" * 200, "%", "v2", "settings", "\x00", "jobs"])
NAMES = {"ENV": ENV, "FLOW": FLOW, "TENANT": TENANT}
PATHS = (
    "ENV/FLOW/TENANT/jobs",
    "v2/ENV/FLOW/TENANT/jobs",
    "ENV/FLOW/TENANT/jobs/status",
    "ENV/FLOW/TENANT/jobs/logs",
    "ENV/FLOW/TENANT/jobs/kill",
    "ENV/FLOW/TENANT/jobs/events",
    "ENV/FLOW/TENANT/jobs/ID",
    "ENV/jobs",
    "ENV/jobs/status",
    "ENV/FLOW/TENANT/linkedConnectors/state",
    "ENV/settings",
    "ENV/settings/flows",
    "ENV/settings/flows/FLOW",
    "ENV/settings/webhooks/job_lifecycle",
    "ENV/settings/webhooks/job_lifecycle/deliveries",
    "ENV/settings/webhooks/job_lifecycle/deliveries/ID",
    "ENV/settings/webhooks/job_lifecycle/deliveries/ID/replay",
    "ENV/settings/webhooks/connection",
    "ENV/settings/webhooks/ID",
)
PARAMETERS = (
    "job_root",
    "count",
    "next_token",
    "status",
    "tenant",
    "taps",
    "start",
    "from",
    "connector_id",
    "tap",
    "step",
)
MEMBERS = (
    "job_root",
    "s3_root",
    "status",
    "state",
    "url",
    "tap",
    "connector_id",
    "job_type",
    "metrics",
    "error",
    "name",
    "connectors",
    "statuses",
)
VALUES = st.none() | st.booleans() | st.integers() | TEXT | st.just({"a": []}) | st.just(["a"])


@pytest.fixture(scope="module")
def crowd(cloud: Cloud) -> Iterator[Door]:
    """An org that all examples share; DynamoDB's limits on keys hold, which the emulation does not know."""
    door = cloud.open().settle_in()
    door.do("PUT", f"/{ENV}/settings/webhooks/job_lifecycle", {"url": "https://hooks.example"})
    send = botocore.client.BaseClient._make_api_call

    def check_keys(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
        sent = [parameters.get("Key", {}), parameters.get("ExclusiveStartKey", {})]
        for name, value in [pair for key in sent for pair in key.items()]:
            assert 0 < len(value["S"].encode()) <= (2048 if name.endswith("pk") else 1024), (operation, name)
        if operation == "Query":
            texts = [value["S"] for value in parameters["ExpressionAttributeValues"].values() if "S" in value]
            assert all(len(text.encode()) <= 1024 for text in texts), operation
        return send(self, operation, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", check_keys)
        yield door


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    verb=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]),
    path=st.sampled_from(PATHS),
    names=st.dictionaries(st.sampled_from([*NAMES, "ID"]), TEXT, max_size=2),
    query=st.dictionaries(st.sampled_from(PARAMETERS), TEXT, max_size=2),
    body=st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=4),
)
def test_any_request_is_answered(
    crowd: Door, verb: str, path: str, names: dict[str, str], query: dict[str, str], body: dict[str, Any]
) -> None:
    ask(crowd, verb, path, names, query, body)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", [*NAMES, "ID", "job_root", "next_token", "connector_id"])
def test_names_that_are_too_long_for_keys_are_refused(crowd: Door, path: str, name: str) -> None:
    for verb in ("GET", "POST"):
        for text in (LONG, "é" * 1000, f"ledger/{LONG}/01a1fdfa-460e-7e13-8939-9babfeca0fcf"):
            ask(crowd, verb, path, {name: text}, {name: text}, {"s3_root": text, "status": "SYNC_STARTED"})


def ask(crowd: Door, verb: str, path: str, names: dict[str, str], query: dict[str, str], body: dict[str, Any]) -> None:
    if verb == "DELETE" and path in ("ENV/settings", "ENV/settings/flows/FLOW"):
        verb = "GET"  # what the other examples stand on stays
    known = {**NAMES, "ID": "q7Zt_9", **names}
    target = "/hotglue/" + "/".join(quote(known.get(part, part), safe="") for part in path.split("/"))
    event = http_event(verb, f"{target}?{urlencode(query)}", json.dumps(body).encode(), {"x-api-key": crowd.token})
    answer = handler(event, Context("hotglue"))  # type: ignore[arg-type]
    assert answer["statusCode"] < 500, answer["body"]
