"""Loads through the HarperDB door whose function dies, and many at once: a table has all rows of a job, or none."""

import itertools
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.runner import Runner
from tests.e2e.harper import Harper, csv_rows
from tests.e2e.kept import find_kept
from tests.e2e.walk import kills, most, strike

ATTEMPTS = 4
"""How often the state machine calls the function for operations, with its retries."""

_NAMES = itertools.count()


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["commit", "every call"])
def test_a_load_whose_function_dies_at_any_call_is_done_by_the_next_one(
    runner: Runner, harper: Harper, schema: str, every: bool
) -> None:
    def load() -> None:
        dogs = {"schema": schema, "table": f"killed{next(_NAMES)}"}
        harper.do("create_table", **dogs, hash_attribute="id")
        job = harper.run("csv_data_load", **dogs, data=csv_rows(50), action="upsert")
        assert (job["status"], job["message"]) == ("COMPLETE", "successfully loaded 50 of 50 records")
        assert harper.do("sql", sql=f"SELECT count(*) AS n FROM {schema}.{dogs['table']}") == [{"n": 50}]
        assert len(files_of(runner, job["id"])) == 1, "those of the one that died are deleted"

    # What looks at the rows afterwards is done by the same function, last.
    walk = [kill for kill in kills(runner, ["OperationsFunction"], load) if kill.nth <= loads_calls(runner)]
    if not every:
        # The last update of the table is the commit; the first one adds the columns.
        walk = [kill for kill in walk if kill.operation == "glue UpdateTable"][-2:]
        assert [kill.when for kill in walk] == ["before", "after"]
    struck = [kill for kill, hit in strike(runner, walk, load) if hit]
    assert len(struck) >= max(most(walk), 1)


def loads_calls(runner: Runner) -> int:
    """How many calls the function makes until the run has ended: its last write to the ledger."""
    calls = [call.operation for call in runner.faults.calls("OperationsFunction")]
    return max(number for number, operation in enumerate(calls, 1) if operation == "TransactWriteItems")


def test_a_load_whose_function_dies_each_time_ends_as_an_error_without_a_row(
    runner: Runner, harper: Harper, dogs: dict[str, str]
) -> None:
    harper.do("insert", **dogs, records=[{"id": "before"}])
    faults = [runner.faults.arm("OperationsFunction", 2) for _ in range(ATTEMPTS)]
    try:
        job = harper.run("csv_data_load", **dogs, data=csv_rows(50))
    finally:
        runner.faults.disarm()
    assert all(fault.fired.is_set() for fault in faults)
    assert (job["status"], bool(job["message"])) == ("ERROR", True)
    assert [row["id"] for row in rows(harper, dogs)] == ["before"]
    assert harper.run("csv_data_load", **dogs, data=csv_rows(50))["message"] == "successfully loaded 50 of 50 records"
    assert len(rows(harper, dogs)) == 51


@pytest.mark.slow
def test_a_load_with_the_callers_own_credentials_ends_as_an_error_when_its_function_dies(
    runner: Runner, harper: Harper, dogs: dict[str, str]
) -> None:
    runner.client("s3").create_bucket(Bucket="callers-dead")
    runner.client("s3").put_object(Bucket="callers-dead", Key="in.csv", Body=csv_rows(50).encode())
    began, secret = time.time(), uuid.uuid4().hex
    pair = {"aws_access_key_id": "AKIACALLER", "aws_secret_access_key": secret}
    place = {**pair, "bucket": "callers-dead", "key": "in.csv", "region": "us-east-1"}
    fault = runner.faults.arm("HandedOverFunction", 6)
    job = harper.run("import_from_s3", **dogs, s3=place)
    assert fault.fired.is_set()
    assert (job["status"], bool(job["message"])) == ("ERROR", True)
    assert rows(harper, dogs) == []
    assert find_kept(runner, [secret], began) == [], "what the dead one had is put nowhere, for nobody to try again"
    assert harper.run("import_from_s3", **dogs, s3=place)["message"] == "successfully loaded 50 of 50 records"


@pytest.mark.slow  # a minute; test_keyed.py has the same without functions
def test_twenty_loads_at_once_into_one_table_all_land(harper: Harper, dogs: dict[str, str]) -> None:
    def load(number: int) -> dict[str, Any]:
        lines = [f"{number * 10 + row},{number}" for row in range(10)]
        return harper.run("csv_data_load", **dogs, data="\n".join(["id,load", *lines]))

    with ThreadPoolExecutor(20) as threads:
        ended = list(threads.map(load, range(20)))
    assert [(job["status"], job["message"]) for job in ended] == [
        ("COMPLETE", "successfully loaded 10 of 10 records")
    ] * 20
    assert sorted(row["id"] for row in rows(harper, dogs)) == list(range(200))


def files_of(runner: Runner, job_id: str) -> list[str]:
    """Give the data files that a job has left in the lake."""
    pages = runner.client("s3").get_paginator("list_objects_v2").paginate(Bucket=runner.env["LAKE_BUCKET"])
    return [entry["Key"] for page in pages for entry in page["Contents"] if f"/data/{job_id}/" in entry["Key"]]


def rows(harper: Harper, table: dict[str, str]) -> list[dict[str, Any]]:
    """Give every row of a table."""
    found: list[dict[str, Any]] = harper.do("search_by_value", **table, search_attribute="id", search_value="*")
    return found
