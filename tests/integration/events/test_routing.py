"""Who is told what: selections, quiet, recoveries, redirects, and nothing lost or told twice on the way."""

import random
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from jobruns.access import Principal, Role
from jobruns.endpoint import Endpoint, Topic
from jobruns.errors import UnavailableError
from jobruns.notices import NoticeKind
from jobruns.run import Outcome, RunState
from jobruns.service.endpoints import disable_endpoint, redirect_to
from jobruns.service.ports import Ports
from jobruns.service.replays import list_deliveries
from tests.integration.events.post_office import (
    ADMIN,
    BROKEN,
    TAKEN,
    PostOffice,
    ended,
    some_run,
    succeeded,
    told,
)
from tests.integration.ledger.reported import tell as report
from tests.integration.ledger_table import TABLE

CALLER = Principal(org="acme", name="JRAKCALLER", role=Role.REPORTER)


def heard(office: PostOffice, name: str = "pager") -> list[str]:
    """Let all be told, and give what one endpoint got, in the order of the run."""
    office.run(seconds=1)
    posts = [post for post in office.posts if post.url == f"https://{name}.example"]
    return [post.document["status"] for post in sorted(posts, key=lambda post: post.sequence)]


def test_each_endpoint_is_told_what_it_selected(office: PostOffice) -> None:
    office.endpoint("all")
    office.endpoint("some", statuses=frozenset({"SYNC_SUCCESS", "JOB_COMPLETED"}))
    office.endpoint("failures", only=frozenset({Topic.FAILURES}))
    office.endpoint("elsewhere", jobs_prefix="prod.example/")
    office.endpoint("discoveries", kinds=frozenset({"discover"}))
    office.endpoint("off")
    disable_endpoint(office.ports, ADMIN, "off")
    routed = office.announce(*succeeded())
    assert (routed.deliveries, routed.unsent) == (5 + 2, set())
    assert len(heard(office, "all")) == 5
    assert heard(office, "some") == ["SYNC_SUCCESS", "JOB_COMPLETED"]
    assert {post.url for post in office.posts} == {"https://all.example", "https://some.example"}


def test_another_orgs_endpoints_hear_nothing(office: PostOffice) -> None:
    office.endpoint()
    assert office.announce(*succeeded(org="other")).deliveries == 0


def test_formats_that_say_nothing_of_something_are_not_sent(office: PostOffice) -> None:
    office.endpoint("lineage", "openlineage")
    office.endpoint("clouds", "cloudevents")
    office.announce(*succeeded())
    office.run(seconds=1)
    kinds = {"lineage": [], "clouds": []}
    for post in sorted(office.posts, key=lambda post: post.sequence):
        kinds[post.url.removeprefix("https://").removesuffix(".example")].append(post.document)
    assert [event["eventType"] for event in kinds["lineage"]] == ["START", "RUNNING", "RUNNING", "COMPLETE"]
    assert len(kinds["clouds"]) == 5
    assert {event["specversion"] for event in kinds["clouds"]} == {"1.0"}


def test_a_run_that_fails_before_its_first_phase_begins_and_ends_for_lineage(office: PostOffice) -> None:
    office.endpoint("lineage", "openlineage")
    office.receivers["https://lineage.example"] = lambda now: BROKEN if len(office.posts) == 2 else TAKEN
    office.announce(ended(RunState.FAILED, 1))
    office.run(minutes=1)
    # The second letter was not taken, so both are sent again, each by its own id.
    assert [post.document["eventType"] for post in office.posts] == ["START", "FAIL", "START", "FAIL"]
    ids = [post.message_id for post in office.posts]
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]


def test_a_job_that_keeps_failing_is_told_once_in_a_while(office: PostOffice) -> None:
    office.endpoint(only=frozenset({Topic.FAILURES}), quiet_seconds=3600)
    office.endpoint("loud")
    for minute, state in enumerate([RunState.FAILED, RunState.FAILED, RunState.TIMEOUT, RunState.TIMEOUT]):
        office.announce(ended(state, minute))
        office.run(minutes=1)
    office.announce(ended(RunState.FAILED, 7, job="other"))
    assert office.announce(ended(RunState.TIMEOUT, 2)).quiet == 0
    assert office.announce(ended(RunState.TIMEOUT, 4)).quiet == 1
    office.run(hours=1)
    office.announce(ended(RunState.TIMEOUT, 5))
    office.run(seconds=1)
    pager = [post for post in office.posts if post.url == "https://pager.example"]
    assert [post.document["job_id"][-1] for post in pager] == ["0", "2", "7", "5"]
    assert len(office.posts) - len(pager) == 4 + 1 + 1 + 1


def test_a_stop_is_no_failure(office: PostOffice) -> None:
    office.endpoint(only=frozenset({Topic.FAILURES}))
    assert office.announce(ended(RunState.STOPPED, 1)).deliveries == 0
    assert office.announce(ended(RunState.TIMEOUT, 2)).deliveries == 1


def test_what_is_late_is_told_to_who_asks_for_it(office: PostOffice) -> None:
    overdue = frozenset({Topic.OVERDUE})
    office.endpoint("late", "standard", only=overdue)
    office.endpoint("settings", kinds=frozenset({"job_lifecycle"}), statuses=frozenset({"JOB_FAILED"}), only=overdue)
    office.endpoint("steps")
    kinds = (NoticeKind.STARTED, NoticeKind.DELAYED, NoticeKind.DEADLINE_NEAR, NoticeKind.COMMITTING)
    for version, kind in enumerate(kinds):
        going = some_run(RunState.RUNNING, 1).model_copy(update={"version": version})
        office.announce(told(going, kind))
    office.run(seconds=1)
    assert sorted(post.url for post in office.posts) == [
        *["https://late.example"] * 2,
        *["https://settings.example"] * 2,
        "https://steps.example",
    ]


def test_what_callers_named_for_single_runs_is_forgotten_unless_it_is_named_again(office: PostOffice) -> None:
    there = "https://there.example"
    first = redirect_to(office.ports, CALLER, there, "hotglue")
    assert forgotten_at(first) == office.now + timedelta(days=180)
    office.now += timedelta(days=60)
    assert redirect_to(office.ports, CALLER, there, "hotglue") == first
    office.now += timedelta(days=60)
    again = redirect_to(office.ports, CALLER, there, "hotglue")
    assert (again.endpoint_id, again.salt) == (first.endpoint_id, first.salt)
    assert forgotten_at(again) == office.now + timedelta(days=180)
    assert office.endpoint("settings")[0].expires_at is None


def forgotten_at(endpoint: Endpoint) -> datetime:
    """Say when DynamoDB may delete what is kept of an endpoint: its document, and its name."""
    found = boto3.client("dynamodb").scan(
        TableName=TABLE,
        FilterExpression="document_id = :id",
        ExpressionAttributeValues={":id": {"S": endpoint.endpoint_id}},
    )
    (at,) = {int(item["expires_at"]["N"]) for item in found["Items"]}
    assert len(found["Items"]) == 2
    return datetime.fromtimestamp(at, UTC)


def test_the_first_success_after_a_failure_is_a_recovery(office: PostOffice, ports: Ports) -> None:
    office.endpoint(only=frozenset({Topic.RECOVERIES}))
    asked = []
    for minute, outcome in enumerate("ssfsfffss"):
        good = outcome == "s"
        run = report(ports, ADMIN, Outcome.SUCCEEDED if good else Outcome.FAILED, minute * 2, minute * 2 + 1)
        asked.append(office.announce(told(run)).deliveries)
    assert asked == [0, 0, 0, 1, 0, 0, 0, 1, 0]
    # What is asked again later is answered as before.
    office.run(seconds=1)
    assert len(office.posts) == 2


def test_a_run_that_was_redirected_is_told_there_and_to_who_does_not_stand_back(office: PostOffice) -> None:
    office.endpoint("settings", stands_back=True)
    office.endpoint("monitoring")
    there = redirect_to(office.ports, CALLER, "https://there.example", "hotglue", signs_as="settings")
    assert redirect_to(office.ports, CALLER, "https://there.example", "hotglue", signs_as="settings") == there
    assert redirect_to(office.ports, CALLER, "https://there.example", "hotglue").endpoint_id != there.endpoint_id
    office.announce(*succeeded(extra={"hotglue": {"redirect": there.endpoint_id}}))
    office.run(seconds=1)
    assert {post.url for post in office.posts} == {"https://there.example", "https://monitoring.example"}
    assert len(office.posts) == 10
    office.announce(*({**event, "redirect": "to-nowhere"} for event in succeeded()))
    office.run(seconds=1)
    assert {post.url for post in office.posts[10:]} == {"https://settings.example"}


def test_what_cannot_be_asked_for_comes_again(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    office.endpoint()
    office.queue.refusing = True
    events = succeeded()
    assert office.announce(*events).unsent == {0, 1, 2, 3, 4}
    office.queue.refusing = False

    def refuse(*given: object) -> bool:
        raise UnavailableError("the ledger is busy")

    with monkeypatch.context() as patch:
        patch.setattr(office.store.deliveries, "add", refuse)
        assert office.announce(*events).unsent == {0, 1, 2, 3, 4}
    assert office.announce(*events).deliveries == 5
    assert len(heard(office)) == 5


def burst(office: PostOffice, runs: int, seed: int) -> None:
    """Tell of runs, each of five events, out of order and some twice, to a receiver that fails one time in four."""
    chance = random.Random(seed)
    office.endpoint("clouds", "cloudevents")
    office.receivers["https://clouds.example"] = lambda now: chance.choice([TAKEN, TAKEN, TAKEN, BROKEN])
    events = []
    for number in range(runs):
        run_id = f"01a1fba8-d3d3-7e99-bb70-{number:012d}"
        events += succeeded(run_id=run_id, root_run_id=run_id)
    sent = [*events, *chance.sample(events, len(events) // 10)]
    chance.shuffle(sent)
    for start in range(0, len(sent), 10):
        assert not office.announce(*sent[start : start + 10]).unsent
    office.run(days=4)

    assert not office.queue.buried
    by_event: dict[str, set[str]] = {}
    taken: dict[str, set[tuple[int, str]]] = {}
    for post in office.posts:
        event = post.document
        by_event.setdefault(event["id"], set()).add(post.message_id)
        taken.setdefault(event["runid"], set()).add((post.sequence, event["status"]))
    assert by_event.keys() == {event["id"] for event in events}
    assert {len(ids) for ids in by_event.values()} == {1}
    assert len(set.union(*by_event.values())) == len(events)
    statuses = ["JOB_CREATED", "SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED", "JOB_COMPLETED"]
    assert len(taken) == runs
    assert all([status for _, status in sorted(steps)] == statuses for steps in taken.values())


def test_of_a_burst_everything_is_told_by_one_id_each_and_order_is_found_again(office: PostOffice) -> None:
    burst(office, 20, seed=7)


@pytest.mark.slow
def test_of_ten_thousand_transitions_everything_is_told(office: PostOffice) -> None:
    burst(office, 2000, seed=8)


def test_deliveries_are_kept_for_a_month(office: PostOffice) -> None:
    office.endpoint()
    office.announce(succeeded()[0])
    [delivery] = list_deliveries(office.ports, ADMIN, "pager").deliveries
    assert delivery.expires_at - delivery.created_at == timedelta(days=30)
