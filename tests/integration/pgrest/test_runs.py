"""Reads of ``runs`` from the ledger's table: the same rows as filtering gives, at a price that does not grow."""

from random import Random
from typing import Any

import pytest

from jobruns.run import Executor, Run, RunState
from jobruns.service.definitions import define_job
from jobruns.service.starts import StartRequest, start_run
from jobruns.store import Store
from pgrest.binding import bind_query
from pgrest.conditions import compile_conditions
from pgrest.ordering import order_rows
from pgrest.query import read_query, split_query
from pgrest.ranges import Window
from pgrest.reads import MAX_ROWS, Found, read_rows
from pgrest.run_rows import RunRow
from pgrest.runs import RUNS
from tests.integration.ledger.test_summaries import JOB, fill
from tests.integration.pgrest.door import Cloud, Door, cloud, door
from tests.integration.pgrest.test_reads import Traffic, call, keep, traffic
from tests.unit.pgrest.ledgers import NAMES, ORG, make_runs

__all__ = ["cloud", "door", "traffic"]


@pytest.fixture
def store(cloud: Cloud) -> Store:
    return cloud.store


def read(store: Store, org: str, raw: str, **options: Any) -> Found:
    query = read_query(split_query(raw))
    window = Window(query.offset or 0, MAX_ROWS if query.limit is None else query.limit)
    return read_rows(call(store, org), bind_query(query, RUNS), window, **options)


def filter_all(runs: list[Run], raw: str) -> list[str]:
    query = read_query(split_query(raw))
    bound = bind_query(query, RUNS)
    passes = compile_conditions(bound.conditions)
    rows = order_rows((row for row in map(RunRow, runs) if passes(row)), bound.order)
    first = query.offset or 0
    return [row["run_id"] for row in (rows[first:] if query.limit is None else rows[first:][: query.limit])]


def test_every_way_to_the_rows_gives_what_filtering_all_of_them_gives(store: Store) -> None:
    runs = keep(store, "whole", [_tell(place, run) for place, run in enumerate(make_runs(Random(21), 40))])
    numbers = [run.number for run in runs if run.number is not None]
    some = runs[3]
    asked = [
        "",
        f"run_id=in.({some.run_id},{runs[5].run_id},nonesuch)",
        f"run_id=eq.{some.run_id.upper()}",
        f"run_id=in.({','.join(run.run_id for run in runs)})&job=eq.{some.job}",
        f"id=in.({numbers[0]},{numbers[5]},999999)&order=id.desc",
        f"id=gt.{numbers[10]}&order=id&limit=7&offset=2",
        f"job=eq.{NAMES[0]}",
        f"job=in.({NAMES[0]},{NAMES[1]})&order=run_id.desc&limit=9&offset=1",
        f"job=eq.{NAMES[0]}&order=start_date.desc,id",
        f"job=eq.{NAMES[0]}&status=eq.success&order=end_date.desc",
        f"job=eq.{NAMES[1]}&id=not.is.null&order=end_date.nullsfirst",
        f"job=eq.{NAMES[1]}&id=not.is.null&start_date=lt.2024-03-10T12:00:00Z&counts=is.false",
        "status=eq.in_progress&order=start_date",
        "state=in.(TIMEOUT,STOPPED,SUCCEEDED)&order=start_date.desc,run_id&limit=5",
        "state=eq.FAILED&start_date=gte.2024-03-10T11:00:00Z&order=start_date.desc",
        "id=is.null",
        "order=start_date&limit=11&offset=3",
        "metrics->rows=gt.20&tags->>team=eq.data&order=metrics->rows.desc",
        "order=metrics->>rows.nullsfirst,job",
        "or=(state.eq.FAILED,metrics->rows.lt.5)",
    ]
    for raw in asked:
        counted = len(raw) % 2 == 0
        found = read(store, "whole", raw, counted=counted)
        wanted = filter_all(runs, raw)
        if "order=" in raw:
            assert [row["run_id"] for row in found.rows] == wanted, raw
        assert sorted(row["run_id"] for row in found.rows) == sorted(wanted), raw
        assert found.total == (len(filter_all(runs, raw.partition("&limit")[0])) if counted else None), raw
        assert read(store, "others", raw).rows == [], raw
    assert sum(bool(filter_all(runs, raw)) for raw in asked) >= len(asked) - 1


def _tell(place: int, run: Run) -> Run:
    return run.model_copy(update={"metrics": {"rows": place} if place % 3 else {}, "tags": {"team": "data"}})


NEWEST = f"job=eq.{JOB}&limit=20&select=run_id"
CHEAP = {
    NEWEST: ({"Query": 1}, 21),
    NEWEST.replace("limit", "order=run_id.desc&limit"): ({"Query": 1}, 21),
    f"job=eq.{JOB}&status=eq.success&order=end_date.desc&limit=1": ({"Query": 2, "BatchGetItem": 1}, 2),
    "order=start_date.desc&limit=10": ({"Query": 1, "BatchGetItem": 1}, 11),
    "limit=10": ({"Query": 1, "BatchGetItem": 1}, 10),
    "state=eq.FAILED&limit=10": ({"Query": 1, "BatchGetItem": 1}, 10),
    "run_id=eq.nonesuch": ({}, 0),
    "state=eq.ASLEEP": ({}, 0),
}


def test_a_page_costs_the_same_at_1000_and_at_5000_runs(store: Store, traffic: Traffic) -> None:
    for count in (1000, 5000):
        fill(count)
        traffic.take()
        for raw, cost in CHEAP.items():
            read(store, ORG, raw)
            assert traffic.take() == cost, (raw, count)


def test_a_run_is_read_by_its_id_in_two_reads_as_it_is_now(store: Store, traffic: Traffic) -> None:
    run = keep(store, "one-run", make_runs(Random(4), 1))[0]
    traffic.take()
    (row,) = read(store, "one-run", f"run_id=eq.{run.run_id}").rows
    assert traffic.take() == ({"GetItem": 2}, 0)
    assert (row["job"], row["state"]) == (run.job, run.state)
    (row,) = read(store, "one-run", f"job=eq.{run.job}&run_id=eq.{run.run_id}&select=run_id").rows
    assert traffic.take() == ({"BatchGetItem": 1}, 0)


def test_a_run_that_never_began_is_found(store: Store) -> None:
    run = make_runs(Random(5), 1)[0].model_copy(update={"state": RunState.WAITING, "number": None, "ended_at": None})
    keep(store, "waiting", [run])
    for raw in ("id=is.null", "state=eq.WAITING", "status=eq.in_progress", f"job=eq.{run.job}", ""):
        (row,) = read(store, "waiting", raw).rows
        assert (row["run_id"], row["id"], row["status"]) == (run.run_id, None, "in_progress")


def test_a_run_of_any_door_is_found_and_shown_whole(cloud: Cloud, door: Door) -> None:
    ports, principal = cloud.ports, door.principal
    define_job(ports, principal, name="sync", executor=Executor.NOOP, door="glue", tags={"team": "data"})
    arguments = {"--table": "roads", "--password": "x", "limits": {"rows": 5}}
    run = start_run(ports, principal, StartRequest(job="sync", door="glue", arguments=arguments))
    door.add({"name": "told", "message": "by a script"})
    answer = door("GET", f"/runs?run_id=eq.{run.run_id}", accept="application/vnd.pgrst.object+json")
    assert answer.status == 200
    shown = answer.json
    assert list(shown) == [column.name for column in RUNS.columns]
    assert (shown["job"], shown["door"], shown["state"], shown["status"]) == ("sync", "glue", "STARTING", "in_progress")
    assert shown["arguments"] == {"--table": "roads", "--password": "***", "limits": {"rows": 5}}
    for query in (
        "tags->>team=eq.data",
        "arguments->limits->rows=gte.5",
        "arguments->>--table=like.ro*",
        "door=eq.glue&select=run_id",
        "id=is.null",
    ):
        assert [row["run_id"] for row in door("GET", f"/runs?{query}").json] == [run.run_id], query
    assert door("GET", "/runs?arguments->>--password=eq.x").json == []
    both = door("GET", "/runs?select=job,team:tags->>team&order=job.desc&limit=1", prefer="count=exact")
    assert (both.status, both.json, both.headers["Content-Range"]) == (206, [{"job": "told", "team": None}], "0-0/2")
    assert door("GET", "/runs?select=job,tags&order=job", accept="text/csv").text == (
        'job,tags\nsync,"{""team"": ""data""}"\ntold,{}'
    )


def test_the_record_of_runs_is_not_written_to(door: Door) -> None:
    for verb in ("POST", "PATCH", "PUT", "DELETE"):
        answer = door(verb, "/runs?run_id=eq.x", {"message": "x"})
        assert (answer.status, answer.code) == (405, "PGRST117")
        assert answer.headers["Allow"] == "OPTIONS,GET,HEAD"
