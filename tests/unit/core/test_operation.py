"""What the run of an operation is told, and what it never is."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.errors import InvalidInputError
from jobruns.operation import (
    CallerCredentials,
    DeleteBefore,
    Export,
    FileSource,
    FileTarget,
    InlineSource,
    Load,
    RowFormat,
    S3Credentials,
    S3Object,
    UrlSource,
    WriteAction,
    handed_over,
    read_operation,
)
from jobruns.run import Executor
from tests.unit.core.runs import make_run

TEXTS = st.text(min_size=1, max_size=20)
OBJECTS = st.builds(S3Object, bucket=st.just("callers-own"), key=TEXTS, region=st.none() | st.just("eu-west-1"))
SOURCES = st.one_of(
    st.builds(InlineSource, key=TEXTS), st.builds(FileSource, path=TEXTS), OBJECTS, st.builds(UrlSource, url=TEXTS)
)
SPECS = st.one_of(
    st.builds(
        Load,
        table_id=TEXTS,
        action=st.sampled_from(WriteAction),
        source=SOURCES,
        format=st.sampled_from([RowFormat.CSV, RowFormat.JSON]),
        structures=st.booleans(),
    ),
    st.builds(DeleteBefore, table_id=TEXTS, before=st.datetimes(timezones=st.just(UTC))),
    st.builds(
        Export,
        table_id=TEXTS,
        query_key=TEXTS,
        format=st.sampled_from(RowFormat),
        target=st.one_of(st.builds(FileTarget, path=TEXTS), OBJECTS),
    ),
)


@given(SPECS)
def test_an_operation_is_read_as_it_was_written_into_its_run(spec: Any) -> None:
    assert read_operation(spec.model_dump(mode="json", exclude_none=True)) == spec


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, None),
        ({"kind": "drop"}, None),
        ({"kind": "load", "table_id": "t"}, "load.source"),
        ({"kind": "load", "table_id": "t", "source": {"kind": "file"}}, "load.source.file.path"),
        ({"kind": "load", "table_id": "t", "source": {"kind": "s3", "bucket": "/", "key": "k"}}, "load.source.s3.bucket"),  # noqa: E501
        ({"kind": "delete_before", "table_id": "t", "before": "2026-01-01T00:00:00"}, "delete_before.before"),
        ({"kind": "delete_before", "table_id": "t", "before": "2026-01-01T00:00Z", "day": "1"}, "delete_before.day"),
    ],
)  # fmt: skip
def test_arguments_of_something_else_are_refused_by_the_member(arguments: dict[str, Any], field: str | None) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_operation(arguments)
    assert refused.value.field == field


def test_what_is_wrong_is_told_without_what_was_said() -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_operation({"kind": "load", "table_id": "t", "source": {"kind": "url", "url": "u", "password": "hush"}})
    assert "hush" not in refused.value.message


def test_credentials_are_told_to_who_works_by_them_and_do_not_show_themselves() -> None:
    keys = S3Credentials.model_validate({"access_key_id": "AKIA1", "secret_access_key": "hush"})
    url = "https://a.example/x?signature=hush"
    credentials = CallerCredentials.model_validate({"s3": keys, "headers": {"X-Key": "hush"}, "url": url})
    assert credentials.reveal() == {
        "url": url,
        "s3": {"access_key_id": "AKIA1", "secret_access_key": "hush"},
        "headers": {"X-Key": "hush"},
    }
    assert CallerCredentials.model_validate(credentials.reveal()) == credentials
    assert "hush" not in f"{credentials!r} {credentials} {credentials.model_dump_json()}"
    with pytest.raises(ValueError, match="headers") as refused:
        CallerCredentials.model_validate({"headers": {"X-Key": ["hush"]}})
    assert "hush" not in str(refused.value)  # which Lambda would log


@pytest.mark.parametrize(
    ("executor", "heartbeat", "expected"),
    [
        (Executor.OPERATION, 30, True),
        (Executor.OPERATION, None, False),
        (Executor.EXTERNAL, 30, False),
    ],
)
def test_an_operation_that_gives_signs_of_life_was_handed_over(
    executor: Executor, heartbeat: int | None, expected: bool
) -> None:
    assert handed_over(make_run(executor=executor, heartbeat_seconds=heartbeat)) is expected


def test_a_moment_without_a_zone_is_none() -> None:
    with pytest.raises(ValueError, match="timezone"):
        DeleteBefore(table_id="t", before=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
