"""Environments, flows and webhooks, as they are set and shown."""

import json
from typing import Any

import pytest

from tests.integration.hotglue.door import SINGER, Cloud, Door


def test_an_environment_is_made_changed_and_deleted(cloud: Cloud) -> None:
    door = cloud.open()
    path = f"/{door.env_id}/settings"
    assert door.send("GET", path).status == 404
    made = door.do("PUT", path, {"name": "Stage"}, 201)
    assert (made["env_id"], made["name"], made["extended_statuses"]) == (door.env_id, "Stage", True)
    assert door.do("PUT", path, {"extended_statuses": False})["name"] is None
    assert [one["env_id"] for one in door.do("GET", "/settings")] == [door.env_id]
    door.do("PUT", f"{path}/flows/{door.flow_id}", {}, 201)
    assert door.send("DELETE", path).status == 409
    door.do("DELETE", f"{path}/flows/{door.flow_id}")
    door.do("DELETE", path)
    assert door.do("GET", "/settings") == []


def test_a_flow_keeps_its_configs_secret(cloud: Cloud) -> None:
    door = cloud.open()
    door.do("PUT", f"/{door.env_id}/settings", {}, 201)
    path = f"/{door.env_id}/settings/flows/{door.flow_id}"
    name = f"{door.principal.org}/{door.env_id}/{door.flow_id}"
    shown = door.do("PUT", path, SINGER, 201)
    assert shown["tap"]["config"] == {"api_key": "***", "site": "***"}
    assert "k-123" in cloud.secrets.held[name]
    stored = door.ports.documents.get(door.principal.org, f"hotglue/flows/{door.env_id}", door.flow_id)
    assert "k-123" not in str(stored)
    # As it is shown it may be sent back.
    sent = {key: value for key, value in shown.items() if key not in ("env_id", "flow_id", "created_at", "modified_at")}
    assert door.do("PUT", path, sent)["tap"] == shown["tap"]
    assert "k-123" in cloud.secrets.held[name]
    assert door.do("GET", f"/{door.env_id}/settings/flows")[0]["tap"] == shown["tap"]
    door.do("DELETE", path)
    assert name not in cloud.secrets.held
    assert door.send("GET", path).status == 404


def test_a_flow_without_configs_has_no_secret(door: Door) -> None:
    path = f"/{door.env_id}/settings/flows/{door.flow_id}"
    door.do("PUT", path, SINGER)
    door.do("PUT", path, {**SINGER, "tap": {**SINGER["tap"], "config": None}})  # type: ignore[dict-item]
    assert len(door.cloud.secrets.held) >= 1
    door.do("PUT", path, {"tap": {"name": "ledgerly", "config": {}}})
    name = f"{door.principal.org}/{door.env_id}/{door.flow_id}"
    kept = json.loads(door.cloud.secrets.held[name])
    assert (kept["tap"], kept.keys()) == ({}, {"tap", "salt"})
    door.do("PUT", path, {"target": {"name": "depot"}})
    assert name not in door.cloud.secrets.held


@pytest.mark.parametrize(
    "flow", [{"runner": "magic"}, {"nobody": "knows"}, {"tap": {"name": "a", "config": "s3cret"}}, {"runner": "singer"}]
)
def test_a_flow_that_cannot_be_is_refused(door: Door, flow: dict[str, Any]) -> None:
    answer = door.send("PUT", f"/{door.env_id}/settings/flows/other", flow)
    assert (answer.status, answer.kind) == (400, "invalid_request")
    assert "s3cret" not in str(answer.body)


def test_settings_that_are_too_large_are_refused(door: Door) -> None:
    path = f"/{door.env_id}/settings/flows/{door.flow_id}"
    assert door.send("PUT", path, {"tap": {"name": "a", "config": {"a": "x" * 60_000}}}).status == 400
    assert door.send("PUT", path, {"catalog": {"a": "x" * 330_000}}).status == 400


def test_a_webhook_is_set_shown_and_removed(door: Door) -> None:
    path = f"/{door.env_id}/settings/webhooks"
    assert door.do("GET", path) == []
    wish = {"url": "https://hooks.example/a", "secret": "a-secret-of-theirs", "statuses": ["JOB_COMPLETED"]}
    made = door.do("PUT", f"{path}/job_lifecycle", wish)
    assert (made["has_secret"], made["statuses"], made["format"]) == (True, ["JOB_COMPLETED"], "hotglue")
    assert "signing_secret" not in made
    assert "a-secret-of-theirs" not in str(made)
    told = door.do("PUT", f"{path}/discover", {"url": "https://hooks.example/b", "only": "failures"})
    assert told["signing_secret"].startswith("whsec_")
    assert told["only"] == ["failures"]
    assert {one["kind"] for one in door.do("GET", path)} == {"job_lifecycle", "discover"}
    assert "signing_secret" not in door.do("GET", f"{path}/discover")
    door.do("DELETE", f"{path}/discover")
    assert door.send("GET", f"{path}/discover").status == 404
    assert door.send("DELETE", f"{path}/discover").status == 404
    assert door.send("GET", f"{path}/other").status == 404
    other = door.at(env_id="prod.acorn.example").settle_in()
    assert door.do("GET", f"/{other.env_id}/settings/webhooks") == []


def test_what_was_sent_is_listed_and_sent_again(door: Door) -> None:
    path = f"/{door.env_id}/settings/webhooks/job_lifecycle"
    door.do("PUT", path, {"url": "https://hooks.example/a"})
    pinged = []
    for _ in range(3):
        pinged.append(door.do("POST", f"{path}/ping", status=202)["delivery_id"])
        door.cloud.office.run(seconds=10)
    first = door.send("GET", f"{path}/deliveries?count=2")
    assert [one["delivery_id"] for one in first.body] == pinged[:0:-1]
    rest = door.send("GET", f"{path}/deliveries?count=2&next_token={first.next_token}")
    assert [one["delivery_id"] for one in rest.body] == pinged[:1]
    assert rest.next_token is None
    shown = door.do("GET", f"{path}/deliveries/{pinged[0]}")
    assert (shown["state"], shown["attempts"], shown["log"][0]["status"]) == ("DELIVERED", 1, 200)
    again = door.do("POST", f"{path}/deliveries/{pinged[0]}/replay", status=202)
    assert (again["state"], again["delivery_id"]) == ("PENDING", pinged[0])
    sent = len(door.cloud.office.posts)
    door.cloud.office.run(seconds=10)
    assert len(door.cloud.office.posts) == sent + 1
    assert door.send("GET", f"{path}/deliveries/nothing").status == 404
    assert door.send("GET", f"{path}/deliveries?count=0").status == 400


@pytest.mark.parametrize(
    "wish",
    [{}, {"url": ""}, {"url": "https://a.example", "format": "xml"}, {"url": "https://a.example", "statuses": ["X"]}],
)
def test_a_webhook_that_cannot_be_is_refused(door: Door, wish: dict[str, Any]) -> None:
    answer = door.send("PUT", f"/{door.env_id}/settings/webhooks/job_lifecycle", wish)
    assert (answer.status, answer.kind) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("kind", "wish", "field", "told"),
    [
        ("connection", {"format": "openlineage"}, "format", "has no word for a connection"),
        ("connection", {"statuses": ["JOB_COMPLETED"]}, "statuses", "SOURCE_CREATED"),
        ("connection", {"only": "failures"}, "only", "tells of none"),
        ("connection", {"quiet_seconds": 60}, "quiet_seconds", "tells of none"),
        ("job_lifecycle", {"statuses": ["SOURCE_CREATED"]}, "statuses", "a status of a job"),
        ("discover", {"statuses": ["JOB_COMPLETED", "TARGET_REMOVED"]}, "statuses", "'TARGET_REMOVED'"),
    ],
)
def test_a_webhook_asks_for_nothing_that_is_not_told_of_its_kind(
    door: Door, kind: str, wish: dict[str, Any], field: str, told: str
) -> None:
    path = f"/{door.env_id}/settings/webhooks/{kind}"
    answer = door.send("PUT", path, {"url": "https://a.example", **wish})
    assert (answer.status, answer.kind, answer.body["error"]["field"]) == (400, "invalid_request", field)
    assert told in answer.body["message"]
    assert door.send("GET", path).status == 404
