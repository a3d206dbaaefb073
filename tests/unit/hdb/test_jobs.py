"""Jobs: what is asked for, and what is shown."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdb import messages
from hdb.errors import FailedRequestError, InvalidRequestError, describe_error
from hdb.exports import Format
from hdb.job_records import (
    keep_facts,
    write_answer_to_start,
    write_job,
    write_jobs,
    write_local_result,
    write_s3_result,
)
from hdb.job_requests import GetJob, read_get_job, read_search_jobs
from hdb.moments import parse_moment, write_fraction, write_milliseconds
from jobruns.row_values import write_iso
from jobruns.run import Executor, Run, RunState

START = datetime(2021, 1, 25, 23, 3, 18, 805_000, UTC)
END = START + timedelta(milliseconds=2401)
ID = "01a1fba8-d3d3-7e99-bb70-b94945b18a25"
ALWAYS = {
    "id": ID,
    "type": "csv_url_load",
    "user": "HDB_ADMIN",
    "created_datetime": 1611615798805,
    "start_datetime": 1611615798805,
    "start_datetime_converted": "2021-01-25T23:03:18.805Z",
    "job_body": None,
    "__createdtime__": 1611615798805,
}


def make_run(state: RunState, **members: Any) -> Run:
    given: dict[str, Any] = {
        "org": "o",
        "job": "dev.dog",
        "run_id": ID,
        "root_run_id": ID,
        "executor": Executor.LAMBDA,
        "state": state,
        "door": "harperdb",
        "started_by": "KEY",
        "timeout_seconds": 600,
        "submitted_at": START,
        "modified_at": END if state.terminal else START,
        "deadline_at": START + timedelta(seconds=600),
        "extra": keep_facts("csv_url_load", "HDB_ADMIN"),
        **({"ended_at": END} if state.terminal else {}),
    }
    return Run(**{**given, **members})


def test_the_fifth_word_of_the_answer_is_the_jobs_id() -> None:
    answer = write_answer_to_start(ID)
    assert answer == {"message": f"Starting job with id {ID}", "job_id": ID}
    assert answer["message"].split(" ")[4] == ID


@pytest.mark.parametrize("state", [RunState.WAITING, RunState.STARTING, RunState.RUNNING, RunState.STOPPING])
def test_a_job_that_goes_is_in_progress(state: RunState) -> None:
    shown = {**ALWAYS, "status": "IN_PROGRESS", "__updatedtime__": 1611615798805}
    run = make_run(state, message="half way")
    assert write_job(run) == [shown]
    assert write_jobs([run]) == [{**shown, "end_datetime": None, "message": None}]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (RunState.SUCCEEDED, "COMPLETE"),
        (RunState.FAILED, "ERROR"),
        (RunState.TIMEOUT, "ERROR"),
        (RunState.STOPPED, "ERROR"),
    ],
)
def test_a_job_that_has_ended_is_complete_or_in_error(state: RunState, status: str) -> None:
    shown = {
        **ALWAYS,
        "status": status,
        "message": "successfully loaded 350 of 350 records",
        "end_datetime": 1611615801206,
        "end_datetime_converted": "2021-01-25T23:03:21.206Z",
        "__updatedtime__": 1611615801206,
    }
    run = make_run(state, message=shown["message"])
    assert write_job(run) == write_jobs([run]) == [shown]


def test_a_job_has_every_member_that_the_pages_of_2021_show() -> None:
    members = set(write_job(make_run(RunState.SUCCEEDED))[0])
    assert members == {
        *("__createdtime__", "__updatedtime__", "created_datetime", "end_datetime", "id", "job_body", "message"),
        *("start_datetime", "status", "type", "user", "start_datetime_converted", "end_datetime_converted"),
    }


def test_a_job_that_has_ended_always_has_a_message() -> None:
    assert write_job(make_run(RunState.SUCCEEDED))[0]["message"] == f"Successfully completed job: {ID}"
    for state in (RunState.FAILED, RunState.TIMEOUT, RunState.STOPPED):
        assert write_job(make_run(state))[0]["message"]


def test_runs_of_other_doors_are_jobs_too() -> None:
    (job,) = write_job(make_run(RunState.SUCCEEDED, extra={}, executor=Executor.INGEST))
    assert (job["type"], job["user"]) == ("ingest", "KEY")


def test_the_result_of_an_export_is_in_get_job_alone() -> None:
    result = write_local_result(Format.CSV, "/out/x.csv")
    assert result == {"message": "Successfully exported CSV locally.", "path": "/out/x.csv"}
    members = {"extra": keep_facts("export_local", "x", format="csv"), "metrics": {"place": "/out/x.csv"}}
    run = make_run(RunState.SUCCEEDED, message="wrote 3 rows", **members)
    assert write_job(run)[0]["result"] == result
    assert write_job(run)[0]["message"] == f"Successfully completed job: {ID}"
    assert "result" not in write_jobs([run])[0]
    assert "result" not in write_job(make_run(RunState.RUNNING, **members))[0]


def test_the_result_of_an_export_to_s3() -> None:
    metrics: dict[str, Any] = {"etag": '"abc"', "checksum_crc32": "q", "rows_written": 3, "place": "s3://b/k y.csv"}
    metrics |= {"request_id": "4442587FB7D0A2F9", "attempts": 2}
    metadata = {"httpStatusCode": 200, "requestId": "4442587FB7D0A2F9", "attempts": 2, "totalRetryDelay": 0}
    told = {"$metadata": metadata, "ETag": '"abc"', "ChecksumCRC32": "q", "Bucket": "b", "Key": "k y.csv"}
    located = {**told, "Location": "https://b.s3.eu-west-1.amazonaws.com/k%20y.csv"}
    assert write_s3_result({**metrics, "version_id": "v"}, "b", "k", "l")["VersionId"] == "v"
    extra = keep_facts("export_to_s3", "x", format="csv", region="eu-west-1")
    assert write_job(make_run(RunState.SUCCEEDED, extra=extra, metrics=metrics))[0]["result"] == located


@pytest.mark.parametrize(
    ("kind", "metrics", "message"),
    [
        ("csv_url_load", {"rows_read": 350, "rows_written": 12}, "successfully loaded 12 of 350 records"),
        ("csv_url_load", {"rows_read": 0, "rows_written": 0}, "successfully loaded 0 of 0 records"),
        ("csv_data_load", {"rows_read": 0, "rows_written": 0}, "No records parsed from csv file."),
        ("delete_files_before", {"rows_deleted": 0}, "No records found to delete"),
        ("delete_files_before", {"rows_deleted": 1}, "1 of 1 record successfully deleted"),
    ],
)
def test_what_a_job_did_is_told_in_the_doors_words(kind: str, metrics: dict[str, int], message: str) -> None:
    run = make_run(RunState.SUCCEEDED, message="wrote rows", extra=keep_facts(kind, "x"), metrics=metrics)
    assert write_job(run)[0]["message"] == message


def test_a_column_that_cannot_be_is_told_as_the_end_of_a_load() -> None:
    run = make_run(RunState.FAILED, message="a/b", error_code="InvalidAttributeError")
    assert write_job(run)[0]["message"] == "Invalid column name 'a/b', cancelling load operation"


def test_jobs_are_listed_oldest_first() -> None:
    runs = [make_run(RunState.RUNNING, submitted_at=START + timedelta(seconds=second)) for second in (2, 0, 1)]
    starts = [job["start_datetime"] for job in write_jobs(runs)]
    assert starts == sorted(starts)


@pytest.mark.parametrize("job_id", ["nope", 5, True, 1.5])
def test_an_unknown_id_is_text(job_id: Any) -> None:
    assert read_get_job({"id": job_id}) == GetJob(str(job_id))


def test_get_job_without_an_id() -> None:
    with pytest.raises(InvalidRequestError, match=r"^'id' is required$"):
        read_get_job({})


@pytest.mark.parametrize("job_id", ["", None])
def test_get_job_with_an_id_that_is_empty(job_id: Any) -> None:
    with pytest.raises(FailedRequestError, match=r"^Invalid job ID specified\.$") as refusal:
        read_get_job({"id": job_id})
    assert describe_error(refusal.value).status == 500


def test_get_job_with_a_list() -> None:
    with pytest.raises(FailedRequestError) as refusal:
        read_get_job({"id": ["x"]})
    assert refusal.value.message == "there was an error searching for jobs.  Please check the log for details."


def test_jobs_are_searched_between_two_moments_that_are_not_among_them() -> None:
    search = read_search_jobs({"from_date": "2021-01-25T22:05:27.464+0000", "to_date": "2021-01-25T23:05:27.464Z"})
    assert search.after == datetime(2021, 1, 25, 22, 5, 27, 464_000, UTC)
    assert search.matches(START)
    assert not search.matches(search.after)
    assert not search.matches(search.before)
    assert not read_search_jobs({"from_date": "2022-01-01", "to_date": "2021-01-01"}).matches(START)


@pytest.mark.parametrize("date", [None, 1611615798782, "yesterday", "25.1.2021", "", "1611615798782", []])
def test_dates_that_are_none(date: Any) -> None:
    told = (
        "There was an error searching jobs by date: Error: Invalid '{}' date, must be in ISO-8601 format (YYYY-MM-DD){}"
    )
    for fields, name, stop in (
        ({"from_date": date, "to_date": "2021-01-01"}, "from", "."),
        ({"from_date": "2021-01-01", "to_date": date}, "to", ""),
    ):
        with pytest.raises(FailedRequestError) as refusal:
            read_search_jobs(fields)
        assert refusal.value.message == told.format(name, stop)
        assert describe_error(refusal.value).status == 500


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-01-25", datetime(2021, 1, 25, tzinfo=UTC)),
        ("2021-01-25T22", datetime(2021, 1, 25, 22, tzinfo=UTC)),
        ("2021-01-25T22:05", datetime(2021, 1, 25, 22, 5, tzinfo=UTC)),
        ("2021-01-25 22:05:01", datetime(2021, 1, 25, 22, 5, 1, tzinfo=UTC)),
        ("2021-01-25T22:05:01,5Z", datetime(2021, 1, 25, 22, 5, 1, 500_000, tzinfo=UTC)),
        ("2021-01-25T22:05:01.1234567+02", datetime(2021, 1, 25, 20, 5, 1, 123_456, tzinfo=UTC)),
        ("2021-01-25T22:05:01-00:30", datetime(2021, 1, 25, 22, 35, 1, tzinfo=UTC)),
        ("2021-01-25t22:05:01z", datetime(2021, 1, 25, 22, 5, 1, tzinfo=UTC)),
    ],
)
def test_moments_are_read(text: str, moment: datetime) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00+23:59", "2021-13-01", "2021-01-25T25", "2021-01-25T", "\u0662021-01-25"]
)
def test_moments_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"ISO 8601|calendar|month|hour"):
        parse_moment(text)


_moments = st.integers(0, 2**52).map(lambda number: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=number))


@given(_moments)
def test_moments_come_back(moment: datetime) -> None:
    assert parse_moment(moment.isoformat()) == moment
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", write_iso(moment))
    assert write_milliseconds(parse_moment(write_iso(moment))) == write_milliseconds(moment)
    fraction = write_fraction(moment)
    assert round(fraction * 1000) == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert isinstance(fraction, int) == (moment.microsecond % 1000 == 0)


@given(st.text(st.sampled_from("0123456789-:.,TZ+ "), max_size=30))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    try:
        assert parse_moment(text).tzinfo is UTC
    except ValueError as error:
        told = str(error)
        assert told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (messages.loaded(350, 350), "successfully loaded 350 of 350 records"),
        (messages.loaded(0, 1), "successfully loaded 0 of 1 records"),
        (messages.loaded(0, 0), "successfully loaded 0 of 0 records"),
        (messages.loaded(0, 0, inline=True), "No records parsed from csv file."),
        (messages.loaded(0, 3, inline=True), "successfully loaded 0 of 3 records"),
        (messages.deleted_before(2), "2 of 2 records successfully deleted"),
        (messages.deleted_before(1), "1 of 1 record successfully deleted"),
        (messages.deleted_before(0), "No records found to delete"),
        (messages.no_key(1, "id"), "records[1] must have a value for the primary key 'id'"),
        (messages.exported("x"), "Successfully completed job: x"),
        (messages.exported_to_file(Format.JSON), "Successfully exported JSON locally."),
        (messages.bad_column("a/b"), "Invalid column name 'a/b', cancelling load operation"),
        (messages.database_created("dev"), "database 'dev' successfully created"),
        (messages.database_dropped("dev"), "successfully deleted 'dev'"),
        (messages.table_created("dev", "dog"), "table 'dev.dog' successfully created."),
        (messages.table_dropped("dev", "dog"), "successfully deleted table 'dev.dog'"),
        (messages.attribute_created("dev", "dog", "a"), "attribute 'dev.dog.a' successfully created."),
        (messages.attribute_dropped("a"), "successfully deleted attribute 'a'"),
        (messages.user_added("ro"), "ro successfully added"),
        (messages.user_changed(), "updated 1 of 1 records"),
        (messages.dropped("ro"), "ro successfully deleted"),
        (messages.unknown_column("zz"), "unknown column zz"),
        (messages.unknown_attribute("zz"), "unknown attribute 'zz'"),
        (messages.name_export("/out/", "x", Format.CSV, START), "/out/x.csv"),
        (messages.name_export("/out", None, Format.JSON, START), "/out/1611615798805.json"),
    ],
)
def test_messages(text: str, message: str) -> None:
    assert text == message
