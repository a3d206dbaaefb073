"""Reads of ``jobs`` from the ledger's table: the same rows as from one in memory, at a price that does not grow."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import botocore.client
import pytest
from moto import mock_aws

from jobruns.access import Principal, Role
from jobruns.run import Outcome, Run, RunState
from jobruns.service.ports import Ports
from jobruns.service.transitions import run_event
from jobruns.store import Store
from local.emulator import dynamodb
from pgrest.admission import Caller
from pgrest.binding import bind_query
from pgrest.job_rows import is_shown
from pgrest.jobs import JOBS
from pgrest.query import read_query, split_query
from pgrest.ranges import Window
from pgrest.reads import MAX_ROWS, Found, find_runs, read_rows
from tests.integration.ledger.reported import at
from tests.integration.ledger.test_summaries import JOB, fill
from tests.integration.ledger_table import TABLE, make_ledger_table
from tests.unit.pgrest.ledgers import ORG, MemoryRuns, make_caller, make_question, make_runs


@dataclass
class Traffic:
    """What was asked of DynamoDB, and how many items its queries went through."""

    calls: Counter[str] = field(default_factory=Counter)
    scanned: int = 0
    eventual: int = 0

    def take(self) -> tuple[dict[str, int], int]:
        """Give both since the last time."""
        taken = dict(self.calls), self.scanned
        self.calls.clear()
        self.scanned = self.eventual = 0
        return taken


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """A ledger for the whole module; each test fills an org of its own."""
    dynamodb.apply()
    with mock_aws():
        make_ledger_table()
        yield Store(TABLE, pause=lambda seconds: None)


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    traffic = Traffic()
    send = botocore.client.BaseClient._make_api_call

    def note(self: Any, operation: str, parameters: Any) -> Any:
        answer = send(self, operation, parameters)
        traffic.calls[operation] += 1
        if operation == "Query":
            traffic.scanned += answer["ScannedCount"]
            traffic.eventual += not parameters.get("ConsistentRead")
        return answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", note)
    return traffic


def keep(store: Store, org: str, runs: list[Run]) -> list[Run]:
    """Write runs into an org's ledger."""
    kept = [run.model_copy(update={"org": org, "version": 1}) for run in runs]
    for run in kept:
        store.runs.create(run, run_event(run, "Submitted", run.submitted_at, "tester"))
    return kept


def call(store: Store, org: str) -> Caller:
    ports = cast("Ports", SimpleNamespace(runs=store.runs))
    return Caller(Principal(org=org, name="JRAKREADER", role=Role.READER), ports)


def read(caller: Caller, raw: str, **options: Any) -> Found:
    query = read_query(split_query(raw))
    window = Window(query.offset or 0, MAX_ROWS if query.limit is None else query.limit)
    return read_rows(caller, bind_query(query, JOBS), window, **options)


def test_the_table_gives_the_same_rows_as_a_ledger_in_memory(store: Store) -> None:
    random = Random(11)
    runs = make_runs(random, 50)
    keep(store, "same", runs)
    theirs, ours = make_caller(MemoryRuns(runs)), call(store, "same")
    numbers = [run.number for run in runs if run.number is not None]
    for _ in range(12):
        query = replace(make_question(random, numbers), limit=None, offset=None)
        bound = bind_query(query, JOBS)
        counted = random.random() < 0.3
        in_memory = read_rows(theirs, bound, Window(0, MAX_ROWS), counted=counted)
        window = random.choice([Window(0, MAX_ROWS), Window(3, 5)])
        found = read_rows(ours, bound, window, counted=counted)
        assert found.total == in_memory.total
        assert found.rows == in_memory.rows[window.offset :][: window.limit], query
        changed = find_runs(ours, bound) if random.random() < 0.3 else None
        assert changed is None or {run.number for run in changed} == {row["id"] for row in in_memory.rows}


HOT = f"name=eq.{JOB}&status=eq.success&order=end_date.desc&limit=1"
HOTTEST = {
    HOT: ({"Query": 1}, 1),
    HOT.replace("end_date", "start_date"): ({"Query": 1}, 1),
}
CHEAP = {
    f"{HOT}&select=start_date": ({"Query": 1}, 1),
    HOT.replace("success", "error"): ({"Query": 2}, 1),
    HOT.replace("desc", "desc.nullslast"): ({"Query": 1}, 1),
    f"name=eq.{JOB}&status=eq.success&order=end_date.desc&limit=5&offset=2": ({"Query": 1}, 7),
    f"name=eq.{JOB}&status=eq.error&start_date=gte.2018-06-17T01:00Z&order=start_date&limit=3": ({"Query": 2}, 3),
    f"name=eq.{JOB}&status=eq.in_progress": ({"Query": 2}, 0),
    f"name=eq.{JOB}&order=start_date.desc,id&limit=2&status=eq.success": ({"Query": 1}, 3),
    "name=eq.nonesuch&order=id": ({"Query": 5}, 0),
    "status=eq.nonesuch&order=id": ({}, 0),
    "id=eq.0": ({}, 0),
    "id=in.()": ({}, 0),
}


def test_what_scripts_ask_costs_the_same_at_1000_and_at_20000_runs(store: Store, traffic: Traffic) -> None:
    caller = call(store, ORG)
    for count, costs in ((1000, {**CHEAP, **HOTTEST}), (20_000, HOTTEST)):
        fill(count)
        traffic.take()
        for raw, cost in costs.items():
            read(caller, raw)
            assert traffic.eventual == 0, raw
            assert traffic.take() == cost, (raw, count)
        (row,) = read(caller, HOT).rows
        assert row["start_date"] == at(count - 1).isoformat()


def test_a_row_is_read_by_its_id_in_two_reads(store: Store, traffic: Traffic) -> None:
    run = keep(store, "one", make_runs(Random(1), 1))[0]
    caller = call(store, "one")
    traffic.take()
    (row,) = read(caller, f"id=eq.{run.number}").rows
    assert row["name"] == run.job
    assert traffic.take() == ({"BatchGetItem": 2}, 0)
    assert read(caller, f"id=in.({run.number},7777,8888)", counted=True).total == 1
    assert traffic.take() == ({"BatchGetItem": 2}, 0)
    assert find_runs(caller, bind_query(read_query(split_query(f"id=eq.{run.number}")), JOBS)) == [run]
    assert traffic.take() == ({"BatchGetItem": 2}, 0)
    assert read(call(store, "another"), f"id=eq.{run.number}").rows == []


def test_rows_of_a_job_are_counted_without_being_read(store: Store, traffic: Traffic) -> None:
    runs = keep(store, "counted", [run.model_copy(update={"job": "etl"}) for run in make_runs(Random(5), 40)])
    traffic.take()
    found = read(call(store, "counted"), "name=eq.etl&status=eq.success&order=end_date.desc&limit=1", counted=True)
    successes = [run for run in runs if is_shown(run) and run.outcome is Outcome.SUCCEEDED]
    assert (len(found.rows), found.total) == (1, len(successes))
    # One of them is a count.
    assert traffic.take() == ({"Query": 2}, 1 + len(successes))


def test_runs_of_all_jobs_are_found_by_what_became_of_them_and_by_their_start(store: Store, traffic: Traffic) -> None:
    runs = keep(store, "all", make_runs(Random(3), 30))
    shown = sorted((run for run in runs if is_shown(run)), key=lambda run: (run.start_at, run.number), reverse=True)
    caller = call(store, "all")
    traffic.take()
    found = read(caller, "order=start_date.desc&limit=4")
    assert [row["id"] for row in found.rows] == [run.number for run in shown[:4]]
    calls, scanned = traffic.take()
    # Also runs that the relation does not show, and one more to know that no other began at the same moment.
    assert calls["Query"] == 1
    assert scanned <= 30
    going = read(caller, "status=eq.in_progress&order=start_date.desc,id.desc").rows
    assert [row["id"] for row in going] == [run.number for run in shown if run.outcome is Outcome.GOING]


def test_what_has_just_been_written_is_read(store: Store) -> None:
    run, other = make_runs(Random(9), 2)
    caller = call(store, "fresh")
    for written in (run, other):
        (kept,) = keep(store, "fresh", [written.model_copy(update={"state": RunState.RUNNING, "ended_at": None})])
        raw = f"name=eq.{quote(written.job)}&status=eq.in_progress&order=id.desc&limit=1"
        assert [row["id"] for row in read(caller, raw).rows] == [kept.number]
