"""The table of operations: what there is, who may call it, and what its requests say."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hdb.errors import MissingRights, RestrictedError, UnknownOperationError, WrongPasswordError, describe_error
from hdb.fields import Reader, Target
from hdb.grants import read_permission, require_rights
from hdb.operations import OPERATIONS, Access, Kind, check_access, find_operation
from hdb.people import ChangedUser, Login, NamedRole, NamedUser, NewUser
from hdb.server import ReadLog, write_entry, write_system
from hdb.tables import Attribute, Database, Deletion, NewTable, Rows
from jobruns.access import Role, grants_of
from jobruns.errors import JobrunsError
from jobruns.grants import ALL_RIGHTS, NO_RIGHTS, Grants, Need, Right, TableGrant
from jobruns.run import RunEvent, RunState

JOBS = {
    *("csv_data_load", "csv_file_load", "csv_url_load", "import_from_s3"),
    *("export_local", "export_to_s3", "delete_files_before", "delete_records_before"),
}
SUPER, READER, FEEDER = grants_of(Role.ADMIN), grants_of(Role.READER), grants_of(Role.REPORTER)
DOG = {"schema": "dev", "table": "dog"}


def read(name: str, **members: Any) -> Any:
    return find_operation(name).read(members)


def refuse(name: str, **members: Any) -> tuple[int, str]:
    with pytest.raises(JobrunsError) as refusal:
        read(name, **members)
    return describe_error(refusal.value).status, refusal.value.message


def restrict(name: str, grants: Grants, **members: Any) -> dict[str, Any]:
    with pytest.raises(RestrictedError) as refusal:
        check_access(find_operation(name), grants, members)
    return describe_error(refusal.value).document


def test_jobs_are_what_the_reference_has_as_jobs() -> None:
    assert {name for name, operation in OPERATIONS.items() if operation.kind is Kind.JOB} == JOBS


@pytest.mark.parametrize(
    "names",
    [
        "describe_all create_schema drop_schema describe_schema create_table describe_table drop_table drop_attribute",
        "insert update delete search_by_hash search_by_value sql csv_data_load csv_file_load csv_url_load",
        "add_user alter_user drop_user user_info list_users add_role alter_role drop_role list_roles",
        "delete_files_before export_local export_to_s3 get_job search_jobs_by_start_date",
        "read_log system_information",
        "create_attribute upsert search_by_conditions import_from_s3 delete_records_before",
        "create_authentication_tokens refresh_operation_token create_database drop_database search_by_id",
    ],
)
def test_operations_are_found(names: str) -> None:
    for name in names.split():
        assert find_operation(name)


@pytest.mark.parametrize(
    "name",
    [
        *("nope", "", "GET_JOB", " get_job", "add_node", "update_node", "remove_node", "cluster_status"),
        *("registration_info", "get_fingerprint", "set_license"),
    ],
)
def test_unknown_operation(name: str) -> None:
    with pytest.raises(UnknownOperationError) as refusal:
        find_operation(name)
    assert refusal.value.message == f"Operation '{name}' not found"


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("search_jobs_by_start_date", "handleGetJobsByStartDate"),
        ("delete_records_before", "deleteFilesBefore"),
        ("delete_files_before", "deleteFilesBefore"),
        ("create_schema", "createSchema"),
        ("drop_table", "dropTable"),
        ("add_user", "addUser"),
        ("list_roles", "listRoles"),
    ],
)
def test_for_the_super_user_alone(name: str, function: str) -> None:
    check_access(find_operation(name), SUPER, DOG)
    for role in (Role.READER, Role.REPORTER, Role.OPERATOR):
        told = restrict(name, grants_of(role), **DOG)
        assert told["unauthorized_access"] == [f"Operation '{function}' is restricted to 'super_user' roles"]


def test_get_job_is_for_any_user_and_any_job() -> None:
    check_access(find_operation("get_job"), Grants(), {"id": "x"})


@pytest.mark.parametrize("name", ["csv_data_load", "csv_file_load", "csv_url_load", "import_from_s3"])
@pytest.mark.parametrize("action", ["insert", "update", "upsert"])
def test_loads_need_insert_and_update_whatever_the_action_is(name: str, action: str) -> None:
    inserts = Grants(tables={"dev": {"dog": TableGrant(rights=frozenset({Right.READ, Right.INSERT}))}})
    check_access(find_operation(name), FEEDER, {**DOG, "action": action})
    told = restrict(name, inserts, **DOG, action=action)
    assert told["unauthorized_access"] == [MissingRights("dev", "dog", ("update",)).document]
    assert told["invalid_schema_items"] == []


def test_a_table_that_a_role_does_not_see_does_not_exist() -> None:
    told = restrict("insert", Grants(), database="dev", table="dog")
    assert told["invalid_schema_items"] == ["Table 'dev.dog' does not exist"]
    assert told["unauthorized_access"] == []


@pytest.mark.parametrize("name", ["csv_data_load", "insert", "drop_table"])
def test_nobody_writes_to_the_systems_tables(name: str) -> None:
    for grants in (SUPER, FEEDER):
        restrict(name, grants, schema="system", table="hdb_job")


def test_a_request_that_names_no_table_is_left_to_the_check_of_its_members() -> None:
    for fields in ({}, {"table": 5}, {"table": ""}, {"table": "a", "schema": []}):
        check_access(find_operation("csv_data_load"), Grants(), fields)


def test_exports_by_sql_are_for_who_reads_and_others_for_the_super_user() -> None:
    for name in ("export_local", "export_to_s3"):
        check_access(find_operation(name), READER, {"search_operation": {"operation": "sql"}})
        check_access(find_operation(name), SUPER, {"search_operation": {"operation": "search_by_hash"}})
        assert "super_user" in str(restrict(name, READER, search_operation={"operation": "search_by_hash"}))
    require_rights(READER, [Need.of("dev", "dog", Right.READ)])
    with pytest.raises(RestrictedError):
        require_rights(READER, [Need.of("dev", "dog", Right.DELETE)])


def test_a_structure_user_makes_tables_in_its_databases() -> None:
    grants = Grants(shapes=frozenset({"dev"}))
    check_access(find_operation("create_table"), grants, DOG)
    restrict("create_table", grants, schema="prod", table="dog")
    restrict("create_table", grants, table="dog")
    check_access(find_operation("create_table"), Grants(shapes=True), {"schema": "prod"})


def test_operators_do_everything_with_rows() -> None:
    for name, operation in OPERATIONS.items():
        if operation.access is Access.ROWS:
            check_access(find_operation(name), grants_of(Role.OPERATOR), DOG)


def test_permissions_of_a_role() -> None:
    reader = Reader({})
    tables = {"dog": {"read": True, "insert": True, "update": False, "delete": False, "attribute_permissions": []}}
    grants = read_permission({"super_user": False, "structure_user": ["dev"], "dev": {"tables": tables}}, reader)
    assert reader.finish(lambda: True)
    assert grants.on("dev", "dog") == {Right.READ, Right.INSERT}
    assert grants.on("dev", "cat") == NO_RIGHTS
    assert read_permission({"super_user": True}, reader).on("a", "b") == ALL_RIGHTS


@pytest.mark.parametrize(
    "permission",
    [
        {"dev": {"tables": {"dog": {"read": "yes"}}}},
        {"dev": {"tables": {"dog": {"attribute_permissions": [{"attribute_name": "a", "read": True}]}}}},
        {"dev": {"tables": {"dog": True}}},
        {"dev": {"tables": []}},
        {"dev": 1},
        {"super_user": "true"},
        {"structure_user": [1]},
    ],
)
def test_permissions_that_are_not_understood_are_refused(permission: dict[str, Any]) -> None:
    assert refuse("add_role", role="r", permission=permission)[0] == 400


@pytest.mark.parametrize("aliases", [("create_schema", "schema"), ("create_database", "database")])
def test_create_schema(aliases: tuple[str, str]) -> None:
    name, member = aliases
    assert read(name, **{member: "dev"}) == Database("dev")
    assert read(name) == Database("data")
    for odd in ("a`b", "a/b"):
        assert refuse(name, **{member: odd}) == (400, "'schema' names cannot include backticks or forward slashes")
    assert refuse(name, **{member: 5}) == (400, "'schema' must be a string")


def test_create_table() -> None:
    for key in ("hash_attribute", "primary_key"):
        assert read("create_table", table="dog", **{key: "id"}) == NewTable(Target("data", "dog"), "id")
    assert refuse("create_table", table="dog") == (400, "'primary_key' is required")
    assert refuse("create_table", hash_attribute="id") == (400, "'table' is required")


def test_tables_and_attributes() -> None:
    assert read("drop_table", **DOG) == read("describe_table", **DOG) == Target("dev", "dog")
    assert read("drop_attribute", **DOG, attribute="a") == Attribute(Target("dev", "dog"), "a")
    assert refuse("drop_attribute", **DOG) == (400, "'attribute' is required")


@pytest.mark.parametrize("name", ["insert", "update", "upsert"])
def test_rows(name: str) -> None:
    assert read(name, **DOG, records=[{"id": 1}]) == Rows(Target("dev", "dog"), ({"id": 1},))
    assert refuse(name, **DOG) == (400, "'records' is required")
    assert refuse(name, **DOG, records={}) == (400, "'records' must be an array")
    assert refuse(name, **DOG, records=[{}, 1]) == (400, "'records[1]' must be of type object")
    assert refuse(name, records=[]) == (400, "'table' is required")


def test_delete() -> None:
    for keys in ("hash_values", "ids"):
        assert read("delete", **DOG, **{keys: [1, "x"]}) == Deletion(Target("dev", "dog"), (1, "x"))
    assert refuse("delete", **DOG) == (400, "'hash_values' is required")


def test_users() -> None:
    user = {"role": "r", "username": "u", "password": "s3cret", "active": True}
    made = read("add_user", **user)
    assert made == NewUser("u", "s3cret", "r", True)
    assert "s3cret" not in repr(made)
    assert refuse("add_user", role="r", username="u") == (400, "Password can't be blank,Active can't be blank")
    assert refuse("add_user", **{**user, "active": "yes"}) == (400, "Active must be a boolean")
    assert read("alter_user", username="u", active=False) == ChangedUser("u", None, None, False)
    assert read("drop_user", username="u") == NamedUser("u")
    assert refuse("drop_user") == (400, "Username can't be blank")


def test_roles() -> None:
    role = read("add_role", role="r", permission={"super_user": True})
    assert (role.role, role.permission, role.grants.everything) == ("r", {"super_user": True}, True)
    assert read("alter_role", id="r", permission={}).role == "r"
    assert read("drop_role", id="r") == NamedRole("r")
    assert refuse("add_role") == (400, "Role can't be blank,Permission can't be blank")
    assert refuse("add_role", role="r", permission=[]) == (400, "Permission must be an object")


def test_read_log() -> None:
    assert read("read_log", limit=10, start=5, order="asc", **{"from": "2021-01-01", "until": None}) == ReadLog(
        10, 5, datetime(2021, 1, 1, tzinfo=UTC), None, descending=False
    )
    assert read("read_log", limit=10**6) == ReadLog()
    assert refuse("read_log", order="up", limit=-1, until=5)[0] == 400


def test_the_log_is_what_happened_to_runs() -> None:
    at = datetime(2021, 1, 25, 23, 3, 18, 805_000, UTC)
    event = RunEvent(
        org="o",
        job="dev.dog",
        run_id="R",
        sequence=3,
        kind="failed",
        state=RunState.FAILED,
        at=at,
        actor="a",
        message="no",
    )
    assert write_entry(event) == {
        "timestamp": "2021-01-25T23:03:18.805Z",
        "level": "error",
        "thread": "dev.dog",
        "tags": ["failed"],
        "message": "R is FAILED: no",
    }
    assert write_system(at, "1", "r")["time"]["current"] == 1611615798805


def test_tokens() -> None:
    assert read("create_authentication_tokens", username="u", password="p") == Login("u", "p")
    assert read("create_authentication_tokens") is None
    assert "p3" not in repr(read("create_authentication_tokens", username="u", password="p3"))
    with pytest.raises(WrongPasswordError):
        read("create_authentication_tokens", username="u")
    assert find_operation("refresh_operation_token").access is Access.OPEN
