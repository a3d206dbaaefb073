"""Paths to rows: whatever path is taken, the rows are those that filtering all of them gives."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from random import Random
from typing import Any

import pytest

from jobruns.run import Run, RunState
from jobruns.run_order import Moment, RunOrder
from jobruns.service.store_ports import SummaryPage
from pgrest import ordering, reads
from pgrest.accesses import OfJob, page_sizes
from pgrest.binding import BoundQuery, Ordering, bind_query
from pgrest.columns import Row
from pgrest.conditions import compile_conditions
from pgrest.errors import Code, RefusedError
from pgrest.job_rows import is_shown, job_row
from pgrest.jobs import JOBS
from pgrest.narrowing import Span, narrow
from pgrest.ordering import order_rows
from pgrest.plans import Path, count_served
from pgrest.projection import project_row
from pgrest.query import read_query, split_query
from pgrest.ranges import Window
from pgrest.reads import MAX_ROWS, Found, find_runs, read_rows
from pgrest.representations import write_json
from pgrest.sources import SOURCES
from pgrest.watermarks import asks_watermark
from tests.unit.core.runs import make_run
from tests.unit.pgrest.ledgers import NOON, MemoryRuns, make_caller, make_question, make_runs

_NOON = "2024-03-10T12:00:00+00:00"


def filter_all(rows: Sequence[Row], bound: BoundQuery) -> list[Row]:
    """Give the rows that pass, without any plan."""
    passes = compile_conditions(bound.conditions)
    return order_rows((row for row in rows if passes(row)), bound.order)


def check_found(found: Found, rows: Sequence[Row], bound: BoundQuery, window: Window) -> None:
    """Check that the rows found are those that filtering gives, in the order that was named."""
    passed = filter_all(rows, bound)
    wanted = passed[window.offset : window.offset + window.limit]
    if bound.ordered:
        assert found.rows == [project_row(row, bound.shown) for row in wanted]
    else:
        shown = {row["id"]: project_row(row, bound.shown) for row in passed}
        assert len(found.rows) == len(wanted)
        assert len({row["id"] for row in found.rows}) == len(found.rows)
        assert all(shown.get(row["id"]) == row for row in found.rows)
    assert found.total in {None, len(passed)}


@pytest.mark.parametrize("seed", range(4))
def test_planned_reads_give_what_filtering_all_rows_gives(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)
    if seed % 2:  # pages of few runs
        monkeypatch.setattr(reads, "_MIN_BATCH", 2)
        monkeypatch.setattr(reads, "_MAX_BATCH", 3)
    found_some = 0
    for _ in range(8):
        runs = make_runs(random, random.choice([5, 60, 60]))
        rows = [job_row(run) for run in runs if is_shown(run)]
        caller = make_caller(MemoryRuns(runs))
        numbers = [run.number for run in runs if run.number is not None]
        for _ in range(60):
            query = make_question(random, numbers)
            bound = bind_query(query, JOBS)
            window = Window(query.offset or 0, MAX_ROWS if query.limit is None else query.limit)
            if asks_watermark(bound, window):
                continue
            counted = random.random() < 0.3
            found = read_rows(caller, bound, window, counted=counted)
            assert (found.total is not None) is counted
            check_found(found, rows, bound, window)
            changed = find_runs(caller, bound)
            assert sorted(run.number or 0 for run in changed) == sorted(row["id"] for row in filter_all(rows, bound))
            found_some += bool(found.rows)
    assert found_some > 150


def bind(raw: str) -> tuple[BoundQuery, Window]:
    query = read_query(split_query(raw))
    return bind_query(query, JOBS), Window(query.offset or 0, MAX_ROWS if query.limit is None else query.limit)


def read(raw: str, runs: MemoryRuns, **options: Any) -> Found:
    return read_rows(make_caller(runs), *bind(raw), **options)


def find_paths(raw: str, *, counted: bool = False) -> list[Path]:
    return list(SOURCES["jobs"].find_paths(bind(raw)[0], counted=counted))


def test_the_last_success_is_one_access_that_needs_no_filter() -> None:
    (path,) = find_paths("name=eq.etl&status=eq.success&order=end_date.desc&limit=1")
    order = replace(RunOrder.of_successes(Moment.END), endless_first=True)
    assert (path.accesses, path.covered) == ((OfJob("etl", order),), True)


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        ("id=eq.5", ["numbers"]),
        ("id=in.(5,6)&name=eq.a&order=name", ["numbers"]),
        ("id=eq.5&id=eq.6", ["nothing"]),
        ("id=is.null", ["nothing"]),
        ("id=in.()", ["nothing"]),
        ("or=(id.eq.5,id.eq.6)", ["numbers"]),
        ("or=(id.eq.5,name.eq.a)", ["number range"]),
        ("not.and=(id.eq.5,name.eq.a)", ["number range"]),
        ("and=(status.eq.error,or(name.eq.a,name.in.(b,c)))", ["jobs by start"]),
        ("status=eq.nonesuch", ["nothing"]),
        ("status=eq.success&end_date=is.null", ["nothing"]),
        ("start_date=gt.2024-01-02&start_date=lt.2024-01-01", ["nothing"]),
        ("name=eq.a", ["jobs by start"]),
        ("name=eq.a&order=name,start_date.desc", ["jobs by start"]),
        ("name=eq.a&order=end_date.desc.nullslast", ["jobs by end"]),
        ("name=eq.a&end_date=gte.2024-01-01", ["jobs by end"]),
        ("name=eq.a&end_date=gte.2024-01-01&order=start_date", ["jobs by start", "jobs by end"]),
        ("name=eq.a&order=id.desc", ["jobs by start", "number range"]),
        ("name=eq.a&order=id&id=gt.7", ["number range", "jobs by start"]),
        (f"name=in.({','.join(map(str, range(21)))})", ["number range"]),
        ("", ["number range"]),
        ("order=id.desc", ["number range"]),
        ("order=start_date.desc", ["all by start"]),
        ("start_date=lt.2024-01-01", ["all by start"]),
        ("status=eq.in_progress&order=id", ["all by start", "number range"]),
        ("status=eq.error&order=id.desc", ["number range", "all by start"]),
        ("status=eq.error&order=end_date.desc", ["all by start"]),
        ("end_date=is.null", ["all by start"]),
        ("id=gt.5&start_date=gt.2024-01-01", ["number range", "all by start"]),
        ("message=like.*x*&order=message", ["number range"]),
    ],
)
def test_the_narrowest_path_is_the_first(raw: str, names: list[str]) -> None:
    assert [path.name for path in find_paths(raw)] == names


def test_to_count_the_narrowest_path_comes_before_the_one_in_order() -> None:
    raw = "name=eq.a&end_date=gte.2024-01-01&order=start_date&limit=1"
    assert [path.name for path in find_paths(raw, counted=True)] == ["jobs by end", "jobs by start"]
    raw = "status=eq.error&order=id.desc&limit=1"
    assert [path.name for path in find_paths(raw, counted=True)] == ["all by start", "number range"]


@pytest.mark.parametrize(
    ("raw", "span"),
    [
        ("id=gt.5&id=lte.9", {"id": Span(low=6, high=9)}),
        ("id=gt.5&id=in.(4,6,8)", {"id": Span(frozenset({6, 8}))}),
        ("id=eq(any).{1,NULL,2}", {"id": Span(frozenset({1, 2}))}),
        ("id=eq(any).{}", {"id": Span(frozenset())}),
        ("end_date=is.not_null", {"end_date": Span(null=False)}),
        ("end_date=not.is.null", {"end_date": Span(null=False)}),
        ("end_date=is.null&end_date=gt.2024-01-01", {"end_date": Span(frozenset())}),
        ("name=is.not_null", {}),
    ],
)
def test_conditions_on_one_column_are_a_span(raw: str, span: dict[str, Span]) -> None:
    narrowed = narrow(bind(raw)[0].conditions)
    assert (narrowed.spans, narrowed.covered) == (span, True)


@pytest.mark.parametrize(
    "raw",
    ["id=neq.5", "id=not.eq.5", "id=eq(all).{1}", "id=gt(any).{1}", "name=gt.a", "name=like.a", "not.or=(id.eq.1)"],
)
def test_what_is_no_span_is_left_to_the_filter(raw: str) -> None:
    narrowed = narrow(bind(raw)[0].conditions)
    assert (narrowed.spans, narrowed.covered) == ({}, False)


def test_values_of_two_columns_do_not_tell_which_belong_together() -> None:
    narrowed = narrow(bind("or=(and(id.eq.1,name.eq.a),and(id.eq.2,name.eq.b))")[0].conditions)
    assert narrowed.spans == {"id": Span(frozenset({1, 2})), "name": Span(frozenset({"a", "b"}))}
    assert not narrowed.covered


def test_no_time_is_after_the_last_one_or_before_the_first() -> None:
    for raw in ("start_date=gt.9999-12-31 23:59:59.999999%2B00", "start_date=lt.0001-01-01 00:00:00%2B00"):
        assert find_paths(raw) == [Path("nothing", (), covered=True)]


LEDGER = MemoryRuns(make_runs(Random(7), 60))
SHOWN = [job_row(run) for run in LEDGER.runs.values() if is_shown(run)]


def test_no_more_is_read_than_is_shown() -> None:
    for raw, most in {
        "name=eq.etl_a&status=eq.success&order=end_date.desc&limit=1": 1,
        "name=eq.etl_a&status=eq.success&order=end_date.desc&limit=2&offset=2": 4,
        "order=id.desc&limit=5": 100,
        "name=eq.etl_a&limit=0": 0,
    }.items():
        LEDGER.read = 0
        read(raw, LEDGER)
        assert LEDGER.read <= most, raw


def test_an_order_by_what_is_the_same_in_all_rows_is_none() -> None:
    runs = MemoryRuns([_one(run_id=str(number), number=number) for number in range(1, 6)])
    read("name=eq.etl&status=eq.success&order=name,status.desc,end_date.desc,id.desc&limit=1", runs)
    assert runs.read == 1


def test_pages_grow_while_there_is_more_to_read() -> None:
    assert list(islice(page_sizes(300), 4)) == [300, 600, 1000, 1000]


def test_nulls_matter_to_an_order_where_there_are_any() -> None:
    start, end = JOBS.column("start_date"), JOBS.column("end_date")
    assert count_served([Ordering(start, True, True)], [Ordering(start, True, False)]) == 1
    assert count_served([Ordering(end, True, True)], [Ordering(end, True, False)]) == 0
    assert count_served([Ordering(end, True, True)], [Ordering(end, True, True), Ordering(start, True, True)]) == 1
    assert count_served([Ordering(end, True, True)], [Ordering(end, False, True)]) == 0


def test_of_many_rows_in_no_order_only_the_first_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "_SPARE", 3)
    assert read("order=message,id&limit=7&offset=2", LEDGER).rows == read("order=message,id", LEDGER).rows[2:9]


@pytest.mark.parametrize("raw", ["end_date=not.is.null", "end_date=is.null", "status=eq.in_progress&end_date=is.null"])
def test_runs_without_an_end_are_counted_where_they_are_asked_for(raw: str) -> None:
    bound, _ = bind(f"{raw}&name=eq.etl_b")
    total = len(filter_all(SHOWN, bound))
    assert total
    for order in ("end_date.desc", "end_date.nullsfirst", "start_date"):
        assert read(f"{raw}&name=eq.etl_b&order={order}&limit=1", LEDGER, counted=True).total == total


def test_a_run_may_go_on_and_have_an_end_by_its_workers_word() -> None:
    going = [
        _one(RunState.RUNNING, run_id="going", ended_at=None),
        _one(RunState.RUNNING, run_id="told", number=5, ended_at=None, reported_end_at=NOON),
    ]
    found = read("name=eq.etl&end_date=is.null&order=end_date.desc", MemoryRuns(going), counted=True)
    assert ([row["id"] for row in found.rows], found.total) == ([4], 1)


def test_a_path_that_is_too_long_is_left_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [run.model_copy(update={"job": "etl"}) for run in LEDGER.runs.values()]
    last = max(row["id"] for row in SHOWN)
    # Half of it is less than the runs of the job.
    monkeypatch.setattr(reads, "MAX_EXAMINED", len(SHOWN))
    monkeypatch.setattr(reads, "_MIN_BATCH", 5)
    (row,) = read("name=eq.etl&order=id.desc&limit=1", MemoryRuns(runs)).rows
    assert row["id"] == last


def test_what_would_read_too_much_is_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MAX_EXAMINED", 30)
    for raw in ("message=eq.nonesuch", "order=message&limit=1", "order=end_date", "order=id&offset=40"):
        with pytest.raises(RefusedError) as refused:
            read(raw, LEDGER)
        assert (refused.value.code, refused.value.status) == (Code.TOO_MUCH, 500)
        assert "name=eq." in str(refused.value.hint)
    with pytest.raises(RefusedError, match="more runs"):
        read("order=id&limit=1", LEDGER, counted=True)
    with pytest.raises(RefusedError, match="more runs"):
        find_runs(make_caller(LEDGER), bind("message=eq.nonesuch")[0])


def test_an_offset_beyond_all_rows_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for order in ("id", "start_date", "message"):
        assert read(f"order={order}&offset={10**18 - 1}&limit=3", LEDGER).rows == []
    monkeypatch.setattr(reads, "MAX_EXAMINED", 50)
    with pytest.raises(RefusedError, match="more runs"):
        read(f"order=id&offset={10**18 - 1}&limit=3", LEDGER)


def test_runs_with_long_messages_count_for_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MAX_EXAMINED", 50)
    runs = [_one(run_id=str(number), number=number, message="x" * 12_000) for number in range(1, 20)]
    assert len(read("order=id&limit=10", MemoryRuns(runs)).rows) == 10
    with pytest.raises(RefusedError, match="more runs"):
        read("order=id", MemoryRuns(runs))


def test_what_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MAX_SECONDS", -1.0)
    with pytest.raises(RefusedError, match="more runs"):
        read("order=id&limit=1", LEDGER)


def test_rows_beyond_what_lambda_takes_are_left_out_but_for_the_first() -> None:
    rows = read("order=id", LEDGER).rows
    assert read("order=id", LEDGER, max_bytes=1).rows == rows[:1]
    found = read("order=id", LEDGER, max_bytes=3000, counted=True)
    assert 5 < len(found.rows) < len(rows)
    assert found.rows == rows[: len(found.rows)]
    assert found.total == len(rows)
    assert len(json.dumps(write_json(found.rows))) <= 3000


def test_without_rows_to_show_the_total_is_told_all_the_same() -> None:
    assert read("limit=0", LEDGER) == Found([])
    assert read("limit=0", LEDGER, counted=True) == Found([], len(SHOWN))
    assert read("limit=0&name=eq.etl_a&order=records_processed", LEDGER, counted=True).total == sum(
        row["name"] == "etl_a" for row in SHOWN
    )


def _one(state: RunState = RunState.SUCCEEDED, **fields: Any) -> Run:
    given = {"job": "etl", "number": 4, "ended_at": NOON, "reported_start_at": NOON, "look_back_seconds": 600}
    return make_run(state, **{**given, **fields})


@pytest.mark.parametrize(
    "order", ["end_date.desc", "start_date.desc", "end_date.desc.nullslast", "end_date.desc,id.desc"]
)
def test_the_last_success_is_shown_earlier_by_the_look_back_of_its_job(order: str) -> None:
    for filters in ("name=eq.etl&status=eq.success", "status=eq.success&name=eq.etl"):
        found = read(f"{filters}&order={order}&limit=1&offset=0", MemoryRuns([_one()]))
        assert found.rows[0]["start_date"] == "2024-03-10T11:50:00+00:00"
        assert found.rows[0]["end_date"] == "2024-03-10T12:00:00+00:00"
        assert found.headers == {"Jobruns-Look-Back": "600"}


@pytest.mark.parametrize(
    "raw",
    [
        "name=eq.etl&status=eq.success&order=end_date.desc",
        "name=eq.etl&status=eq.success&order=end_date.desc&limit=2",
        "name=eq.etl&status=eq.success&order=end_date&limit=1",
        "name=eq.etl&status=eq.success&order=id.desc&limit=1",
        "name=eq.etl&status=eq.success&order=end_date.desc,name&limit=1",
        "name=eq.etl&status=eq.success&limit=1",
        "name=eq.etl&status=in.(success)&order=end_date.desc&limit=1",
        "name=eq.etl&status=eq.success&id=gt.0&order=end_date.desc&limit=1",
        "name=eq.etl&order=end_date.desc&limit=1",
        "and=(name.eq.etl,status.eq.success)&order=end_date.desc&limit=1",
        "name=eq.etl&name=eq.etl&status=eq.success&order=end_date.desc&limit=1",
        "name=eq.etl&status=eq.success&order=end_date.desc,id&limit=1",
        "id=eq.4",
    ],
)
def test_any_other_question_shows_a_start_as_it_was(raw: str) -> None:
    found = read(raw, MemoryRuns([_one()]))
    assert found.rows[0]["start_date"] == "2024-03-10T12:00:00+00:00"
    assert found.headers == {}


def test_the_success_before_the_last_is_shown_as_it_was() -> None:
    runs = MemoryRuns([_one(), _one(run_id="later", number=5, ended_at=NOON + timedelta(hours=1))])
    found = read("name=eq.etl&status=eq.success&order=end_date.desc&limit=1&offset=1", runs)
    assert (found.rows[0]["id"], found.rows[0]["start_date"], found.headers) == (4, _NOON, {})


def test_a_job_without_a_look_back_has_its_last_success_as_it_was() -> None:
    found = read("name=eq.etl&status=eq.success&order=end_date.desc&limit=1", MemoryRuns([_one(look_back_seconds=0)]))
    assert found == Found([{**job_row(_one()), "start_date": _NOON, "end_date": _NOON}])


def test_a_success_that_does_not_count_is_no_row_and_is_found_where_it_is_to_be_brought_back() -> None:
    runs = MemoryRuns([_one(counts=False)])
    caller = make_caller(runs)
    for raw in ("id=eq.4", "name=eq.etl", "status=eq.success", "order=start_date", ""):
        assert read(raw, runs).rows == []
        assert find_runs(caller, bind(raw)[0]) == []
        assert find_runs(caller, bind(raw)[0], hidden=True) == [_one(counts=False)]
    assert read("id=eq.4", MemoryRuns([_one(counts=False, state=RunState.FAILED)])).rows[0]["status"] == "error"


def test_a_run_of_another_door_has_all_cells() -> None:
    row = job_row(_one(records=5_000_000_000))
    assert (row["source"], row["destination"], row["records_processed"]) == ("", "", 2147483647)


def test_runs_to_change_come_whole_and_in_order() -> None:
    bound, _ = bind("name=eq.etl_a&order=records_processed.desc.nullslast,id")
    runs = find_runs(make_caller(LEDGER), bound)
    assert all(isinstance(run, Run) for run in runs)
    wanted = order_rows([row for row in SHOWN if row["name"] == "etl_a"], bound.order)
    assert [run.number for run in runs] == [row["id"] for row in wanted]


def test_more_runs_to_change_than_allowed_are_refused() -> None:
    count = sum(row["name"] == "etl_a" for row in SHOWN)
    bound, _ = bind("name=eq.etl_a")
    assert len(find_runs(make_caller(LEDGER), bound, count)) == count
    with pytest.raises(RefusedError) as refused:
        find_runs(make_caller(LEDGER), bound, count - 1)
    assert (refused.value.code.value, refused.value.status) == ("54000", 413)


def test_a_run_that_has_moved_on_since_its_index_was_read_is_not_changed() -> None:
    class Moved(MemoryRuns):
        def many(self, org: str, refs: Any) -> dict[str, Run]:
            return {
                key: run.model_copy(update={"state": RunState.FAILED}) for key, run in super().many(org, refs).items()
            }

    runs = Moved([_one()])
    assert find_runs(make_caller(runs), bind("name=eq.etl&status=eq.success")[0]) == []
    assert len(find_runs(make_caller(runs), bind("name=eq.etl")[0])) == 1


def test_a_run_that_comes_twice_is_shown_once() -> None:
    class Moving(MemoryRuns):
        def summaries(self, *args: Any, **options: Any) -> SummaryPage:
            page = super().summaries(*args, **options)
            return SummaryPage(page.summaries * 2, page.position)

    assert len(read("name=eq.etl&status=eq.success", Moving([_one()])).rows) == 1
