"""Rows, answers to writes, and descriptions."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hdb.descriptions import DescribedAttribute, DescribedTable, describe_all, describe_schema, describe_table
from hdb.loads import Action
from hdb.records import answer_deleted, answer_written, choose_columns, order_columns, write_row
from jobruns.grants import Grants, Right, TableGrant

CREATED = datetime(2026, 11, 21, 3, 1, 21, 193_141, UTC)


def test_the_times_of_a_row_are_fractions_of_milliseconds() -> None:
    row = {"id": 1, "__createdtime__": CREATED, "__updatedtime__": CREATED.replace(microsecond=193_000), "at": CREATED}
    assert write_row(row) == {
        "id": 1,
        "__createdtime__": 1795230081193.141,
        "__updatedtime__": 1795230081193,
        "at": CREATED,
    }


def test_what_a_row_does_not_have_is_null_and_what_is_no_number_too() -> None:
    row = {"id": 1, "a": float("nan"), "b": Decimal("1.5"), "c": float("inf")}
    assert write_row(row, ["id", "a", "zz"]) == {"id": 1, "a": None, "zz": None}
    assert write_row(row) == {"id": 1, "a": None, "b": Decimal("1.5"), "c": None}


def test_a_star_shows_the_key_the_times_and_the_rest_by_name() -> None:
    names = ["zoo", "__updatedtime__", "id", "age", "Big", "__createdtime__"]
    columns = ["id", "__createdtime__", "__updatedtime__", "Big", "age", "zoo"]
    assert order_columns(names, "id") == choose_columns(["a", "*"], names, "id") == columns
    assert choose_columns(["zoo", "id", "zoo"], names, "id") == ["zoo", "id"]


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        (
            Action.INSERT,
            {"message": "inserted 1 of 2 records", "inserted_hashes": [1], "skipped_hashes": ["x"]},
        ),
        (Action.UPDATE, {"message": "updated 1 of 2 records", "update_hashes": [1], "skipped_hashes": ["x"]}),
    ],
)
def test_answers_to_inserts_and_updates(action: Action, answer: dict[str, Any]) -> None:
    written = answer_written(action, [1], ["x"])
    assert written == answer
    assert list(written) == list(answer)


def test_the_answer_to_an_upsert_skips_nothing() -> None:
    assert answer_written(Action.UPSERT, [1, 2], []) == {
        "message": "upserted 2 of 2 records",
        "upserted_hashes": [1, 2],
    }


def test_the_answer_to_a_deletion() -> None:
    assert answer_deleted([1, 2]) == {
        "message": "2 of 2 records successfully deleted",
        "deleted_hashes": [1, 2],
        "skipped_hashes": [],
    }
    assert answer_deleted([1])["message"] == "1 of 1 record successfully deleted"
    assert answer_deleted([])["message"] == "0 of 0 records successfully deleted"


DOG = DescribedTable(
    "dev",
    "dog",
    "id",
    (DescribedAttribute("id"), DescribedAttribute("age"), DescribedAttribute("note", indexed=False)),
    record_count=3,
    table_bytes=100,
    database_bytes=300,
    updated_at=CREATED,
)
CAT = DescribedTable("dev", "cat", "id")


def test_describe_table() -> None:
    assert describe_table(DOG) == {
        "schema": "dev",
        "name": "dog",
        "hash_attribute": "id",
        "audit": False,
        "schema_defined": False,
        "attributes": [
            {"attribute": "id", "is_primary_key": True},
            {"attribute": "age", "indexed": True},
            {"attribute": "note"},
        ],
        "db_size": 300,
        "record_count": 3,
        "table_size": 100,
        "db_audit_size": 0,
        "last_updated_record": 1795230081193,
    }
    assert "last_updated_record" not in describe_table(CAT)


def test_describe_schema_and_all_show_what_the_caller_sees() -> None:
    reader = Grants(tables={"dev": {"cat": TableGrant(rights=frozenset({Right.READ}))}})
    root = Grants(everything=True)
    assert list(describe_schema([DOG, CAT], root)) == ["dog", "cat"]
    assert describe_schema([DOG, CAT], reader) == {"cat": describe_table(CAT)}
    assert describe_all({"dev": [DOG], "empty": []}, root) == {"dev": {"dog": describe_table(DOG)}, "empty": {}}
    assert describe_all({"dev": [DOG, CAT], "other": []}, reader) == {"dev": {"cat": describe_table(CAT)}}
    assert describe_all({}, root) == {}
