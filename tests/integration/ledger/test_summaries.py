"""What became of a job's runs, by start or by end: read consistently, at a price that does not grow."""

import itertools
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import botocore.client
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from jobruns.access import Principal
from jobruns.errors import InvalidInputError
from jobruns.ids import derived_id
from jobruns.lifecycle import Failed
from jobruns.run import Outcome, Run, RunState, RunSummary
from jobruns.run_order import EVERY_OUTCOME, Moment, RunOrder
from jobruns.service.corrections import delete_run, retell_run
from jobruns.service.ports import Ports
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.stops import stop_run
from jobruns.service.views import count_summaries, find_last_success, list_org_runs, list_summaries
from jobruns.store import Store, keys
from jobruns.store.indexes import SUMMARY_FIELDS
from jobruns.store.run_items import write_run
from tests.integration.ledger.reported import at, key_of, tell
from tests.integration.ledger_table import TABLE
from tests.unit.core.runs import make_run

Calls = Callable[[], Counter[str]]
JOB = "detectors"
GOING, WELL, BADLY = Outcome.GOING, Outcome.SUCCEEDED, Outcome.FAILED


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """How many items each query went through; begins anew when it is asked."""
    made: list[int] = []
    send = botocore.client.BaseClient._make_api_call

    def note(self: Any, operation: str, parameters: Any) -> Any:
        answer = send(self, operation, parameters)
        if operation == "Query":
            made.append(answer["ScannedCount"])
            assert parameters.get("ConsistentRead") or parameters["IndexName"].startswith("gsi_")
        return answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", note)

    def take() -> list[int]:
        taken = list(made)
        made.clear()
        return taken

    return take


def made(number: int) -> dict[str, Any]:
    """Make the item of an ended run of the job: one of four failed."""
    start = at(number)
    run_id = derived_id(start, "run", str(number))
    run = make_run(
        RunState.FAILED if number % 4 == 0 else RunState.SUCCEEDED,
        org="acme",
        job=JOB,
        run_id=run_id,
        root_run_id=run_id,
        number=number,
        settled=True,
        submitted_at=start,
        ended_at=start,
    )
    return write_run(run, None).serialize()


def fill(count: int) -> None:
    """Put that many runs into the emulated table, past its API, where each shares what it has in common with others."""
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].get_table(TABLE)
    hash_key = DynamoType({"S": keys.job_pk("acme", JOB)})
    common = [Item(hash_key, None, made(number)).attrs for number in range(4, 8)]
    for number in range(1, count + 1):
        start = at(number)
        course = keys.course(BADLY if number % 4 == 0 else WELL, counts=True)
        run_id = derived_id(start, "run", str(number))
        point, time = keys.course_sk(course, start, number), keys.instant(start).replace("Z", "+0000")
        varying = {"sk": keys.run_sk(run_id), "run_id": run_id, "start_sk": point, "end_sk": point}
        texts = {**varying, "submitted_at": time, "ended_at": time}
        attributes = {name: DynamoType({"S": text}) for name, text in texts.items()}
        item = Item(hash_key, attributes["sk"], {})
        item.attrs = {**common[number % 4], **attributes, "number": DynamoType({"N": str(number)})}
        table.items[hash_key][attributes["sk"]] = item


def numbers(ports: Ports, admin: Principal, order: RunOrder, limit: int = 100) -> list[int | None]:
    """Read all pages."""
    found: list[RunSummary] = []
    position = None
    for _ in range(50):
        page = list_summaries(ports, admin, JOB, order, limit=limit, position=position)
        assert len(page.summaries) == limit or page.position is None
        found += page.summaries
        position = page.position
        if position is None:
            return [summary.number for summary in found]
    raise AssertionError("the pages do not end")


def test_the_last_success_is_the_one_that_ended_last_and_not_the_one_that_started_last(
    ports: Ports, admin: Principal, calls: Calls
) -> None:
    tell(ports, admin, WELL, 600, 660)
    tell(ports, admin, WELL, 630, 645)
    tell(ports, admin, BADLY, 700, 710)
    tell(ports, admin, GOING, 720)
    calls()
    last = find_last_success(ports, admin, JOB)
    assert calls() == {"Query": 1}
    assert last is not None
    assert (last.start_at, last.end_at) == (at(600), at(660))
    by_start = find_last_success(ports, admin, JOB, Moment.START)
    assert by_start is not None
    assert by_start.start_at == at(630)
    assert find_last_success(ports, admin, "another") is None


def test_of_successes_that_ended_at_once_the_one_with_the_highest_number_is_the_last(
    ports: Ports, admin: Principal
) -> None:
    runs = [tell(ports, admin, WELL, start, 60) for start in (1, 2, 0)]
    last = find_last_success(ports, admin, JOB)
    assert last is not None
    assert last.number == runs[-1].number


def test_a_success_that_does_not_count_moves_nothing_until_it_does(ports: Ports, admin: Principal) -> None:
    counted = tell(ports, admin, WELL, 0, 10)
    tried = tell(ports, admin, WELL, 100, 110, counts=False)
    assert find_last_success(ports, admin, JOB) == RunSummary(**counted.model_dump(include=RunSummary.model_fields))
    tried = retell_run(ports, admin, tried, {"counts": True})
    last = find_last_success(ports, admin, JOB)
    assert last is not None
    assert last.number == tried.number
    retell_run(ports, admin, tried, {"counts": False})
    assert find_last_success(ports, admin, JOB) != last


def test_the_last_success_is_right_after_corrections_and_deletions(ports: Ports, admin: Principal) -> None:
    first, second, third = (tell(ports, admin, WELL, start, start + 5) for start in (0, 10, 20))
    third = retell_run(ports, admin, third, {}, BADLY)
    assert_last(ports, admin, second)
    delete_run(ports, admin, second)
    assert_last(ports, admin, first)
    third = retell_run(ports, admin, third, {"reported_end_at": at(3)}, WELL)
    assert_last(ports, admin, first)
    retell_run(ports, admin, third, {"reported_end_at": at(30)})
    assert_last(ports, admin, third)


def assert_last(ports: Ports, admin: Principal, run: Run) -> None:
    last = find_last_success(ports, admin, JOB)
    assert last is not None
    assert last.run_id == run.run_id


def make_runs(ports: Ports, admin: Principal, chance: random.Random) -> list[Run]:
    """Make runs with ties of times, without ends, aside, ended in every way."""
    runs = []
    for _ in range(26):
        outcome = chance.choice(list(Outcome))
        start, end = chance.randrange(8), chance.randrange(8)
        reported = None if outcome is GOING and chance.random() < 0.7 else end
        runs.append(tell(ports, admin, outcome, start, reported, counts=chance.random() < 0.7))
    timed_out = tell(ports, admin, GOING, 3, 4)
    dispatch_run(ports, timed_out.org, JOB, timed_out.run_id, "token")
    settle_run(ports, timed_out.org, JOB, timed_out.run_id, Failed("broken"))
    stopped = tell(ports, admin, GOING, 5)
    stop_run(ports, admin, stopped)
    return [found for run in (*runs, timed_out, stopped) if (found := ports.runs.get("acme", JOB, run.run_id))]


def expected(runs: list[Run], order: RunOrder) -> list[int | None]:
    """Sort as PostgreSQL does, by a time and then by number."""

    def moment(run: Run) -> Any:
        return run.start_at if order.by is Moment.START else run.end_at

    def inside(run: Run) -> bool:
        time = moment(run)
        if time is None:
            return order.since is None and order.until is None
        return (order.since is None or time >= order.since) and (order.until is None or time <= order.until)

    chosen = sorted((run for run in runs if order.takes(run) and inside(run)), key=key_of(moment))
    if not order.ascending:
        chosen.reverse()
    if order.by is Moment.END and order.endless_first is not None:
        chosen.sort(key=lambda run: (moment(run) is None) is not order.endless_first)
    return [run.number for run in chosen]


def test_every_order_with_every_bound_gives_the_runs_that_sorting_them_all_would(
    ports: Ports, admin: Principal
) -> None:
    chance = random.Random(20180617)
    runs = make_runs(ports, admin, chance)
    sets = [frozenset(some) for size in (1, 2, 3) for some in itertools.combinations(Outcome, size)]
    for _ in range(70):
        order = RunOrder(
            by=chance.choice(list(Moment)),
            outcomes=chance.choice(sets),
            counts=chance.choice([True, True, None, False]),
            since=chance.choice([None, None, at(chance.randrange(9))]),
            until=chance.choice([None, None, at(chance.randrange(9))]),
            ascending=chance.choice([True, False]),
            endless_first=chance.choice([None, True, False]),
        )
        limit = chance.choice([1, 3, 7, 100])
        assert numbers(ports, admin, order, limit) == expected(runs, order), order
        if limit == 100:
            assert count_summaries(ports, admin, JOB, order) == len(expected(runs, order)), order


def test_what_a_list_shows_of_a_run_is_what_the_run_says(ports: Ports, admin: Principal) -> None:
    run = tell(ports, admin, WELL, 1, 2, message="two\nlines", source="knack", destination="socrata", records=12)
    for by in Moment:
        [summary] = list_summaries(ports, admin, JOB, RunOrder(by=by)).summaries
        assert summary.model_dump() == run.model_dump(include=set(RunSummary.model_fields))


def test_reading_a_job_costs_the_same_at_a_dozen_runs_and_at_five_thousand(
    ports: Ports, admin: Principal, scanned: Callable[[], list[int]], calls: Calls
) -> None:
    costs: dict[int, list[Any]] = {}
    for count in (12, 5_000):
        fill(count)
        for order, limit in (
            (RunOrder.of_successes(Moment.END), 1),
            (RunOrder.of_successes(Moment.START), 1),
            (RunOrder(), 1),
            (RunOrder(by=Moment.END, ascending=True), 2),
            (RunOrder(since=at(2), until=at(6)), 100),
        ):
            scanned()
            calls()
            found = list_summaries(ports, admin, JOB, order, limit=limit).summaries
            costs.setdefault(count, []).append((scanned(), calls(), len(found)))
    hot = ([1], {"Query": 1}, 1)
    assert costs[5_000][:2] == [hot, hot]
    assert costs[12] == costs[5_000]
    for queries, _, found in costs[5_000]:
        assert sum(queries) <= 3 * found


def test_runs_are_counted_without_being_read_and_not_without_a_bound(
    ports: Ports, admin: Principal, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(120)
    monkeypatch.setattr("moto.dynamodb.models.table.RESULT_SIZE_LIMIT", 30_000)  # what one query goes through
    calls()
    assert count_summaries(ports, admin, JOB, RunOrder.of_successes(Moment.END)) == 90
    asked = calls()["Query"]
    assert 2 <= asked <= 10
    assert count_summaries(ports, admin, JOB, RunOrder(since=at(8), until=at(11))) == 4
    assert calls() == {"Query": 3}
    assert count_summaries(ports, admin, JOB, RunOrder(since=at(9), until=at(8))) == 0
    assert count_summaries(ports, admin, "another", RunOrder()) == 0
    monkeypatch.setattr("jobruns.store.summaries.MAX_COUNTED_PAGES", asked - 1)
    assert count_summaries(ports, admin, JOB, RunOrder.of_successes(Moment.END)) is None


def test_what_is_put_past_the_api_is_as_what_comes_through_it(store: Store) -> None:
    fill(5)
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].get_table(TABLE)
    put = {item.attrs["number"].value: item for held in table.items.values() for item in held.values()}
    indexed = {*SUMMARY_FIELDS, "pk", "sk", "start_sk", "end_sk"}
    for number in range(1, 6):
        through = made(number)
        attributes = put[str(number)].to_json()["Attributes"]
        assert {name: attributes[name] for name in indexed & attributes.keys()} == {
            name: through[name] for name in indexed & through.keys()
        }


def test_a_long_list_reads_little_for_nothing_and_in_few_queries(
    ports: Ports, admin: Principal, scanned: Callable[[], list[int]]
) -> None:
    fill(1_000)
    scanned()
    position, seen = None, []
    for _ in range(3):
        page = list_summaries(ports, admin, JOB, RunOrder(), limit=100, position=position)
        seen += [summary.number for summary in page.summaries]
        position = page.position
        queries = scanned()
        assert sum(queries) <= 100 + 2 * 25
        assert len(queries) <= 3 + 4
    assert seen == list(range(1_000, 700, -1))


def test_heartbeats_and_progress_are_in_no_index(ports: Ports) -> None:
    moving = {"heartbeat_at", "modified_at", "rows_loaded", "units_done", "version", "task_token", "phase", "due_sk"}
    assert not moving & set(RunSummary.model_fields)


def test_a_position_of_another_order_or_job_is_refused(ports: Ports, admin: Principal) -> None:
    for _ in range(3):
        tell(ports, admin, WELL, 1, 2)
    position = list_summaries(ports, admin, JOB, RunOrder(), limit=1).position
    assert position is not None
    for job, order in ((JOB, RunOrder(ascending=True)), (JOB, RunOrder(by=Moment.END)), ("other", RunOrder())):
        with pytest.raises(InvalidInputError, match="begin again"):
            list_summaries(ports, admin, job, order, position=position)
    with pytest.raises(InvalidInputError, match="begin again"):
        list_org_runs(ports, admin, RunOrder(), position=position)


def test_runs_of_all_jobs_are_read_by_start_and_by_what_became_of_them(
    ports: Ports, admin: Principal, stranger: Principal, calls: Calls
) -> None:
    chance = random.Random(5)
    runs = [
        tell(ports, admin, chance.choice(list(Outcome)), chance.randrange(6), 9, job=f"job-{number % 3}")
        for number in range(14)
    ]
    tell(ports, stranger, WELL, 0, 1)
    for outcomes in (EVERY_OUTCOME, {GOING}, {WELL}, {BADLY}, {WELL, BADLY}):
        for ascending in (True, False):
            order = RunOrder(outcomes=frozenset(outcomes), ascending=ascending, since=at(1), until=at(4))
            found: list[int | None] = []
            position, pages = None, 0
            while pages == 0 or position is not None:
                page = list_org_runs(ports, admin, order, limit=3, position=position)
                found += [run.number for run in page.runs]
                position, pages = page.next_token, pages + 1
            assert found == expected(runs, order)
    calls()
    list_org_runs(ports, admin, RunOrder(), limit=5)
    assert calls() == {"Query": 1, "BatchGetItem": 1}
    with pytest.raises(InvalidInputError, match="name a job"):
        list_org_runs(ports, admin, RunOrder(by=Moment.END))
