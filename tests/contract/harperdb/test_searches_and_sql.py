"""Searches and SQL. Names and ids are rows of the contract; members that are wrong are tested in `tests/unit/hdb`."""

import json
from typing import Any

import pytest

from tests.contract.harperdb.service import Service, service

__all__ = ["service"]

DOG = {"schema": "dev", "table": "dog"}


@pytest.fixture(scope="module")
def dogs(service: Service) -> dict[str, str]:
    """A table that no test writes to."""
    service.do("create_table", **DOG, hash_attribute="id")
    records = [
        {"id": 1, "name": "Penny", "age": 7, "breed": "Lab"},
        {"id": 2, "name": "Kato", "age": 5},
        {"id": 3, "name": "Simon", "age": 5, "breed": "Lab mix"},
        {"id": "four", "name": 4, "age": None, "ok": True},
    ]
    service.do("insert", **DOG, records=records)
    return DOG


@pytest.mark.parametrize("names", [("search_by_hash", "hash_values"), ("search_by_id", "ids")])
def test_search_by_hash_leaves_missing_ids_out_and_sorts_as_asked(
    service: Service, dogs: dict[str, str], names: tuple[str, str]
) -> None:
    operation, keys = names
    found = service.do(operation, **dogs, **{keys: ["four", 77, 3, 1]}, get_attributes=["name", "id"])
    assert found == [{"name": 4, "id": "four"}, {"name": "Simon", "id": 3}, {"name": "Penny", "id": 1}]
    assert service.error(operation, **dogs, **{keys: [1]}) == (500, "'get_attributes' is required")


@pytest.mark.parametrize(
    "names", [("search_attribute", "search_type", "search_value"), ("attribute", "comparator", "value")]
)
def test_names_of_a_condition_that_mean_the_same(
    service: Service, dogs: dict[str, str], names: tuple[str, ...]
) -> None:
    condition = dict(zip(names, ("age", "greater_than", 5), strict=True))
    found = service.do("search_by_conditions", **dogs, conditions=[condition], get_attributes=["id"])
    assert found == [{"id": 1}]


def ids(found: list[dict[str, Any]]) -> list[Any]:
    return [row["id"] for row in found]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param("Lab", [1], id="equal"),
        pytest.param("Lab*", [1, 3], id="* at the end"),
        pytest.param("*mix", [3], id="* at the beginning"),
        pytest.param("*a*", [1, 3], id="* at both ends"),
        pytest.param("L*b", [], id="* in the middle is a star"),
        pytest.param("*", [1, 2, 3, "four"], id="* alone"),
    ],
)
def test_search_by_value(service: Service, dogs: dict[str, str], value: str, found: list[Any]) -> None:
    asked = {"search_attribute": "breed", "search_value": value, "sort": {"attribute": "id"}}
    assert ids(service.do("search_by_value", **dogs, **asked)) == found
    shorter = {"attribute": "breed", "value": value, "sort": {"attribute": "id"}}
    assert ids(service.do("search_by_value", **dogs, **shorter)) == found


def test_search_by_value_unknown_attribute(service: Service, dogs: dict[str, str]) -> None:
    told = (500, "unknown attribute 'zz'")
    assert service.error("search_by_value", **dogs, search_attribute="zz", search_value=1) == told
    sort = {"attribute": "zz"}
    assert service.error("search_by_value", **dogs, search_attribute="id", search_value=1, sort=sort) == told


def where(attribute: str, comparator: str, value: Any) -> dict[str, Any]:
    return {"search_attribute": attribute, "search_type": comparator, "search_value": value}


LAB, FIVE = where("breed", "starts_with", "Lab"), where("age", "equals", 5)


@pytest.mark.parametrize(
    ("members", "found"),
    [
        pytest.param({"conditions": [FIVE]}, [2, 3], id="equals"),
        pytest.param({"conditions": [where("age", "not_equal", 5)]}, [1, "four"], id="not_equal"),
        pytest.param({"conditions": [where("name", "contains", "o")]}, [2, 3], id="contains"),
        pytest.param({"conditions": [LAB]}, [1, 3], id="starts_with"),
        pytest.param({"conditions": [where("name", "ends_with", "y")]}, [1], id="ends_with"),
        pytest.param({"conditions": [where("age", "greater_than", 5)]}, [1], id="greater_than"),
        pytest.param({"conditions": [where("age", "greater_than_equal", 5)]}, [1, 2, 3], id="greater_than_equal"),
        pytest.param({"conditions": [where("age", "less_than", 7)]}, [2, 3], id="less_than"),
        pytest.param({"conditions": [where("age", "less_than_equal", 7)]}, [1, 2, 3], id="less_than_equal"),
        pytest.param({"conditions": [where("age", "between", [6, 7])]}, [1], id="between"),
        pytest.param({"conditions": [LAB, FIVE]}, [3], id="operator and, where none is named"),
        pytest.param({"operator": "or", "conditions": [LAB, FIVE]}, [1, 2, 3], id="operator or"),
        pytest.param({"operator": "OR", "conditions": [LAB, FIVE]}, [1, 2, 3], id="operator in capitals"),
        pytest.param(
            {"conditions": [FIVE, {"operator": "or", "conditions": [LAB, where("id", "equals", 2)]}]},
            [2, 3],
            id="or inside of and",
        ),
        pytest.param(
            {"operator": "or", "conditions": [where("id", "equals", 1), {"conditions": [LAB, FIVE]}]},
            [1, 3],
            id="and inside of or",
        ),
        pytest.param(
            {
                "operator": "or",
                "conditions": [
                    {"conditions": [LAB, {"operator": "or", "conditions": [where("age", "equals", 7)]}]},
                    where("ok", "equals", True),
                ],
            },
            [1, "four"],
            id="nested groups",
        ),
        pytest.param({"conditions": [FIVE], "offset": 1}, [3], id="offset"),
        pytest.param({"conditions": [where("id", "not_equal", 0)], "limit": 2}, [1, 2], id="limit"),
    ],
)
def test_search_by_conditions(
    service: Service, dogs: dict[str, str], members: dict[str, Any], found: list[Any]
) -> None:
    answer = service.do("search_by_conditions", **dogs, get_attributes=["id"], sort={"attribute": "id"}, **members)
    assert answer == [{"id": key} for key in found]


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        pytest.param({"attribute": "name"}, ["four", 2, 1, 3], id="numbers before texts"),
        pytest.param({"attribute": "name", "descending": True}, [3, 1, 2, "four"], id="descending"),
        pytest.param({"attribute": "age", "next": {"attribute": "name"}}, ["four", 2, 3, 1], id="next, null first"),
        pytest.param(
            {"attribute": "age", "descending": True, "next": {"attribute": "name", "descending": True}},
            [1, 3, 2, "four"],
            id="next, descending",
        ),
        pytest.param({"attribute": "id", "descending": True}, ["four", 3, 2, 1], id="by the key"),
    ],
)
def test_sort(service: Service, dogs: dict[str, str], sort: dict[str, Any], found: list[Any]) -> None:
    every = {"conditions": [where("id", "not_equal", 0)]}
    answer = service.do("search_by_conditions", **dogs, get_attributes=["id"], sort=sort, **every)
    assert ids(answer) == found
    cut = service.do("search_by_conditions", **dogs, get_attributes=["id"], sort=sort, offset=1, limit=2, **every)
    assert ids(cut) == found[1:3], "rows are sorted before they are counted"


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        pytest.param("SELECT id, name FROM dev.dog WHERE age = 7", [{"id": 1, "name": "Penny"}], id="SELECT"),
        pytest.param("SELECT count(*) FROM dev.dog", [{"COUNT(*)": 4}], id="count(*) without alias"),
        pytest.param("SELECT count(*) AS n FROM dev.dog WHERE breed IS NULL", [{"n": 2}], id="count(*) with alias"),
        pytest.param("SELECT id FROM dev.dog WHERE id = 77", [], id="nothing found"),
    ],
)
def test_sql_select(service: Service, dogs: dict[str, str], sql: str, answer: list[dict[str, Any]]) -> None:
    assert service.do("sql", sql=sql) == answer


@pytest.mark.parametrize(
    ("sql", "status", "told"),
    [
        pytest.param("SELEC * FROM dev.dog", 400, "Invalid SQL at:", id="no SQL"),
        pytest.param("SELECT * FROM dev.zzz", 404, "Table 'dev.zzz' does not exist", id="unknown table"),
        pytest.param("SELECT * FROM zzz.dog", 404, "database 'zzz' does not exist", id="unknown database"),
        pytest.param("SELECT zz FROM dev.dog", 500, "unknown column zz", id="unknown column"),
        pytest.param("", 400, "The 'sql' parameter is missing from the request body", id="missing"),
    ],
)
def test_sql_errors(service: Service, dogs: dict[str, str], sql: str, status: int, told: str) -> None:
    found = service.error("sql", sql=sql)
    assert (found[0], found[1][: len(told)]) == (status, told)


def test_sql_insert_update_and_delete_answer_as_the_operations_do(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = service.table({"id": 1, "n": 1}, {"id": 2, "n": 2})
    name = f"dev.{table['table']}"
    told = service.do("sql", sql=f"INSERT INTO {name} (id, n) VALUES (2, 9), (3, 3)")
    assert told == {"message": "inserted 1 of 2 records", "inserted_hashes": [3], "skipped_hashes": [2]}
    looked: list[str] = []
    find = service.ports.documents.find

    def count(org: str, kind: str, wanted: str) -> Any:
        looked.append(wanted)
        return find(org, kind, wanted)

    monkeypatch.setattr(service.ports.documents, "find", count)
    told = service.do("sql", sql=f"UPDATE {name} SET n = n + 10 WHERE n > 1")
    assert (told["message"], told["skipped_hashes"]) == ("updated 2 of 2 records", [])
    assert sorted(told["update_hashes"]) == [2, 3]
    assert looked == ["dev", table["table"]], "the table is looked up once"
    told = service.do("sql", sql=f"DELETE FROM {name} WHERE n < 13")
    assert (told["message"], told["skipped_hashes"]) == ("2 of 2 records successfully deleted", [])
    assert sorted(told["deleted_hashes"]) == [1, 2]
    assert looked == ["dev", table["table"]] * 2
    assert service.rows(table) == [{"id": 3, "n": 13}]


def test_unselected_columns_of_a_sparse_row_are_null_with_a_star(service: Service, dogs: dict[str, str]) -> None:
    by_sql = service.do("sql", sql="SELECT * FROM dev.dog WHERE id = 2")
    by_key = service.do("search_by_hash", **dogs, hash_values=[2], get_attributes=["*"])
    assert by_sql == by_key
    assert list(by_sql[0]) == ["id", "__createdtime__", "__updatedtime__", "age", "breed", "name", "ok"]
    assert (by_sql[0]["breed"], by_sql[0]["ok"]) == (None, None)


def test_times_are_fractional_milliseconds_on_rows_and_whole_ones_on_jobs(service: Service) -> None:
    table = service.table()
    made = [service.job("csv_data_load", **table, data=f"id\n{number}\n") for number in range(3)]
    rows = service.do("search_by_value", **table, search_attribute="id", search_value="*")
    times = [row[name] for row in rows for name in ("__createdtime__", "__updatedtime__")]
    assert any(isinstance(time, float) for time in times)
    for job, row in zip(made, sorted(rows, key=lambda row: int(row["id"])), strict=True):
        assert isinstance(job["__createdtime__"], int)
        assert job["created_datetime"] - 1 <= row["__createdtime__"] <= job["end_datetime"] + 1


def test_unknown_fields_are_ignored(service: Service, dogs: dict[str, str]) -> None:
    odd = {"foo": {"bar": 1}, "transact_to_cluster": False, "hash_attribute": "nope"}
    assert ids(service.do("search_by_hash", **dogs, hash_values=[1], get_attributes=["id"], **odd)) == [1]
    assert service.do("describe_table", **dogs, **odd)["record_count"] == 4
    assert service.do("get_job", id="nope", **odd) == []
    table = service.table()
    assert service.load(table, "id\n1\n", **{**odd, "hash_attribute": "id"}) == "successfully loaded 1 of 1 records"


def test_an_answer_in_csv(service: Service, dogs: dict[str, str]) -> None:
    asked = {"operation": "sql", "sql": "SELECT id, name FROM dev.dog WHERE age = 7"}
    headers = {"content_type": "application/json", "authorization": service.admin, "accept": "text/csv"}
    answer = service.send(json.dumps(asked).encode(), **headers)
    assert (answer["headers"]["Content-Type"], answer["body"]) == ("text/csv", '"id","name"\n1,"Penny"')
