"""The operations around the jobs: databases, tables and rows. Names and ids are rows of the contract.

Members of requests that are wrong are tested in `tests/unit/hdb`, users and roles in `tests/integration/hdb`.
"""

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


@pytest.mark.parametrize(
    ("operation", "member"), [("create_schema", "schema"), ("create_schema", "database"), ("create_database", "schema")]
)
def test_create_schema(service: Service, operation: str, member: str) -> None:
    name = f"{operation}-{member}"
    assert service.do(operation, **{member: name}) == {"message": f"database '{name}' successfully created"}
    assert service.error(operation, **{member: name}) == (400, f"database '{name}' already exists")


def test_create_schema_without_a_name_is_data(service: Service) -> None:
    assert service.do("create_schema") == {"message": "database 'data' successfully created"}
    assert service.do("drop_schema") == {"message": "successfully deleted 'data'"}


@pytest.mark.parametrize("operation", ["create_schema", "create_table"])
@pytest.mark.parametrize("name", ["x" * 65, "a.b", "a\nb"], ids=["65 characters", "a dot", "a newline"])
def test_names_that_only_the_reference_takes_are_refused_clearly(service: Service, operation: str, name: str) -> None:
    # There they may have 250 characters, any but two. Here they are parts of the names of jobs, which have 255.
    told = "names have 64 characters at most, and no dots and control characters"
    assert service.error(operation, schema=name, table="t", hash_attribute="id") == (400, f"'schema' {told}")
    if operation == "create_table":
        assert service.error(operation, schema="dev", table=name, hash_attribute="id") == (400, f"'table' {told}")


def test_create_table_makes_its_database_where_it_is_missing(service: Service) -> None:
    made = service.do("create_table", schema="fresh", table="cat", primary_key="id")
    assert made == {"message": "table 'fresh.cat' successfully created."}
    again = service.error("create_table", schema="fresh", table="cat", hash_attribute="id")
    assert again == (400, "Table 'cat' already exists in 'fresh'")
    assert service.do("drop_schema", schema="fresh") == {"message": "successfully deleted 'fresh'"}
    assert service.error("describe_schema", schema="fresh") == (404, "database 'fresh' does not exist")


def test_drop_table(service: Service) -> None:
    table = service.table({"id": 1})
    name = table["table"]
    assert service.do("drop_table", **table) == {"message": f"successfully deleted table 'dev.{name}'"}
    assert service.error("drop_table", **table) == (404, f"Table 'dev.{name}' does not exist")
    service.do("create_table", **table, hash_attribute="id")
    assert service.rows(table) == [], "a table that is made again begins empty"


def test_drop_attribute(service: Service) -> None:
    table = service.table({"id": 1, "a": "x", "b": "y"})
    told = service.do("drop_attribute", **table, attribute="a")
    assert told == {"message": "successfully deleted attribute 'a'"}
    assert service.rows(table) == [{"id": 1, "b": "y"}]
    gone = (404, f"Attribute 'a' does not exist on 'dev.{table['table']}'")
    assert service.error("drop_attribute", **table, attribute="a") == gone
    for kept in ("id", "__createdtime__"):
        assert service.error("drop_attribute", **table, attribute=kept)[0] == 400


def test_create_attribute_before_any_row(service: Service) -> None:
    table = service.table()
    name = f"dev.{table['table']}"
    for attribute in ("age", "born"):
        told = service.do("create_attribute", **table, attribute=attribute)
        assert told == {"message": f"attribute '{name}.{attribute}' successfully created."}
    told_again = (400, f"attribute 'age' already exists in {name}")
    assert service.error("create_attribute", **table, attribute="age") == told_again
    shown = [part["attribute"] for part in service.do("describe_table", **table)["attributes"]]
    assert shown == ["__createdtime__", "__updatedtime__", "age", "born", "id"]
    assert service.do("search_by_value", **table, search_attribute="age", search_value=7) == []
    assert service.do("sql", sql=f"SELECT age FROM {name}") == []
    service.load(table, "id,age\n1,7\n2,9\n")
    assert service.rows(table) == [{"id": 1, "age": 7, "born": None}, {"id": 2, "age": 9, "born": None}]
    # The column became one of numbers when the first number came.
    assert service.do("sql", sql=f"SELECT SUM(age) AS s FROM {name} WHERE age > 7") == [{"s": 9}]
    assert service.error("create_attribute", **table, attribute="age") == told_again
    assert service.error("create_attribute", **table, attribute="id")[0] == 400
    assert service.do("drop_attribute", **table, attribute="born")["message"].endswith("'born'")
    assert service.error("create_attribute", **{**table, "table": "zzz"}, attribute="a")[0] == 404


@pytest.mark.parametrize("value", [2020, [1, {"a": None}], "2024-02-29T12:00:00.000Z"])
def test_an_attribute_without_a_value_becomes_what_its_first_value_is(service: Service, value: Any) -> None:
    table = service.table({"id": 1, "born": None, "a": "x"}, {"id": 2, "a": "y"})
    name = f"dev.{table['table']}"
    service.do("update", **table, records=[{"id": 1, "a": "z"}])  # writes the rows again, and has no value either
    assert service.do("sql", sql=f"SELECT born FROM {name}") == [{"born": None}] * 2
    service.do("update", **table, records=[{"id": 2, "born": value}])
    assert service.rows(table) == [{"id": 1, "a": "z", "born": None}, {"id": 2, "a": "y", "born": value}]
    # There is one column for it, and not another one for what is no text.
    assert service.do("sql", sql=f"SELECT id, born FROM {name} WHERE born IS NOT NULL") == [{"id": 2, "born": value}]
    found = service.do("search_by_value", **table, search_attribute="born", search_value=value)
    assert [row["id"] for row in found] == [2]
    service.do("update", **table, records=[{"id": 1, "born": "of another kind"}])
    assert [row["born"] for row in service.rows(table)] == ["of another kind", value]


@pytest.mark.parametrize(
    "member",
    [
        *("schema", "name", "hash_attribute", "audit", "schema_defined", "attributes", "db_size", "record_count"),
        *("table_size", "db_audit_size", "last_updated_record"),
    ],
)
def test_describe_table(service: Service, dogs: dict[str, str], member: str) -> None:
    shown = service.do("describe_table", **dogs)
    named = {"schema": "dev", "name": "dog", "hash_attribute": "id"}
    wanted = {**named, "audit": False, "schema_defined": False, "record_count": 4, "db_audit_size": 0}
    if member in wanted:
        assert shown[member] == wanted[member]
    elif member == "attributes":
        key = {"attribute": "id", "is_primary_key": True}
        names = ["__createdtime__", "__updatedtime__", "name", "age", "breed", "ok"]
        assert shown[member] == [*({"attribute": name, "indexed": True} for name in names), key]
    else:
        assert isinstance(shown[member], int)
        assert shown[member] > 0


def test_describe_table_that_is_not_there(service: Service) -> None:
    assert service.error("describe_table", schema="dev", table="zzz") == (404, "Table 'dev.zzz' does not exist")
    assert service.error("describe_table", schema="zzz", table="zzz") == (404, "database 'zzz' does not exist")


def test_describe_schema_and_all(service: Service, dogs: dict[str, str]) -> None:
    table = service.do("describe_table", **dogs)
    del table["db_size"]  # that of all tables of the database, where they are described together
    for shown in (service.do("describe_schema", schema="dev"), service.do("describe_all")["dev"]):
        assert shown["dog"].items() >= table.items()
    reads = {"read": True, "insert": False, "update": False, "delete": False}
    user = service.user(dev={"tables": {"dog": reads}})
    status, shown = service.ask("describe_all", user)
    assert (status, list(shown), list(shown["dev"])) == (200, ["dev"], ["dog"])


def test_insert(service: Service) -> None:
    table = service.table({"id": 1, "a": "old"})
    told = service.do("insert", **table, records=[{"id": 1, "a": "new"}, {"id": 2}])
    assert told == {"message": "inserted 1 of 2 records", "inserted_hashes": [2], "skipped_hashes": [1]}
    assert service.rows(table) == [{"id": 1, "a": "old"}, {"id": 2, "a": None}]


def test_update(service: Service) -> None:
    table = service.table({"id": 1, "a": "old", "b": "kept"})
    told = service.do("update", **table, records=[{"id": 1, "a": "new"}, {"id": 2}])
    assert told == {"message": "updated 1 of 2 records", "update_hashes": [1], "skipped_hashes": [2]}
    assert service.rows(table) == [{"id": 1, "a": "new", "b": "kept"}]
    assert service.error("update", **table, records=[{"a": "x"}])[0] == 400


def test_upsert(service: Service) -> None:
    table = service.table({"id": 1, "a": "old", "b": "kept"})
    told = service.do("upsert", **table, records=[{"id": 1, "a": "new"}, {"id": "two"}])
    assert told == {"message": "upserted 2 of 2 records", "upserted_hashes": [1, "two"]}
    assert service.rows(table) == [{"id": 1, "a": "new", "b": "kept"}, {"id": "two", "a": None, "b": None}]


@pytest.mark.parametrize("keys", ["hash_values", "ids"])
def test_delete_counts_unknown_ids_too(service: Service, keys: str) -> None:
    table = service.table({"id": 1}, {"id": 2})
    told = service.do("delete", **table, **{keys: [1, 77]})
    assert told == {"message": "2 of 2 records successfully deleted", "deleted_hashes": [1, 77], "skipped_hashes": []}
    assert service.rows(table) == [{"id": 2}]


def test_a_record_without_a_key_is_given_one(service: Service) -> None:
    table = service.table()
    told = service.do("insert", **table, records=[{"a": "x"}, {"id": None, "a": "y"}])
    assert (told["message"], told["skipped_hashes"]) == ("inserted 2 of 2 records", [])
    assert {row["id"]: row["a"] for row in service.rows(table)} == dict(zip(told["inserted_hashes"], "xy", strict=True))


def test_names_that_mean_the_same(service: Service) -> None:
    for operations, members in (
        (("create_schema", "create_table", "describe_schema", "drop_schema"), ("schema", "hash_attribute")),
        (("create_database", "create_table", "describe_database", "drop_database"), ("database", "primary_key")),
    ):
        create, create_table, describe, drop = operations
        schema, key = members
        assert service.do(create, **{schema: "synonyms"})["message"] == "database 'synonyms' successfully created"
        service.do(create_table, **{schema: "synonyms", key: "name"}, table="dog")
        shown = service.do(describe, **{schema: "synonyms"})
        assert shown["dog"]["hash_attribute"] == "name"
        assert service.do(drop, **{schema: "synonyms"}) == {"message": "successfully deleted 'synonyms'"}
