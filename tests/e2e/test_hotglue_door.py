"""The hotglue door over HTTP: jobs that a worker outside does, and the webhooks that tell of each step."""

import hashlib
import hmac
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest

from local.runner import Runner
from tests.e2e.ledger import wait_for

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


@dataclass
class Receiver:
    """Takes webhooks, by path."""

    url: str = ""
    taken: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    def of(self, path: str, job: dict[str, Any]) -> list[tuple[int, Mapping[str, str], bytes]]:
        """Give what was told of a job at a path, in the order of the sequence it is told with."""
        found = [
            (int(headers["x-run-sequence"]), headers, body)
            for where, headers, body in list(self.taken)
            if where == path and json.loads(body)["s3_root"] == job["s3_root"]
        ]
        return sorted(found, key=lambda one: one[0])

    def wait(self, path: str, job: dict[str, Any], last: str) -> list[tuple[int, Mapping[str, str], bytes]]:
        """Wait until all is told of a job up to a status."""
        wait_for(lambda: any(json.loads(body)["status"] == last for _, _, body in self.of(path, job)), 30)
        steps = {json.loads(body)["status"] for _, _, body in self.of(path, job)}
        assert last in steps
        return self.of(path, job)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    taking = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taking.taken.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    taking.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield taking
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def door(runner: Runner, receiver: Receiver) -> Hotglue:
    """An environment of this module's own, with a flow and a webhook."""
    made = Hotglue(runner, "e2e.acorn.example").settle_in()
    webhook = {"url": f"{receiver.url}/lifecycle", "secret": SECRET}
    made.do("PUT", f"/{made.env_id}/settings/webhooks/job_lifecycle", webhook)
    return made


def test_every_step_of_a_job_is_told_polled_and_written_down(runner: Runner, door: Hotglue, receiver: Receiver) -> None:
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
    deliveries = door.do("GET", f"/{door.env_id}/settings/webhooks/job_lifecycle/deliveries")
    assert {one["state"] for one in deliveries} == {"DELIVERED"}


def test_a_job_waits_for_the_one_before_and_may_be_stopped(door: Hotglue, receiver: Receiver) -> None:
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
    told = receiver.wait("/lifecycle", second, "JOB_CANCELLED")
    assert [json.loads(body)["status"] for _, _, body in told] == ["JOB_CREATED", "SYNC_STARTED", "JOB_CANCELLED"]
    listed = lane.do("GET", f"{lane.jobs}?status=SYNC_FAILED,JOB_CANCELLED")
    assert [job["s3_root"] for job in listed] == [second["s3_root"], first["s3_root"]]


def test_one_job_is_told_elsewhere(door: Hotglue, receiver: Receiver) -> None:
    lane = door.at("cust-883")
    job = lane.do("POST", lane.jobs, {"override_lifecycle_webhook": f"{receiver.url}/elsewhere"})
    lane.report(job, "JOB_COMPLETED")
    told = receiver.wait("/elsewhere", job, "JOB_COMPLETED")
    # It is signed as the environment's own webhook is.
    _, headers, body = told[-1]
    assert headers["x-hub-signature"] == hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    assert receiver.of("/lifecycle", job) == []


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
