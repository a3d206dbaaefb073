"""Runs of four doors as receivers outside are told of them: over webhooks in every format, and by the bus."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from postgrest import SyncPostgrestClient
from standardwebhooks.webhooks import Webhook

from jobruns import bootstrap
from jobruns.access import key_token
from jobruns.endpoint import Selection
from jobruns.run import Executor
from jobruns.service.definitions import define_job
from jobruns.service.endpoints import EndpointWish, put_endpoint
from jobruns.service.ports import Ports
from jobruns.service.starts import StartRequest, start_run
from local.runner import Runner
from tests.e2e import glue_clients
from tests.e2e.door import Door, rows_csv
from tests.e2e.ledger import admin_of, wait_for
from tests.e2e.receiver import Received, Receiver
from tests.e2e.test_harperdb_jobs import Harper

pytestmark = pytest.mark.usefixtures("telling")

FORMATS = ("hotglue", "standard", "cloudevents", "openlineage")
DOORS = ("glue", "harperdb", "hydrolix", "postgrest")


class MoodyReceiver(Receiver):
    """Takes requests by path; the first request of each is turned away, of a moody one some more."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: dict[str, list[Received]] = {}
        self.refused: dict[str, Received] = {}
        self.came: Counter[str] = Counter()
        self.turned: set[str] = set()

    def take(self, received: Received) -> int:
        path, headers, _ = received
        self.came[path] += 1
        if path not in self.refused:
            self.refused[path] = received
            return 503
        # Nothing twice: the third try is five minutes later.
        if path == "/moody" and self.came[path] % 40 == 0 and headers["webhook-id"] not in self.turned:
            self.turned.add(headers["webhook-id"])
            return 500
        self.requests.setdefault(path, []).append(received)
        return 204


@pytest.fixture(scope="module")
def receiver() -> Iterator[MoodyReceiver]:
    with MoodyReceiver() as taking:
        yield taking


@pytest.fixture(scope="module")
def guest(runner: Runner, ports: Ports) -> Runner:
    """The runner as an org of its own sees it, so that no other test's runs are told of."""
    key = glue_clients.new_org(runner)
    master = runner.client("secretsmanager").get_secret_value(SecretId=runner.env["KEYS_SECRET_ID"])["SecretString"]
    found = bootstrap.load_store().access_keys.get(key.key_id)
    assert found is not None
    env = runner.env | {
        "JOBRUNS_ORG": found.org,
        "JOBRUNS_KEY_ID": key.key_id,
        "JOBRUNS_SECRET": key.secret,
        "JOBRUNS_TOKEN": key_token(master, key.key_id),
    }
    return cast("Runner", SimpleNamespace(url=runner.url, env=env, client=runner.client))


@pytest.fixture(scope="module")
def secrets(guest: Runner, receiver: MoodyReceiver) -> dict[str, str]:
    """One endpoint for each format; what each signs with."""
    made = {}
    for form in FORMATS:
        wish = EndpointWish(f"{receiver.url}/{form}", form)
        _, secret = put_endpoint(bootstrap.load_event_ports(), admin_of(guest), form, wish)
        assert secret is not None
        made[form] = secret
    return made


@pytest.fixture(scope="module")
def heard(guest: Runner) -> Iterator[Any]:
    """A queue that somebody has sent there what looks like an event of AWS Glue."""
    sqs, events, bus = guest.client("sqs"), guest.client("events"), guest.env["EVENT_BUS"]
    url = sqs.create_queue(QueueName="glue-like")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"detail-type": ["Glue Job State Change"], "detail": {"state": ["SUCCEEDED"]}}
    events.put_rule(Name="glue-like", EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(Rule="glue-like", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    yield url
    events.remove_targets(Rule="glue-like", EventBusName=bus, Ids=["queue"])
    events.delete_rule(Name="glue-like", EventBusName=bus)


@pytest.fixture(scope="module")
def told(guest: Runner, secrets: dict[str, str], heard: str, receiver: MoodyReceiver) -> dict[str, list[Received]]:
    """What the receiver got of one run of each door, by format, once it has all of their beginnings and ends."""
    _run_glue(guest)
    _run_postgrest(guest)
    _run_harperdb(guest)
    _run_hydrolix(guest)

    def whole() -> bool:
        # What was turned away, a beginning, comes again after the ends.
        for form in FORMATS:
            words = [_word(form, request.json) for request in list(receiver.requests.get(f"/{form}", []))]
            if words.count("begun") < len(DOORS) or words.count("ended") < len(DOORS):
                return False
        return True

    wait_for(whole, 90, every_seconds=0.1)
    return {form: receiver.requests[f"/{form}"] for form in FORMATS}


def _word(form: str, body: Any) -> str | None:
    """Tell whether a run has begun or ended by this."""
    told = {"hotglue": "status", "standard": "type", "cloudevents": "status", "openlineage": "eventType"}[form]
    words = {"JOB_CREATED": "begun", "START": "begun", "JOB_COMPLETED": "ended", "COMPLETE": "ended"}
    return words.get(str(body[told]).removeprefix("jobrun.").upper())


def _run_glue(guest: Runner) -> None:
    client = glue_clients.connect(guest)
    role = "arn:aws:iam::123456789012:role/any"
    client.create_job(Name="nightly", Role=role, Command={"Name": "glueetl", "ScriptLocation": "s3://bucket/job.py"})
    client.start_job_run(JobName="nightly")


def _run_postgrest(guest: Runner) -> None:
    with SyncPostgrestClient(f"{guest.url}/postgrest") as client:
        client.auth(guest.env["JOBRUNS_TOKEN"])
        begun = {"name": "bond_import", "start_date": "2026-11-21T05:00:00+00:00", "end_date": None}
        begun |= {"status": "in_progress", "source": "knack", "destination": "socrata"}
        (row,) = client.table("jobs").insert(begun).execute().data
        ended = {"status": "success", "end_date": "2026-11-21T05:30:00+00:00", "records_processed": 1250}
        client.table("jobs").update(ended).eq("id", row["id"]).execute()


def _run_harperdb(guest: Runner) -> None:
    harper = Harper(guest)
    harper.do("create_schema", schema="yard")
    harper.do("create_table", schema="yard", table="dog", hash_attribute="id")
    harper.do("csv_data_load", schema="yard", table="dog", action="insert", data="id,name\n1,Penny\n2,Kato")


def _run_hydrolix(guest: Runner) -> None:
    door = Door(guest)
    door.make_table("told", "events")
    door.s3.put_object(Bucket=door.landing, Key="told/one.csv", Body=rows_csv(0, 3))
    door.load("told.events", "told/one.csv", "a load")


def by_run(told: dict[str, list[Received]], form: str = "cloudevents") -> dict[str, list[Any]]:
    """The bodies of a format by the run they are of, in the order of their sequence."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for request in told[form]:
        body = request.json
        run = body["runid"] if form == "cloudevents" else body["s3_root"]
        found.setdefault(run, []).append((int(request.headers["x-run-sequence"]), body))
    return {run: [body for _, body in sorted(bodies, key=lambda pair: pair[0])] for run, bodies in found.items()}


def test_each_door_is_told_of_in_the_same_words_from_its_beginning_to_its_end(
    told: dict[str, list[Received]],
) -> None:
    runs = by_run(told)
    assert sorted(events[0]["door"] for events in runs.values()) == sorted(DOORS)
    shapes = set()
    for events in runs.values():
        assert events[0]["type"] == "io.jobruns.jobrun.job_created.v1"
        assert events[-1]["type"] == "io.jobruns.jobrun.job_completed.v1"
        assert (events[-1]["state"], events[-1]["data"]["status"]) == ("SUCCEEDED", "JOB_COMPLETED")
        shapes |= {tuple(sorted(event["data"])) for event in events}
    # One document for all doors, its keys always there.
    assert len(shapes) == 1


def test_the_document_of_a_run_is_what_its_steps_are_told_with(told: dict[str, list[Received]]) -> None:
    steps = by_run(told, "hotglue")
    assert len(steps) == len(DOORS)
    for root, bodies in steps.items():
        assert [body["status"] for body in bodies][:: len(bodies) - 1] == ["JOB_CREATED", "JOB_COMPLETED"]
        assert {body["s3_root"] for body in bodies} == {root}
    data = {event["data"]["s3_root"]: event["data"] for events in by_run(told).values() for event in events[-1:]}
    assert {root: body[-1] for root, body in steps.items()} == data


def test_whoever_hears_of_an_end_finds_the_document_and_the_event_there(
    told: dict[str, list[Received]], guest: Runner
) -> None:
    s3, bucket, org = guest.client("s3"), guest.env["RUNS_BUCKET"], guest.env["JOBRUNS_ORG"]

    def read(key: str) -> Any:
        return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    for events in by_run(told).values():
        root = events[-1]["data"]["s3_root"]
        assert read(f"{org}/{root}/job_details.json") == events[-1]["data"]
        assert [read(event["document"])["id"] for event in events] == [event["id"] for event in events]


def test_every_request_is_signed_and_known_by_its_id(told: dict[str, list[Received]], secrets: dict[str, str]) -> None:
    for form, requests in told.items():
        for request in requests:
            Webhook(secrets[form]).verify(request.body, dict(request.headers))
        ids = [request.headers["webhook-id"] for request in requests]
        assert len(set(ids)) == len(ids), form


def test_what_was_turned_away_comes_again_under_the_same_id(
    told: dict[str, list[Received]], receiver: MoodyReceiver
) -> None:
    assert set(receiver.refused) == {f"/{form}" for form in FORMATS}
    for path, refused in receiver.refused.items():
        again = [r for r in receiver.requests[path] if r.headers["webhook-id"] == refused.headers["webhook-id"]]
        assert [request.body for request in again] == [refused.body]


def test_cloud_events_are_what_the_library_reads(told: dict[str, list[Received]]) -> None:
    for request in told["cloudevents"]:
        event = from_http_event(HTTPMessage(dict(request.headers), request.body))
        assert event.get_id() == request.json["id"]
        assert event.get_data() == request.json["data"]


def test_lineage_has_one_start_and_one_end_of_each_run(told: dict[str, list[Received]]) -> None:
    kinds: dict[str, list[str]] = {}
    for request in told["openlineage"]:
        kinds.setdefault(request.json["run"]["runId"], []).append(request.json["eventType"])
    assert len(kinds) == len(DOORS)
    for told_of in kinds.values():
        assert (told_of.count("START"), told_of.count("COMPLETE")) == (1, 1)


def test_rules_for_glue_hear_of_every_door(told: dict[str, list[Received]], guest: Runner, heard: str) -> None:
    sqs = guest.client("sqs")
    runs: dict[str, str] = {}

    def all_there() -> bool:
        for message in sqs.receive_message(QueueUrl=heard, MaxNumberOfMessages=10).get("Messages", []):
            event = json.loads(message["Body"])
            assert event["source"] == "jobruns"
            runs[event["detail"]["jobRunId"]] = event["detail"]["jobName"]
        return len(runs) >= len(DOORS)

    wait_for(all_there, 10)
    assert len(runs) == len(DOORS)
    assert "nightly" in runs.values()


@pytest.mark.slow
def test_a_burst_of_runs_is_told_whole_though_the_receiver_turns_some_away(
    guest: Runner, ports: Ports, receiver: MoodyReceiver
) -> None:
    admin, runs = admin_of(guest), 300
    define_job(ports, admin, name="burst", door="test", executor=Executor.NOOP, max_concurrent_runs=1000)
    put_endpoint(
        bootstrap.load_event_ports(),
        admin,
        "moody",
        EndpointWish(f"{receiver.url}/moody", "cloudevents", Selection(jobs_prefix="burst")),
    )
    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda _: start_run(ports, admin, StartRequest(job="burst", door="test")), range(runs)))

    def ends() -> int:
        taken = list(receiver.requests.get("/moody", []))
        return sum(1 for request in taken if request.json["data"]["status"] == "JOB_COMPLETED")

    wait_for(lambda: ends() >= runs, 300, every_seconds=1.0)
    # What was turned away last comes again after five seconds.
    wait_for(lambda: _complete(receiver.requests["/moody"], runs), 60, every_seconds=1.0)
    told = by_run({"cloudevents": receiver.requests["/moody"]})
    assert set(told) == {run.run_id for run in started}
    for events in told.values():
        assert [event["sequence"] for event in events] == sorted({event["sequence"] for event in events})
        assert (events[0]["notice"], events[-1]["notice"]) == ("submitted", "ended")
    ids = Counter((r.json["runid"], r.json["sequence"], r.json["id"]) for r in receiver.requests["/moody"])
    assert len(ids) == len({(run, sequence) for run, sequence, _ in ids}), "never told under another id"


def _complete(requests: list[Received], runs: int) -> bool:
    """Whether each run has been told of as often as every other."""
    counts = Counter(request.json["runid"] for request in list(requests))
    return len(counts) == runs and len(set(counts.values())) == 1
