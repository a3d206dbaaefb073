"""Requests of loads and of deletions before a date: what is checked before there is a job."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdb import loads
from hdb.errors import FailedRequestError, InvalidRequestError, JobRefusedError, describe_error
from hdb.fields import Target
from hdb.loads import Action, DeleteBefore, Download, InlineData, Load, S3Object
from hdb.places import S3Credentials, S3Place
from jobruns.errors import JobrunsError

DOG = {"schema": "dev", "table": "dog"}
S3 = {"aws_access_key_id": "AK", "aws_secret_access_key": "SK", "bucket": "b", "key": "k.csv", "region": "us-east-2"}
LOADS = {
    "csv_data_load": (loads.read_data_load, {"data": "a\n1"}),
    "csv_file_load": (loads.read_file_load, {"file_path": "/x.csv"}),
    "csv_url_load": (loads.read_url_load, {"csv_url": "https://example.com/x.csv"}),
    "import_from_s3": (loads.read_s3_import, {"s3": S3}),
}


def refuse(read: Any, fields: dict[str, Any]) -> str:
    with pytest.raises(InvalidRequestError) as refusal:
        read(fields)
    assert describe_error(refusal.value).status == 400
    return refusal.value.message


@pytest.mark.parametrize("operation", LOADS)
def test_the_database_is_data_and_the_action_insert_where_none_are_named(operation: str) -> None:
    read, members = LOADS[operation]
    load = read({"table": "dog", **members})
    assert (load.target, load.action) == (Target("data", "dog"), Action.INSERT)


@pytest.mark.parametrize("operation", LOADS)
@pytest.mark.parametrize("action", Action)
def test_schema_and_database_are_synonyms(operation: str, action: Action) -> None:
    read, members = LOADS[operation]
    for name in ("schema", "database"):
        load = read({name: "dev", "table": "dog", "action": action.value, "foo": 1, **members})
        assert (load.target, load.action) == (Target("dev", "dog"), action)


@pytest.mark.parametrize("operation", LOADS)
def test_no_table(operation: str) -> None:
    read, members = LOADS[operation]
    told = refuse(read, {"schema": "dev", **members})
    assert told == ("'table' is required" if operation == "csv_url_load" else "Table can't be blank")


@pytest.mark.parametrize("operation", LOADS)
@pytest.mark.parametrize("action", ["delete", "INSERT", None, 1, []])
def test_bad_action(operation: str, action: Any) -> None:
    read, members = LOADS[operation]
    told = refuse(read, {**DOG, "action": action, **members})
    assert told == (
        "'action' must be one of [insert, update, upsert]"
        if operation == "csv_url_load"
        else "Action is required and must be either insert, update, or upsert"
    )


def test_csv_data_load_no_data() -> None:
    assert refuse(loads.read_data_load, DOG) == "Data  is required"
    assert refuse(loads.read_data_load, {}) == "Table can't be blank,Data  is required"


def test_csv_data_load_empty_data_is_accepted() -> None:
    assert loads.read_data_load({**DOG, "data": ""}).source == InlineData("")


def test_csv_data_load_data_that_is_no_text_ends_the_job() -> None:
    with pytest.raises(JobRefusedError):
        loads.read_data_load({**DOG, "data": 5})
    assert refuse(loads.read_data_load, {"data": 5}) == "Table can't be blank"


def test_csv_file_load_missing() -> None:
    assert refuse(loads.read_file_load, DOG) == "File path  is required"
    assert refuse(loads.read_file_load, {**DOG, "file_path": ""}) == "File path  is required"


def test_csv_file_load_number_is_500() -> None:
    with pytest.raises(FailedRequestError) as refusal:
        loads.read_file_load({**DOG, "file_path": 5})
    assert describe_error(refusal.value).status == 500


def test_csv_url_load_missing() -> None:
    assert refuse(loads.read_url_load, DOG) == "'csv_url' is required"
    assert refuse(loads.read_url_load, {}) == "'table' is required. 'csv_url' is required"


@pytest.mark.parametrize("url", ["nope", "http://", "http:/x", "https://a b", "//x/y", "http://x/\n", "a b:c", "://x"])
def test_csv_url_load_not_a_uri(url: str) -> None:
    assert refuse(loads.read_url_load, {**DOG, "csv_url": url}) == "'csv_url' must be a valid url"


@pytest.mark.parametrize("url", ["ftp://x/y.csv", "file:///etc/passwd", "HTTPS://x/y?a=%20#z", "http://[::1]:80/"])
def test_csv_url_load_other_schemes_pass_and_fail_in_the_job(url: str) -> None:
    assert loads.read_url_load({**DOG, "csv_url": url}).source == Download(url, {})


def test_csv_url_load_sends_headers_along() -> None:
    fields = {**DOG, "csv_url": "https://x/y", "passthrough_headers": {"Authorization": "Bearer s3cret"}}
    load = loads.read_url_load(fields)
    assert load.source == Download("https://x/y", {"Authorization": "Bearer s3cret"})
    assert "s3cret" not in repr(load)


@pytest.mark.parametrize(
    "headers",
    [
        "x",
        [],
        None,
        {"Host": "y"},
        {"content-length": "1"},
        {"Transfer-Encoding": "chunked"},
        {"a b": "x"},
        {"": "x"},
        {"a": 1},
        {"a": "x\r\nHost: y"},
        {"a": "é"},
    ],
)
def test_csv_url_load_headers_that_would_change_the_request_are_refused(headers: Any) -> None:
    fields = {**DOG, "csv_url": "https://x/y", "passthrough_headers": headers}
    assert "passthrough_headers" in refuse(loads.read_url_load, fields)


def test_import_from_s3() -> None:
    load = loads.read_s3_import({**DOG, "s3": S3, "action": "upsert"})
    place = S3Place("b", "k.csv", "us-east-2")
    assert load == Load(Target("dev", "dog"), Action.UPSERT, S3Object(place, S3Credentials("AK", "SK")))
    assert "SK" not in repr(load)
    assert "AK" not in repr(load)


def test_import_from_s3_missing_parts_are_listed() -> None:
    parts = ("aws access key id", "aws secret access key", "bucket", "key")
    told = ",".join(f"S3 {part} can't be blank" for part in parts)
    assert refuse(loads.read_s3_import, DOG) == told
    assert refuse(loads.read_s3_import, {**DOG, "s3": {"region": "r"}}) == told
    assert refuse(loads.read_s3_import, {**DOG, "s3": {**S3, "bucket": ""}}) == "S3 bucket can't be blank"


def test_import_from_s3_region_is_the_deployments_where_none_is_named() -> None:
    for parts in ({**S3, "region": None}, {key: value for key, value in S3.items() if key != "region"}):
        source = loads.read_s3_import({**DOG, "s3": parts}).source
        assert isinstance(source, S3Object)
        assert source.place.region is None


@pytest.mark.parametrize("key", ["k", "k.CSV", "k.parquet", "k.json.gz", ".csvx"])
def test_import_from_s3_bad_type_of_file(key: str) -> None:
    told = "S3 key must include one of the following valid file extensions - '.csv', '.json'"
    assert refuse(loads.read_s3_import, {**DOG, "s3": {**S3, "key": key}}) == told


def test_import_from_s3_wrong_type() -> None:
    assert refuse(loads.read_s3_import, {**DOG, "s3": {**S3, "key": 5}}) == "S3 key  must be a 'String' value"


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"table": "dog"}, "'date' is required"),
        ({"table": "dog", "date": "yesterday"}, "'date' must be in ISO 8601 date format"),
        ({"table": "dog", "date": "2021-02-30"}, "'date' must be in ISO 8601 date format"),
        ({"table": "dog", "date": 1611615798782}, "'date' must be a valid date"),
        ({"table": "dog", "date": None}, "'date' must be a valid date"),
        ({"date": "2021-01-25"}, "'table' is required"),
        ({}, "'date' is required. 'table' is required"),
        ({"date": "2021-01-25", "table": "a/b"}, "'table' names cannot include backticks or forward slashes"),
        ({"date": "2021-01-25", "table": 5}, "'table' must be a string"),
        (
            {"date": "2021-01-25", "table": "x", "schema": "a`b"},
            "'schema' names cannot include backticks or forward slashes",
        ),
    ],
)
def test_delete_records_before(members: dict[str, Any], told: str) -> None:
    assert refuse(loads.read_delete_before, members) == told


def test_delete_records_before_a_moment() -> None:
    read = loads.read_delete_before({"schema": "dev", "table": "dog", "date": "2021-01-25T23:00:00.5+01:00"})
    assert read == DeleteBefore(Target("dev", "dog"), datetime(2021, 1, 25, 22, 0, 0, 500_000, UTC))


def test_names_have_250_characters_at_most() -> None:
    read, members = LOADS["csv_data_load"]
    assert read({"table": "x" * 250, **members}).target.table == "x" * 250
    assert "250" in refuse(read, {"table": "x" * 251, **members})


_odd = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)
_members = st.sampled_from(
    ["schema", "database", "table", "action", "data", "file_path", "csv_url", "s3", "date", "passthrough_headers"]
)


@settings(max_examples=60)
@given(st.dictionaries(_members, _odd | st.dictionaries(st.sampled_from([*S3]), _odd)))
def test_any_members_are_a_request_or_an_error_of_this_door(fields: dict[str, Any]) -> None:
    for read in (*(entry[0] for entry in LOADS.values()), loads.read_delete_before):
        told = "nothing"
        try:
            read(fields)
        except JobrunsError as error:
            told = error.message
        assert told
