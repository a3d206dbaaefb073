"""The order of checks: of several things that are wrong, the first in the contract's order is told."""

import json
from typing import Any

import pytest

from hdb.errors import describe_error
from hdb.exports import Export
from hdb.intake import take_request
from hdb.loads import Load
from jobruns.access import Role, grants_of
from jobruns.errors import JobrunsError
from jobruns.grants import Grants

NOBODY, READER, SUPER = None, grants_of(Role.READER), grants_of(Role.ADMIN)


def tell(
    body: bytes | dict[str, Any], grants: Grants | None, content_type: str = "application/json"
) -> tuple[int, Any]:
    with pytest.raises(JobrunsError) as refusal:
        take_request(content_type, body if isinstance(body, bytes) else json.dumps(body).encode(), grants)
    fault = describe_error(refusal.value)
    return fault.status, fault.document.get("error")


@pytest.mark.parametrize(
    ("body", "grants", "status", "told"),
    [
        pytest.param(b"{", NOBODY, 400, None, id="JSON before who calls"),
        pytest.param({"a": 1}, NOBODY, 400, "Request body must include an 'operation' property.", id="operation next"),
        pytest.param({"operation": "nope"}, NOBODY, 401, "Must login", id="who calls before what is asked for"),
        pytest.param({"operation": "nope"}, READER, 400, "Operation 'nope' not found", id="then the operation"),
        pytest.param({"operation": "delete_files_before"}, READER, 403, None, id="the role before the members"),
        pytest.param(
            {"operation": "csv_data_load", "table": "dog", "action": "x"},
            READER,
            403,
            None,
            id="rights on the table too",
        ),
        pytest.param(
            {"operation": "delete_files_before", "table": "dog"}, SUPER, 400, "'date' is required", id="members last"
        ),
        pytest.param(
            {"operation": "csv_data_load"}, READER, 400, "Table can't be blank,Data  is required", id="no table"
        ),
    ],
)
def test_order_of_checks(body: Any, grants: Grants | None, status: int, told: str | None) -> None:
    found = tell(body, grants)
    assert found[0] == status
    assert told is None or found[1] == told


def test_the_type_of_the_body_comes_first_of_all() -> None:
    assert tell(b"{", NOBODY, "application/xml")[0] == 415


def test_exports_are_checked_inside_of_the_job() -> None:
    body = {"operation": "export_to_s3", "search_operation": {"operation": "sql", "sql": "SELECT 1"}, "format": "json"}
    taken = take_request("application/json", json.dumps(body).encode(), READER)
    assert (taken.request, taken.refusal) == (None, "S3 object is missing.")
    parts = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "bucket": "c", "key": "d"}
    taken = take_request("application/json", json.dumps({**body, "s3": parts}).encode(), READER)
    assert isinstance(taken.request, Export)
    assert taken.refusal is None


def test_nothing_that_is_secret_shows_itself() -> None:
    parts = {"aws_access_key_id": "s3cret", "aws_secret_access_key": "s3cret", "bucket": "c", "key": "k.csv"}
    user = {"username": "u", "password": "s3cret", "role": "r", "active": True}
    headers = {"Authorization": "s3cret"}
    url = "https://x/y?X-Amz-Signature=s3cret"
    for members in (
        {"operation": "import_from_s3", "table": "dog", "s3": parts},
        {"operation": "csv_url_load", "table": "dog", "csv_url": url, "passthrough_headers": headers},
        {"operation": "csv_data_load", "table": "dog", "data": "s3cret"},
        {"operation": "create_authentication_tokens", **user},
        {"operation": "add_user", **user},
        {"operation": "alter_user", **user},
    ):
        taken = take_request("application/json", json.dumps(members).encode(), SUPER)
        assert "s3cret" not in repr(taken)


def test_loads_are_checked_before_the_job_but_for_data_that_is_no_text() -> None:
    body = {"operation": "csv_data_load", "table": "dog", "data": 5}
    assert take_request("application/json", json.dumps(body).encode(), SUPER).refusal == "Data must be a string"
    taken = take_request("application/json", json.dumps({**body, "data": "a\n1"}).encode(), SUPER)
    assert isinstance(taken.request, Load)


def test_tokens_are_asked_for_without_a_credential() -> None:
    body = b'{"operation": "create_authentication_tokens", "username": "u", "password": "p"}'
    assert take_request("application/json", body, NOBODY).operation.name == "create_authentication_tokens"
    assert take_request("application/json", b'{"operation": "refresh_operation_token"}', NOBODY)


@pytest.mark.parametrize("name", ["delete_files_before", "delete_records_before", "search_by_id"])
def test_a_job_shows_the_name_that_was_asked_for(name: str) -> None:
    members = {"table": "dog", "date": "2021-01-01", "ids": [1], "get_attributes": ["*"]}
    body = json.dumps({"operation": name, **members}).encode()
    assert take_request("application/json", body, SUPER).call.name == name
