"""Endpoints by the command line: made, changed, tried, and what they were told looked at and asked for again."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from jobruns import bootstrap
from jobruns.delivery import Attempt, Delivery, DeliveryState
from jobruns.service.event_ports import DeliveryMessage
from jobruns.store import Store
from jobruns_cli.main import main

URL = "https://93.184.216.34/hook"


def endpoints(*arguments: str, secret: str | None = None) -> Result:
    result = CliRunner(mix_stderr=False).invoke(main, ["endpoints", *arguments], input=secret and f"{secret}\n")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def queue(deployed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give a deployment what endpoints need; the queue's URL."""
    url: str = boto3.client("sqs").create_queue(QueueName="deliveries")["QueueUrl"]
    master = boto3.client("secretsmanager").create_secret(Name="webhooks", SecretString="w" * 64)
    monkeypatch.setenv("DELIVERIES_QUEUE_URL", url)
    monkeypatch.setenv("WEBHOOKS_SECRET_ID", master["ARN"])
    monkeypatch.setenv("ENDPOINT_SECRET_PREFIX", "stack/endpoints/")
    bootstrap.forget_wiring()
    yield url
    bootstrap.forget_wiring()


def asked_for(queue: str) -> list[dict[str, Any]]:
    told = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in told]


def test_an_endpoint_is_made_shown_changed_and_deleted(queue: str) -> None:
    made = endpoints("add", "pager", URL, "--only", "failures", "--only", "recoveries", "--quiet", "1h", "--json")
    told = json.loads(made.stdout)
    assert told["secret"].startswith("whsec_")
    assert told["selection"]["only"] == ["failures", "recoveries"]
    assert told["selection"]["quiet_seconds"] == 3600
    assert "salt" not in told
    listed = endpoints("list").stdout
    assert "pager" in listed
    assert "only=failures,recoveries quiet_seconds=3600" in listed
    changed = endpoints("add", "pager", URL, "--format", "cloudevents")
    assert "cloudevents" in changed.stdout
    assert "whsec_" not in changed.stdout
    shown = json.loads(endpoints("show", "pager", "--json").stdout)
    assert (shown["endpoint_id"], shown["version"], shown["format"]) == (told["endpoint_id"], 2, "cloudevents")

    rotated = endpoints("rotate", "pager", "--overlap", "2h")
    [second] = [line.split()[1] for line in rotated.stdout.splitlines() if line.startswith("secret   whsec_")]
    assert second != told["secret"]
    assert rotated.stderr == "The secret is not shown again.\n"
    assert "number 2, made here" in endpoints("show", "pager").stdout
    assert endpoints("disable", "pager").stdout == "switched off pager\n"
    assert "it was switched off" in endpoints("show", "pager").stdout
    assert endpoints("enable", "pager").stdout == "switched on pager\n"
    assert endpoints("remove", "pager").stdout == "deleted pager\n"
    assert json.loads(endpoints("list", "--json").stdout) == []


def test_a_secret_that_is_given_is_never_printed(queue: str) -> None:
    made = endpoints("add", "pager", URL, "--secret", secret="my own secret")
    assert "given" in made.stdout
    endpoints("rotate", "pager", "--secret", "--json", secret="my next secret")
    printed = made.stdout + endpoints("show", "pager", "--json").stdout
    assert "my own" not in printed + made.stderr
    kept = boto3.client("secretsmanager").list_secrets()["SecretList"]
    assert [entry["Name"].startswith("stack/endpoints/acme/") for entry in kept] == [False, False, True]


def test_a_ping_is_waited_for(queue: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints("add", "pager", URL)
    outcomes = iter([(DeliveryState.DELIVERED, 204), (DeliveryState.DEAD, 500)])

    def tried(seconds: float) -> None:
        [message] = asked_for(queue)
        sent = DeliveryMessage.model_validate(message)
        delivery = store.deliveries.get(sent.org, sent.endpoint_id, sent.delivery_id)
        assert delivery is not None
        state, status = next(outcomes)
        attempt = Attempt(number=1, at=delivery.created_at, seconds=0.25, status=status)
        assert store.deliveries.conclude(delivery.tried(attempt, state))

    monkeypatch.setattr("jobruns_cli.endpoints.time.sleep", tried)
    taken = endpoints("ping", "pager")
    assert (taken.exit_code, taken.stdout) == (0, "DELIVERED: status 204 after 0.2 s\n")
    refused = endpoints("ping", "pager", "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["state"]) == (1, "DEAD")
    unanswered = endpoints("ping", "pager", "--wait", "0")
    assert (unanswered.exit_code, unanswered.stdout) == (1, "PENDING\n")


def test_what_was_missed_is_looked_at_and_asked_for_again(queue: str, store: Store) -> None:
    endpoint_id = json.loads(endpoints("add", "pager", URL, "--json").stdout)["endpoint_id"]
    now = bootstrap.utc_now()
    ids = []
    for number, state in enumerate([DeliveryState.DEAD, DeliveryState.DELIVERED, DeliveryState.SKIPPED]):
        delivery = Delivery(
            delivery_id=f"01a1fba8-d3d3-7e99-bb70-{number:012d}",
            org="acme",
            endpoint_id=endpoint_id,
            announcement_id=str(number),
            job="nightly",
            status="JOB_FAILED",
            document="a/key",
            created_at=now,
            modified_at=now,
            expires_at=now + timedelta(days=1),
        )
        store.deliveries.add(delivery)
        attempt = Attempt(number=1, at=now, problem="the connection is refused")
        store.deliveries.conclude(delivery.tried(attempt, state))
        ids.append(delivery.delivery_id)
    listed = endpoints("deliveries", "pager").stdout.splitlines()
    assert [line.split()[0] for line in listed[1:]] == ids[::-1]
    assert "the connection is refused" in listed[1]
    [second] = json.loads(endpoints("deliveries", "pager", "--limit", "1", "--behind", ids[2], "--json").stdout)
    assert second["delivery_id"] == ids[1]

    assert endpoints("replay", "pager", "--missed").stdout == "asked for 2 again\n"
    assert endpoints("replay", "pager", ids[1]).stdout == "asked for 1 again\n"
    assert sorted(message["delivery_id"] for message in asked_for(queue)) == ids
    wrong = endpoints("replay", "pager")
    assert (wrong.exit_code, "name deliveries, or say --missed" in wrong.stderr) == (2, True)


def test_a_wrong_word_is_one_clear_line(queue: str) -> None:
    for arguments, status, said in (
        (["add", "pager", "http://example.com/"], 1, "only URLs of https"),
        (["add", "pager", "https://10.0.0.1/"], 1, "not public"),
        (["add", "pager", URL, "--format", "xml"], 2, "Invalid value for '--format'"),
        (["show", "nobody"], 1, "there is no endpoint 'nobody'"),
        (["replay", "nobody", "x"], 1, "there is no endpoint 'nobody'"),
        (["list", "--org", "*"], 1, "an org is named by"),
    ):
        result = endpoints(*arguments)
        assert (result.exit_code, result.stdout) == (status, "")
        errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1
        assert said in errors[0]
