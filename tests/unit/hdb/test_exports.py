"""Requests of exports: what the job ends with."""

from typing import Any

import pytest

from hdb.errors import JobRefusedError
from hdb.exports import Export, Format, LocalPlace, read_local_export, read_s3_export, searches_by_sql
from hdb.fields import Target
from hdb.places import S3Credentials, S3Place
from hdb.searches import HashSearch, SqlSearch

SQL = {"operation": "sql", "sql": "SELECT * FROM dev.dog"}
LOCAL = {"path": "/out", "format": "json", "search_operation": SQL}
PARTS = {"aws_access_key_id": "AK", "aws_secret_access_key": "SK", "bucket": "b", "key": "k"}
S3 = {"s3": PARTS, "format": "csv", "search_operation": SQL}


def refuse(read: Any, fields: dict[str, Any]) -> str:
    with pytest.raises(JobRefusedError) as refusal:
        read(fields)
    return refusal.value.message


def test_export_local() -> None:
    export = Export(SqlSearch(SQL["sql"]), Format.JSON, LocalPlace("/out"))
    assert read_local_export(LOCAL) == export
    assert read_local_export({**LOCAL, "filename": "x"}).place == LocalPlace("/out", "x")


def test_export_to_s3_has_the_ending_put_behind_the_key_and_needs_no_region() -> None:
    export = read_s3_export(S3)
    assert (export.place, export.credentials) == (S3Place("b", "k.csv"), S3Credentials("AK", "SK"))
    assert read_s3_export({**S3, "format": "json", "s3": {**PARTS, "key": "k.json", "region": "r"}}).place == S3Place(
        "b", "k.json.json", "r"
    )
    assert "SK" not in repr(export)


@pytest.mark.parametrize(("read", "fields"), [(read_local_export, LOCAL), (read_s3_export, S3)])
@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"format": "xml"}, "format invalid. must be one of the following values: json, csv"),
        ({"format": "JSON"}, "format invalid. must be one of the following values: json, csv"),
        ({"format": 1}, "format invalid. must be one of the following values: json, csv"),
        ({"format": None}, "format missing"),
        ({"search_operation": {}}, "search_operation.operation missing"),
        ({"search_operation": None}, "search_operation missing"),
        (
            {"search_operation": {"operation": "delete"}},
            (
                "searchOperation.operation must be one of the following values: "
                "search_by_value, search_by_hash, sql, search_by_conditions"
            ),
        ),
        ({"search_operation": {"operation": "sql"}}, "The 'sql' parameter is missing from the request body"),
        ({"search_operation": {"operation": "search_by_hash", "hash_values": [1]}}, "'table' is required"),
        (
            {"search_operation": {"operation": "search_by_value", "search_attribute": "a", "search_value": 1}},
            "'table' is required",
        ),
    ],
)
def test_what_is_wrong_ends_the_job(read: Any, fields: dict[str, Any], members: dict[str, Any], told: str) -> None:
    assert refuse(read, {**fields, **members}) == told


def test_export_local_path_is_missing() -> None:
    assert refuse(read_local_export, {**LOCAL, "path": None}) == "path is missing."


@pytest.mark.parametrize("name", PARTS)
def test_export_to_s3_parts_are_missing(name: str) -> None:
    parts = {key: value for key, value in PARTS.items() if key != name}
    assert refuse(read_s3_export, {**S3, "s3": parts}) == f"{name} is missing."


def test_export_to_s3_object_is_missing() -> None:
    assert refuse(read_s3_export, {**S3, "s3": None}) == "S3 object is missing."


def test_parquet_is_ours() -> None:
    assert read_local_export({**LOCAL, "format": "parquet"}).format is Format.PARQUET


def test_a_search_by_keys_shows_all_attributes_where_none_are_named() -> None:
    search = {"operation": "search_by_hash", "table": "dog", "hash_values": [1, "b"]}
    assert read_local_export({**LOCAL, "search_operation": search}).search == HashSearch(
        Target("data", "dog"), (1, "b"), ("*",)
    )


def test_sql_is_told_from_the_other_searches_before_anything_is_checked() -> None:
    assert searches_by_sql(LOCAL)
    assert not searches_by_sql({"search_operation": {"operation": "search_by_hash"}})
    assert not searches_by_sql({})
