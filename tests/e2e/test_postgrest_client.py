"""Supabase's Python client of PostgREST, unmodified, against the door."""

import asyncio
import csv
import io
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from postgrest import APIError, AsyncPostgrestClient, CountMethod, ReturnMethod, SyncPostgrestClient

from jobruns.access import Principal
from jobruns.run import RunState
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from local.runner import Runner
from tests.e2e.ledger import start, wait_for, wait_until

NIGHTLY, HOURLY, ODD = "pg_nightly", "pg_hourly", 'pg (odd), "quoted": a.b\\c é'
BEGIN = datetime(2026, 2, 1, 6, tzinfo=UTC)
STATUSES = ("success", "error", "in_progress")

Row = dict[str, Any]
Predicate = Callable[[Row], bool]


def row_of(number: int) -> Row:
    """Make a row: every third of each status, one of two names, some without a number of records."""
    status = STATUSES[number % 3]
    begin = BEGIN + timedelta(hours=number)
    return {
        "name": (NIGHTLY, HOURLY)[number % 2],
        "start_date": begin.isoformat(),
        "end_date": None if status == "in_progress" else (begin + timedelta(minutes=number)).isoformat(),
        "status": status,
        "message": None if number % 4 == 0 else f"Run {number} of_12",
        "records_processed": None if number % 5 == 0 else number * 100,
        "source": "sqlite",
        "destination": "lake",
    }


@pytest.fixture(scope="module")
def client(runner: Runner) -> Iterator[SyncPostgrestClient]:
    runner.wait_warm()
    with SyncPostgrestClient(f"{runner.url}/postgrest") as made:
        yield made.auth(runner.env["JOBRUNS_TOKEN"])


@pytest.fixture(scope="module")
def rows(client: SyncPostgrestClient) -> list[Row]:
    """Twelve rows, written at once, as the table shows them."""
    written: list[Row] = client.from_("jobs").insert([row_of(number) for number in range(12)]).execute().data
    return written


@pytest.fixture
def mine(client: SyncPostgrestClient, rows: list[Row]) -> Any:
    """A query of these rows alone."""
    return client.from_("jobs").select("*").in_("name", [NIGHTLY, HOURLY])


def ids_of(found: list[Row]) -> list[int]:
    return [row["id"] for row in found]


def code_of(query: Any) -> str | None:
    with pytest.raises(APIError) as refused:
        query.execute()
    return refused.value.code


def a_row(name: str = "pg_other") -> Row:
    return {"name": f"{name}_{uuid.uuid4().hex[:8]}", "source": "a", "destination": "b"}


def test_many_rows_are_written_at_once_and_come_back_in_their_order(rows: list[Row]) -> None:
    assert ids_of(rows) == sorted(ids_of(rows))
    for number, row in enumerate(rows):
        wanted = row_of(number)
        for name in ("start_date", "end_date"):
            assert (row[name] and datetime.fromisoformat(row[name])) == (
                wanted[name] and datetime.fromisoformat(wanted[name])
            )
        assert {**wanted, "start_date": None, "end_date": None} == {
            **{name: row[name] for name in wanted},
            "start_date": None,
            "end_date": None,
        }


@pytest.mark.parametrize(
    ("narrow", "kept"),
    [
        pytest.param(lambda query: query.eq("name", NIGHTLY), lambda row: row["name"] == NIGHTLY, id="eq"),
        pytest.param(lambda query: query.neq("status", "error"), lambda row: row["status"] != "error", id="neq"),
        pytest.param(
            lambda query: query.eq("name", HOURLY).eq("status", "success"),
            lambda row: (row["name"], row["status"]) == (HOURLY, "success"),
            id="two columns",
        ),
        pytest.param(
            lambda query: query.gte("start_date", "2026-02-01T08:00:00+00:00").lt("start_date", "2026-02-01T15:00:00Z"),
            lambda row: 8 <= datetime.fromisoformat(row["start_date"]).hour < 15,
            id="a range of moments",
        ),
        pytest.param(
            lambda query: query.gt("records_processed", 300).lte("records_processed", 900),
            lambda row: row["records_processed"] is not None and 300 < row["records_processed"] <= 900,
            id="a range of numbers",
        ),
        pytest.param(lambda query: query.is_("end_date", None), lambda row: row["end_date"] is None, id="is null"),
        pytest.param(
            lambda query: query.not_.is_("end_date", None), lambda row: row["end_date"] is not None, id="not null"
        ),
        pytest.param(
            lambda query: query.not_.in_("status", ["error", "success"]),
            lambda row: row["status"] == "in_progress",
            id="not in",
        ),
        pytest.param(
            lambda query: query.not_.eq("message", "Run 1 of_12"),
            lambda row: row["message"] not in (None, "Run 1 of_12"),
            id="null is neither equal nor unequal",
        ),
        pytest.param(
            lambda query: query.like("message", "Run 1%"),
            lambda row: (row["message"] or "").startswith("Run 1"),
            id="like",
        ),
        pytest.param(
            lambda query: query.ilike("message", "run*OF\\_12"), lambda row: row["message"] is not None, id="ilike"
        ),
        pytest.param(
            lambda query: query.like_any_of("message", "Run 1 %,Run 2 %"),
            lambda row: row["message"] in ("Run 1 of_12", "Run 2 of_12"),
            id="like any",
        ),
        pytest.param(
            lambda query: query.or_("status.eq.error,and(records_processed.gte.600,name.eq.pg_nightly)"),
            lambda row: row["status"] == "error" or ((row["records_processed"] or 0) >= 600 and row["name"] == NIGHTLY),
            id="or",
        ),
        pytest.param(
            lambda query: query.not_.or_("status.eq.error,message.is.null"),
            lambda row: row["status"] != "error" and row["message"] is not None,
            id="not or",
        ),
        pytest.param(
            lambda query: query.match({"status": "success", "records_processed": 300}),
            lambda row: (row["status"], row["records_processed"]) == ("success", 300),
            id="match",
        ),
    ],
)
def test_filters_keep_what_they_say(mine: Any, rows: list[Row], narrow: Callable[[Any], Any], kept: Predicate) -> None:
    wanted = [row["id"] for row in rows if kept(row)]
    assert wanted, "the example shows nothing"
    assert len(wanted) < len(rows), "the example shows nothing"
    assert ids_of(narrow(mine).order("id").execute().data) == wanted


def test_a_name_of_reserved_characters_is_found_by_the_quotes_the_client_sets(client: SyncPostgrestClient) -> None:
    jobs = client.from_("jobs")
    (made,) = jobs.insert({**a_row(), "name": ODD}).execute().data
    for query in (jobs.select("id").eq("name", ODD), jobs.select("id").in_("name", [ODD, "nobody"])):
        assert made["id"] in ids_of(query.execute().data)


def test_nulls_stand_where_they_are_told_to(mine: Any, client: SyncPostgrestClient, rows: list[Row]) -> None:
    def ordered(*, desc: bool, nullsfirst: bool | None) -> list[int]:
        query = client.from_("jobs").select("id").in_("name", [NIGHTLY, HOURLY])
        return ids_of(query.order("records_processed", desc=desc, nullsfirst=nullsfirst).order("id").execute().data)

    numbers = [row["id"] for row in rows if row["records_processed"] is not None]
    nulls = [row["id"] for row in rows if row["records_processed"] is None]
    assert nulls
    assert ordered(desc=False, nullsfirst=None) == numbers + nulls
    assert ordered(desc=False, nullsfirst=True) == nulls + numbers
    assert ordered(desc=True, nullsfirst=None) == nulls + numbers[::-1]
    assert ordered(desc=True, nullsfirst=False) == numbers[::-1] + nulls
    by_status = mine.order("status", desc=True).order("end_date", desc=True, nullsfirst=False).execute().data
    assert [row["status"] for row in by_status] == ["success"] * 4 + ["in_progress"] * 4 + ["error"] * 4
    ends = [row["end_date"] for row in by_status if row["end_date"]]
    assert ends == sorted(ends[:4], reverse=True) + sorted(ends[4:], reverse=True)


@pytest.mark.parametrize("method", CountMethod)
def test_rows_are_counted_with_them_and_without(
    client: SyncPostgrestClient, rows: list[Row], method: CountMethod
) -> None:
    def query(**how: Any) -> Any:
        return client.from_("jobs").select("id", count=method, **how).eq("name", NIGHTLY)

    assert query().execute().count == 6
    page = query().limit(2).execute()
    assert (len(page.data), page.count) == (2, 6)
    head = query(head=True).gt("records_processed", 500).execute()
    assert (head.data, head.count) == ([], 2)
    none = query().eq("status", "nothing").execute()
    assert (none.data, none.count) == ([], 0)


def test_without_being_asked_nothing_is_counted(mine: Any) -> None:
    assert mine.execute().count is None


def test_pages_put_together_are_the_whole(mine: Any, client: SyncPostgrestClient, rows: list[Row]) -> None:
    pages = [
        client.from_("jobs")
        .select("id")
        .in_("name", [NIGHTLY, HOURLY])
        .order("status")
        .range(first, first + 4)
        .execute()
        .data
        for first in (0, 5, 10, 15)
    ]
    assert [len(page) for page in pages] == [5, 5, 2, 0]
    assert [row["id"] for page in pages for row in page] == ids_of(mine.order("status").execute().data)
    past = client.from_("jobs").select("id", count=CountMethod.exact).eq("name", NIGHTLY).offset(7)
    assert code_of(past) == "PGRST103"


def test_columns_are_chosen_renamed_and_cast(client: SyncPostgrestClient, rows: list[Row]) -> None:
    (shown,) = (
        client.from_("jobs")
        .select("number:id::text", "name", "day:start_date::date")
        .eq("id", rows[3]["id"])
        .execute()
        .data
    )
    assert shown == {"number": str(rows[3]["id"]), "name": HOURLY, "day": "2026-02-01"}


def test_one_row_is_an_object_and_none_or_two_are_said_to_be(client: SyncPostgrestClient, rows: list[Row]) -> None:
    def select(number: int) -> Any:
        return client.from_("jobs").select("id", "message").eq("id", number)

    first, nobody = rows[0]["id"], 2_000_000_000
    assert select(first).single().execute().data == {"id": first, "message": None}
    assert select(first).strip_nulls().single().execute().data == {"id": first}
    assert select(first).strip_nulls().execute().data == [{"id": first}]
    assert select(first).maybe_single().execute().data == {"id": first, "message": None}
    assert select(nobody).maybe_single().execute() is None
    assert code_of(select(nobody).single()) == "PGRST116"
    several = client.from_("jobs").select("id").eq("name", NIGHTLY)
    assert code_of(several.maybe_single()) == "406"
    with pytest.raises(APIError) as refused:
        several.single().execute()
    assert (refused.value.code, "6 rows" in str(refused.value.details)) == ("PGRST116", True)


def test_rows_come_as_csv(mine: Any, rows: list[Row]) -> None:
    text = mine.order("id").csv().execute().data
    read = list(csv.DictReader(io.StringIO(text)))
    assert [{name: value or None for name, value in row.items()} for row in read] == [
        {name: None if value is None else str(value) for name, value in row.items()} for row in rows
    ]


def test_a_run_is_begun_ended_and_taken_back(client: SyncPostgrestClient) -> None:
    jobs, row = client.from_("jobs"), a_row()
    (begun,) = jobs.insert(row).execute().data
    assert (begun["status"], begun["end_date"]) == ("in_progress", None)
    watermark = jobs.select("start_date").eq("name", row["name"]).eq("status", "success").order("end_date", desc=True)
    assert watermark.limit(1).execute().data == []
    (ended,) = jobs.update({"status": "success", "records_processed": "12"}).eq("id", begun["id"]).execute().data
    assert (ended["status"], ended["records_processed"]) == ("success", 12)
    assert ended["end_date"] is not None, "a run that has ended has an end"
    assert watermark.execute().data == [{"start_date": begun["start_date"]}], "what was written is read at once"
    assert jobs.update({"message": "x"}).eq("id", 2_000_000_000).execute().data == []
    assert jobs.delete().eq("id", begun["id"]).execute().data == [ended]
    assert jobs.select("id").eq("id", begun["id"]).execute().data == []


def test_what_is_to_come_back_of_a_write_is_chosen(client: SyncPostgrestClient) -> None:
    jobs, row = client.from_("jobs"), a_row()
    silent = jobs.insert(row, returning=ReturnMethod.minimal, count=CountMethod.exact).execute()
    assert (silent.data, silent.count) == ([], 1)
    assert jobs.insert(row).select("name").execute().data == [{"name": row["name"]}]
    counted = jobs.update({"message": "both"}, count=CountMethod.exact).eq("name", row["name"]).execute()
    assert ([told["message"] for told in counted.data], counted.count) == (["both", "both"], 2)


def test_missing_keys_of_many_rows_are_null_or_their_defaults(client: SyncPostgrestClient) -> None:
    jobs, rows = client.from_("jobs"), [a_row(), {**a_row(), "status": "success"}]
    assert code_of(jobs.insert(rows)) == "23502", "a status that is null is none"
    made = jobs.insert(rows, default_to_null=False).execute().data
    assert [row["status"] for row in made] == ["in_progress", "success"]


def test_a_row_that_is_wrong_keeps_all_of_its_request_from_being_written(client: SyncPostgrestClient) -> None:
    jobs, good = client.from_("jobs"), a_row()
    assert code_of(jobs.insert([{**good, "status": "success"}, {**good, "status": "sucess"}])) == "23514"
    assert jobs.select("id").eq("name", good["name"]).execute().data == []


def test_a_row_that_is_there_is_merged_or_left(client: SyncPostgrestClient) -> None:
    jobs, row = client.from_("jobs"), a_row()
    (made,) = jobs.insert(row).execute().data
    (merged,) = jobs.upsert({**row, "id": made["id"], "message": "merged"}, on_conflict="id").execute().data
    assert merged == {**made, "message": "merged"}
    left = jobs.upsert({**row, "id": made["id"], "message": "left"}, ignore_duplicates=True).execute()
    assert left.data == []
    assert jobs.select("*").eq("id", made["id"]).execute().data == [merged]
    assert code_of(jobs.insert({**row, "id": made["id"]})) == "23505"
    assert code_of(jobs.upsert({**row, "id": made["id"]}, on_conflict="name")) == "42P10"
    assert code_of(jobs.upsert({**row, "id": 2_000_000_000})) == "428C9", "the ledger alone gives out numbers"


def test_more_rows_than_allowed_are_not_touched(client: SyncPostgrestClient) -> None:
    jobs, row = client.from_("jobs"), a_row()
    jobs.insert([row, row, row], returning=ReturnMethod.minimal).execute()
    changed = jobs.update({"status": "error", "message": "changed"}).eq("name", row["name"])
    assert code_of(changed.max_affected(2)) == "PGRST124"
    assert code_of(jobs.delete().eq("name", row["name"]).max_affected(2)) == "PGRST124"
    left = jobs.select("status", "message").eq("name", row["name"]).execute().data
    assert left == [{"status": "in_progress", "message": None}] * 3
    assert len(changed.max_affected(3).execute().data) == 3


def test_errors_have_the_codes_that_clients_look_for(client: SyncPostgrestClient, runner: Runner) -> None:
    jobs = client.from_("jobs")
    queries: dict[str, list[Any]] = {
        "21000": [jobs.update({"message": "x"}), jobs.delete()],
        "22003": [jobs.select().eq("id", 3_000_000_000)],
        "22007": [jobs.select().gt("start_date", "yesterday afternoon"), jobs.select().gt("start_date", "now")],
        "22008": [jobs.select().gt("start_date", "2026-13-01")],
        "22P02": [jobs.select().eq("id", "one"), jobs.insert({**a_row(), "records_processed": 1.5})],
        "23502": [jobs.insert({"name": "x", "source": "y"}), jobs.update({"status": None}).eq("name", NIGHTLY)],
        "23514": [jobs.insert({**a_row(), "status": "done"}), jobs.insert({**a_row(), "name": "a+b"})],
        "42703": [jobs.select("nothing"), jobs.select().eq("nothing", 1), jobs.select().order("nothing")],
        "42704": [jobs.select("id::nothing")],
        "42883": [jobs.select().like("id", "1%")],
        "PGRST100": [jobs.select().filter("id", "nothing", "1"), jobs.select().or_("")],
        "PGRST106": [client.schema("private").from_("jobs").select()],
        "PGRST107": [jobs.select().explain()],
        "PGRST123": [jobs.select("id.max()")],
        "PGRST127": [
            jobs.select().text_search("message", "a"),
            jobs.select().contains("message", ["a"]),
            jobs.update({"name": "other"}).eq("name", NIGHTLY),
        ],
        "PGRST200": [jobs.select("runs(*)")],
        "PGRST202": [client.rpc("count_jobs", {})],
        "PGRST204": [jobs.insert({**a_row(), "nothing": 1}), jobs.insert([{**a_row(), "nothing": 1}])],
        "PGRST205": [client.from_("jobz").select()],
    }
    for code, refused in queries.items():
        assert [(code, code_of(query)) for query in refused] == [(code, code)] * len(refused)
    # Without a body the client has the code from a header.
    assert code_of(jobs.select("nothing", head=True)) == "42703"
    with SyncPostgrestClient(f"{runner.url}/postgrest") as nobody:
        assert code_of(nobody.from_("jobs").select()) == "PGRST302"
        assert code_of(nobody.auth("nonsense").from_("jobs").select()) == "PGRST301"
        named = nobody.auth(None, username=runner.env["JOBRUNS_KEY_ID"], password=runner.env["JOBRUNS_SECRET"])
        del named.headers["Authorization"]
        assert named.from_("jobs").select("id").limit(1).execute().data


def test_the_city_calls_its_schema_api(client: SyncPostgrestClient, rows: list[Row]) -> None:
    found = client.schema("api").from_("jobs").select("id").eq("id", rows[0]["id"]).execute()
    assert found.data == [{"id": rows[0]["id"]}]


def test_the_client_that_waits_for_several_answers_at_once(runner: Runner, rows: list[Row]) -> None:
    async def ask() -> list[list[Row]]:
        async with AsyncPostgrestClient(f"{runner.url}/postgrest") as client:
            client.auth(runner.env["JOBRUNS_TOKEN"])
            queries = [client.from_("jobs").select("name").eq("id", row["id"]).execute() for row in rows[:4]]
            return [answer.data for answer in await asyncio.gather(*queries)]

    assert asyncio.run(ask()) == [[{"name": row["name"]}] for row in rows[:4]]


def test_runs_of_other_doors_are_in_the_same_table(client: SyncPostgrestClient, ports: Ports, admin: Principal) -> None:
    run = wait_until(ports, admin, start(ports, admin, "pg_elsewhere"), RunState.RUNNING)
    going = client.from_("jobs").select("*").eq("name", "pg_elsewhere").single().execute().data
    assert (going["status"], going["end_date"], going["source"]) == ("in_progress", None, "")
    report_run(ports, admin, run, RunState.FAILED, message="no route", metrics={"rows": {"read": 7}})
    wait_until(ports, admin, run, RunState.FAILED)
    ended = client.from_("jobs").select("*").eq("id", going["id"]).single().execute().data
    assert (ended["status"], ended["message"], ended["start_date"]) == ("error", "no route", going["start_date"])
    (whole,) = (
        client.from_("runs")
        .select("run_id", "state", "door", "executor", "read:metrics->rows->read")
        .eq("id", going["id"])
        .execute()
        .data
    )
    assert whole == {"run_id": run.run_id, "state": "FAILED", "door": "test", "executor": "external", "read": 7}
    assert code_of(client.from_("runs").update({"message": "x"}).eq("id", going["id"])) == "PGRST117"


def test_the_calls_that_a_logged_run_makes_are_those_the_readme_tells(
    client: SyncPostgrestClient, runner: Runner
) -> None:
    jobs, row = client.from_("jobs"), a_row()
    made: list[Row] = []

    def calls(query: Any) -> dict[str, int]:
        before = len(runner.faults.calls("PostgrestFunction"))
        made[:] = query.execute().data
        counted = Counter(call.operation for call in runner.faults.calls("PostgrestFunction")[before:])
        # A process that is new, or has not been asked for a while, reads the caller's key as well.
        return {name: count for name, count in counted.items() if name not in ("GetItem", "GetSecretValue")}

    jobs.insert(row, returning=ReturnMethod.minimal).execute()  # defines the job
    begun = {"UpdateItem": 1, "TransactWriteItems": 1}
    assert calls(jobs.insert(row)) == {**begun, "StartExecution": 1}
    number = made[0]["id"]
    run = client.from_("runs").select("state", "settled").eq("id", number).single()
    wait_for(lambda: run.execute().data["state"] == "RUNNING")
    one = {"BatchGetItem": 2}
    assert calls(jobs.select("*").eq("id", number)) == one
    update = jobs.update({"status": "success"}).eq("id", number)
    assert calls(update) == {**one, "TransactWriteItems": 1, "SendTaskSuccess": 1}
    last = jobs.select("*").eq("name", row["name"]).eq("status", "success").order("end_date", desc=True).limit(1)
    assert calls(last) == {"Query": 1}
    assert ids_of(made) == [number]
    wait_for(lambda: run.execute().data["settled"])  # until then the machine is told once more
    assert calls(jobs.update({"message": "x"}).eq("id", number)) == {**one, "TransactWriteItems": 1}
    assert calls(jobs.insert({**row, "status": "success"})) == begun
