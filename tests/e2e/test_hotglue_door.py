"""The hotglue door over HTTP: jobs that a worker outside does, and the webhooks that tell of each step."""

import hashlib
import hmac
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from standardwebhooks import Webhook

from local.runner import Runner
from tests.e2e.ledger import wait_for
from tests.e2e.receiver import Receiver

pytestmark = pytest.mark.usefixtures("telling")

SECRET = "a-secret-of-theirs"
STEPS = ["SYNC_STARTED", "SYNC_SUCCESS", "ETL_STARTED", "ETL_SUCCESS", "EXPORT_STARTED", "JOB_COMPLETED"]
FLOW = {"tap": {"name": "ledgerly"}, "target": {"name": "depot"}}


class Hotglue:
    """Speaks to the door as its clients do."""

    def __init__(self, runner: Runner, env_id: str, flow_id: str = "orders", tenant: str = "cust-881") -> None:
        self.runner = runner
        self.url = f"{runner.url}/hotglue"
        self.key = runner.env["JOBRUNS_TOKEN"]
        self.env_id, self.flow_id, self.tenant = env_id, flow_id, tenant

    @property
    def jobs(self) -> str:
        return f"/{self.env_id}/{self.flow_id}/{quote(self.tenant, safe='')}/jobs"

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any, Mapping[str, str]]:
        """Send a request; gives status, document and headers of the answer."""
        headers = {"x-api-key": self.key, "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or "null"), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or "null"), error.headers

    def do(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that is to go well."""
        status, document, _ = self.send(method, path, body)
        assert status in (200, 201, 202), document
        return document

    def settle_in(self) -> "Hotglue":
        self.do("PUT", f"/{self.env_id}/settings", {})
        self.do("PUT", f"/{self.env_id}/settings/flows/{self.flow_id}", FLOW)
        return self

    def at(self, tenant: str) -> "Hotglue":
        return Hotglue(self.runner, self.env_id, self.flow_id, tenant)

    def poll(self, job: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.do("GET", f"{self.jobs}/status?job_root={quote(job['s3_root'])}")
        return found

    def report(self, job: dict[str, Any], status: str, **members: Any) -> dict[str, Any]:
        body = {"s3_root": job["s3_root"], "status": status, **members}
        told: dict[str, Any] = self.do("POST", f"{self.jobs}/events", body)
        return told


class JobReceiver(Receiver):
    """Takes webhooks, by path."""

    def of(self, path: str, job: dict[str, Any]) -> list[tuple[int, Mapping[str, str], bytes]]:
        """Give what was told of a job at a path, in the order of the sequence it is told with."""
        found = [
            (int(headers["x-run-sequence"]), headers, body)
            for where, headers, body in list(self.taken)
            if where == path and json.loads(body)["s3_root"] == job["s3_root"]
        ]
        return sorted(found, key=lambda one: one[0])

    def wait(self, path: str, job: dict[str, Any], *statuses: str) -> list[tuple[int, Mapping[str, str], bytes]]:
        """Wait until these statuses of a job are told, in whatever order they come."""
        wanted = set(statuses)
        wait_for(lambda: wanted <= {json.loads(body)["status"] for _, _, body in self.of(path, job)}, 30)
        return self.of(path, job)


@pytest.fixture(scope="module")
def receiver() -> Iterator[JobReceiver]:
    with JobReceiver() as taking:
        yield taking


@pytest.fixture(scope="module")
def door(runner: Runner, receiver: JobReceiver) -> Hotglue:
    """An environment of this module's own, with a flow and a webhook."""
    made = Hotglue(runner, "e2e.acorn.example").settle_in()
    webhook = {"url": f"{receiver.url}/lifecycle", "secret": SECRET}
    made.do("PUT", f"/{made.env_id}/settings/webhooks/job_lifecycle", webhook)
    return made


def test_every_step_of_a_job_is_told_polled_and_written_down(
    runner: Runner, door: Hotglue, receiver: JobReceiver
) -> None:
    job = door.do("POST", door.jobs, {"state": {"Invoice": [{"id": 1}]}})
    assert (job["status"], job["sync_type"], job["env_id"]) == ("JOB_CREATED", "full_sync", door.env_id)
    seen = [door.report(job, step, metrics={"recordCount": {"Invoice": 41}})["status"] for step in STEPS]
    assert seen == STEPS
    door.report(job, "ETL_FAILED")

    def counted() -> bool:
        return len(receiver.of("/lifecycle", job)) == len(STEPS) + 1

    wait_for(counted, 30)
    told = receiver.of("/lifecycle", job)
    assert [json.loads(body)["status"] for _, _, body in told] == ["JOB_CREATED", *STEPS]
    for _, headers, body in told:
        assert headers["x-hub-signature"] == hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    last = json.loads(told[-1][2])
    assert (last["metrics"], last["state"]) == ({"recordCount": {"Invoice": 41}}, job["state"])
    key = f"{runner.env['JOBRUNS_ORG']}/{door.env_id}/{job['s3_root']}/job_details.json"
    kept = runner.client("s3").get_object(Bucket=runner.env["RUNS_BUCKET"], Key=key)["Body"].read()
    assert json.loads(kept) == last
    polled = door.poll(job)
    assert polled == {**last, "flow": door.flow_id, "processed_rows": 41}

    def noted() -> bool:
        deliveries = door.do("GET", f"/{door.env_id}/settings/webhooks/job_lifecycle/deliveries")
        return {one["state"] for one in deliveries} == {"DELIVERED"}

    # That it was taken is written down after it was taken.
    wait_for(noted, 30)


def test_a_job_waits_for_the_one_before_and_may_be_stopped(door: Hotglue, receiver: JobReceiver) -> None:
    lane = door.at("cust-882")
    first = lane.do("POST", lane.jobs, {})
    status, document, _ = lane.send("POST", lane.jobs, {})
    assert (status, document["error"]["type"]) == (409, "job_active")
    second = lane.do("POST", lane.jobs, {"queue_if_active_job": True})
    lane.report(first, "SYNC_FAILED", error={"message": "no access", "type": "InvalidCredentialsError"})
    assert lane.poll(first)["error"]["message"] == "no access"

    def began() -> bool:
        return str(lane.report(second, "SYNC_STARTED")["status"]) == "SYNC_STARTED"

    wait_for(began, 30, every_seconds=0.2)
    assert lane.do("DELETE", f"{lane.jobs}?job_root={second['s3_root']}")["stop_requested"] is True
    steps = ["JOB_CREATED", "SYNC_STARTED", "JOB_CANCELLED"]
    told = receiver.wait("/lifecycle", second, *steps)
    assert [json.loads(body)["status"] for _, _, body in told] == steps
    listed = lane.do("GET", f"{lane.jobs}?status=SYNC_FAILED,JOB_CANCELLED")
    assert [job["s3_root"] for job in listed] == [second["s3_root"], first["s3_root"]]


def test_one_job_is_told_elsewhere(door: Hotglue, receiver: JobReceiver) -> None:
    lane = door.at("cust-883")
    job = lane.do("POST", lane.jobs, {"override_lifecycle_webhook": f"{receiver.url}/elsewhere"})
    lane.report(job, "JOB_COMPLETED")
    told = receiver.wait("/elsewhere", job, "JOB_COMPLETED")
    # It is signed as the environment's own webhook is.
    _, headers, body = told[-1]
    assert headers["x-hub-signature"] == hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    assert receiver.of("/lifecycle", job) == []


def test_what_a_flow_is_linked_to_is_told_when_it_changes(runner: Runner, receiver: JobReceiver) -> None:
    door = Hotglue(runner, "links.acorn.example")
    door.do("PUT", f"/{door.env_id}/settings", {})
    webhook = f"/{door.env_id}/settings/webhooks/connection"
    secret = door.do("PUT", webhook, {"url": f"{receiver.url}/connections"})["signing_secret"]
    flow = f"/{door.env_id}/settings/flows/{door.flow_id}"
    for document in (FLOW, FLOW, {**FLOW, "tap": {"name": "ledgerly", "config": {"api_key": "k-1"}}}):
        door.do("PUT", flow, document)
    door.do("DELETE", flow)
    expected = ["SOURCE_CREATED", "SOURCE_OVERWRITTEN", "SOURCE_REMOVED", "TARGET_CREATED", "TARGET_REMOVED"]

    def heard() -> list[tuple[Mapping[str, str], bytes]]:
        return [(headers, body) for path, headers, body in list(receiver.taken) if path == "/connections"]

    wait_for(lambda: len(heard()) >= len(expected), 30)
    told = [Webhook(secret).verify(body, dict(headers)) for headers, body in heard()]
    assert sorted(one["status"] for one in told) == expected
    assert {(one["env_id"], one["flow_id"], one["tenant"]) for one in told} == {(door.env_id, door.flow_id, None)}
    assert "k-1" not in str(told)
    deliveries = door.do("GET", f"{webhook}/deliveries")
    assert sorted(one["status"] for one in deliveries) == expected

    def delivered() -> bool:
        return {one["state"] for one in door.do("GET", f"{webhook}/deliveries")} == {"DELIVERED"}

    wait_for(delivered, 30)
    prefix = f"{runner.env['JOBRUNS_ORG']}/{door.env_id}/connections/"
    kept = runner.client("s3").list_objects_v2(Bucket=runner.env["RUNS_BUCKET"], Prefix=prefix)["Contents"]
    assert len(kept) == len(expected)


def test_creations_at_once_have_roots_of_their_own(runner: Runner) -> None:
    door = Hotglue(runner, "many.acorn.example", tenant="50% off & more").settle_in()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: door.do("POST", door.jobs, {"ignore_parallel_jobs": True}), range(24)))
    assert len({job["s3_root"] for job in made}) == 24
    assert door.poll(made[7])["task_id"] == made[7]["task_id"]
    assert door.poll(made[7])["tenant"] == "50% off & more"
    status, first, headers = door.send("GET", f"{door.jobs}?count=20")
    assert (status, len(first)) == (200, 20)
    _, rest, _ = door.send("GET", f"{door.jobs}?count=20&next_token={headers['x-next-token']}")
    assert {job["s3_root"] for job in first + rest} == {job["s3_root"] for job in made}
    other = Hotglue(runner, door.env_id, tenant="50%25 off & more")
    assert other.send("GET", f"{other.jobs}/status?job_root={quote(made[7]['s3_root'])}")[0] == 404
