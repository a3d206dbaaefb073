"""Any sequence of writes leaves the rows that a table in memory has after it, and each answer shows those it wrote.

The table in memory follows SQL, and the two rules of the ledger: what has ended does not go on again, and what goes on
is not deleted. A write that breaks one of them for one row changes none.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.integration.pgrest.door import PLACES, REPRESENTATION, Cloud, Door, ago, cloud

__all__ = ["cloud"]

Table = dict[int, dict[str, Any]]
Filter = tuple[str, Callable[[dict[str, Any]], bool]]


def make_changes(random: Random, status: str | None) -> dict[str, Any]:
    """Make some changes; what ends always says when, so that no clock is in the way."""
    start = random.randint(2, 40)
    possible = {
        "start_date": ago(start),
        "message": random.choice([None, "m", 'two\nlines, "quoted"', ""]),
        "records_processed": random.choice([None, 0, 7]),
        "source": random.choice(["s", "t"]),
    }
    changes = {name: value for name, value in possible.items() if random.random() < 0.4}
    if status is not None:
        changes["status"] = status
        changes["end_date"] = None if status == "in_progress" else ago(start - 1)
    return changes


def make_filter(random: Random, table: Table) -> Filter:
    number, name = random.choice([*table, 99]), random.choice("abc")
    return random.choice(
        [
            (f"id=eq.{number}", lambda row: row["id"] == number),
            (f"id=in.({number},1,2)", lambda row: row["id"] in (number, 1, 2)),
            (f"name=eq.{name}&message=is.null", lambda row: row["name"] == name and row["message"] is None),
            (f"name=eq.{name}&status=eq.success", lambda row: (row["name"], row["status"]) == (name, "success")),
            ("status=neq.success&id=gt.3", lambda row: row["status"] != "success" and row["id"] > 3),
        ]
    )


def insert(random: Random, door: Door, table: Table) -> None:
    rows = []
    for _ in range(random.randint(1, 3)):
        changes = make_changes(random, random.choice(["in_progress", "success", "error"]))
        defaults = {"start_date": ago(1), "message": None, "records_processed": None}
        rows.append({"name": random.choice("abc"), **PLACES, **defaults, **changes})
    answer = door("POST", "/jobs", rows, **REPRESENTATION)
    assert answer.status == 201, answer.text
    for row, shown in zip(rows, answer.json, strict=True):
        assert shown["id"] > max(table, default=0)
        assert shown == {**row, "id": shown["id"]}
        table[shown["id"]] = shown


def update(random: Random, door: Door, table: Table) -> None:
    query, passes = make_filter(random, table)
    status = random.choice([None, None, "in_progress", "success", "error"])
    changes = make_changes(random, status)
    if status is None:
        changes.pop("end_date", None)
    found = [row for row in table.values() if passes(row)] if changes else []
    answer = door("PATCH", f"/jobs?{query}&order=id", changes, **REPRESENTATION)
    if status == "in_progress" and any(row["status"] != "in_progress" for row in found):
        assert (answer.status, answer.code) == (400, "P0001"), (query, changes)
        return
    for row in found:
        table[row["id"]] = {**row, **changes}
    assert answer.status == 200, (query, changes, answer.text)
    assert answer.json == [table[row["id"]] for row in found]


def delete(random: Random, door: Door, table: Table) -> None:
    query, passes = make_filter(random, table)
    found = [row for row in table.values() if passes(row)]
    answer = door("DELETE", f"/jobs?{query}&order=id", **REPRESENTATION)
    if any(row["status"] == "in_progress" for row in found):
        assert (answer.status, answer.code) == (400, "P0001"), query
        return
    assert answer.json == [table.pop(row["id"]) for row in found]


def merge(random: Random, door: Door, table: Table) -> None:
    if not table:
        return
    row = random.choice(list(table.values()))
    status = random.choice(["success", "error"])
    sent = {**row, **make_changes(random, status)}
    answer = door("POST", "/jobs", sent, prefer="return=representation,resolution=merge-duplicates")
    assert (answer.status, answer.json) == (200, [sent]), answer.text
    table[row["id"]] = sent


def walk(door: Door, seed: int, steps: int) -> None:
    random, table = Random(seed), Table()
    for step in range(steps):
        write = random.choices([insert, update, delete, merge], [3, 6, 1, 1])[0] if step else insert
        write(random, door, table)
        if step % 5 == 4 or step + 1 == steps:
            assert door.rows("order=id") == [table[number] for number in sorted(table)], (seed, step)
            for name in "abc":
                ends = [row for row in table.values() if (row["name"], row["status"]) == (name, "success")]
                last = max(ends, key=lambda row: (row["end_date"], row["id"]), default=None)
                hot = door.rows(f"name=eq.{name}&status=eq.success&order=end_date.desc&limit=1")
                assert hot == ([] if last is None else [last])


def test_a_sequence_of_writes_leaves_what_a_table_in_memory_has(cloud: Cloud) -> None:
    walk(cloud.open(), 1, 40)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_sequences_leave_what_tables_in_memory_have(seed: int, cloud: Cloud) -> None:
    walk(cloud.open(), seed, 120)
