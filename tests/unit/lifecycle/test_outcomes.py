"""How the state machine saw the work end, in the words of the ledger."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jobruns.lifecycle import Event, Failed, PhaseReached, Succeeded, TimedOut
from jobruns.run import RunState
from lifecycle.outcomes import MAX_RETURNED_CHARACTERS, read_outcome, read_phases
from scripts.endings import STOPPED, SUCCEEDED, Ending, failed, late
from scripts.errors import RunFailedError
from singer.endings import Ending as SyncEnding
from singer.endings import Phase
from singer.endings import failed as failed_sync
from singer.endings import late as late_sync
from singer.endings import stopped as stopped_sync

RUN = {"org": "o", "job": "j", "run_id": "r", "timeout_seconds": 60}


def failure(error: str, cause: Any = "", executor: str = "lambda", **fields: Any) -> Event:
    text = cause if isinstance(cause, str) else json.dumps(cause)
    return read_outcome({**RUN, "executor": executor, "failure": {"Error": error, "Cause": text}, **fields})


def returned(value: Any, executor: str = "lambda") -> Event:
    return read_outcome({**RUN, "executor": executor, "result": {"returned": value}})


def test_what_a_function_returned_is_the_message_of_success() -> None:
    assert returned({"rows": 3}) == Succeeded('{"rows": 3}')
    assert returned(None) == Succeeded(None)
    long = returned("x" * 5000)
    assert isinstance(long, Succeeded)
    assert len(long.message or "") == MAX_RETURNED_CHARACTERS


def test_a_function_may_return_what_looks_like_a_scripts_end() -> None:
    assert isinstance(returned({"state": "FAILED", "message": "x", "error_code": "y"}), Succeeded)


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        (SUCCEEDED, Succeeded(None)),
        (
            failed(RunFailedError("there is no s3://a/b", "ScriptNotFound")),
            Failed("there is no s3://a/b", "ScriptNotFound"),
        ),
        (late(60, longest=False), TimedOut("it did not end within 60 seconds")),
        (late(860, longest=True), TimedOut("it did not end within 860 seconds, the longest a script may run here")),
        (STOPPED, Failed("the script was stopped", "ScriptStopped")),
    ],
)
def test_how_a_script_ended_is_read_as_it_was_written(ending: Ending, outcome: Event) -> None:
    assert returned(ending.model_dump(mode="json"), "python_script") == outcome


def test_noop_and_spark_succeed_without_a_message() -> None:
    assert returned(None, "noop") == returned(None, "spark") == Succeeded(None)


def test_time_that_ran_out_is_a_timeout_whoever_worked() -> None:
    for executor in ("lambda", "python_script", "spark"):
        assert failure("States.Timeout", executor=executor) == TimedOut("it did not end within 60 seconds")
    both = failure("States.HeartbeatTimeout", executor="external", heartbeat_seconds=5)
    assert both == TimedOut("it did not end within 60 seconds, or sent no heartbeat for 5 seconds")


def test_an_error_a_function_raised_is_told_as_it_was_raised() -> None:
    assert failure("ValueError", {"errorMessage": "no such day", "errorType": "ValueError"}) == Failed(
        "no such day", "ValueError"
    )
    assert failure("Lambda.Unknown", "no JSON") == Failed("no JSON", "Lambda.Unknown")
    assert failure("", "") == Failed("", "Failed")


def test_a_failed_spark_job_is_told_in_emrs_words() -> None:
    job_run = {
        "ApplicationId": "00f1",
        "JobRunId": "00f2",
        "State": "FAILED",
        "StateDetails": "Job failed: out of disk",
    }
    assert failure("States.TaskFailed", job_run, "spark") == Failed("Job failed: out of disk", "States.TaskFailed")
    del job_run["StateDetails"]
    assert failure("States.TaskFailed", job_run, "spark") == Failed(
        "the Spark job run 00f2 ended as FAILED", "States.TaskFailed"
    )


@pytest.mark.parametrize("cause", ["Option 'spark.master' is not supported", "[1]", '{"other": 1}'])
def test_a_spark_job_that_never_began_is_told_in_the_causes_words(cause: str) -> None:
    refused = failure("EMRServerless.ValidationException", cause, "spark")
    assert refused == Failed(cause, "EMRServerless.ValidationException")


def test_a_sandbox_killed_under_a_script_is_explained() -> None:
    cause = {"errorType": "Runtime.ExitError", "errorMessage": "RequestId: 1 Error: Runtime exited: signal: killed"}
    outcome = failure("Runtime.ExitError", cause, "python_script")
    assert isinstance(outcome, Failed)
    assert outcome.message.startswith("what ran the script was killed, as happens when memory runs out: RequestId: 1")
    assert failure("Runtime.ExitError", cause, "lambda") == Failed(cause["errorMessage"], "Runtime.ExitError")


def test_work_that_ended_without_a_word_has_failed() -> None:
    assert read_outcome({**RUN, "executor": "external"}) == Failed(
        "its executor ended without saying how the work went", "NoOutcome"
    )


PHASE = Phase(phase="SYNC_STARTED", rank=20, at=datetime(2026, 11, 21, tzinfo=UTC))
USED = {"resources_usage": {"memory": {"max_mb": 1.0, "avg_mb": 1.0}}}


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        (SyncEnding(state=RunState.SUCCEEDED, message="2 records of 1 stream read"), "succeeded"),
        (failed_sync(RunFailedError("no such table", "SyncFailed")), Failed("no such table", "SyncFailed", USED)),
        (late_sync(60, longest=False), TimedOut("it did not end within 60 seconds")),
        (stopped_sync(), Failed("the sync was stopped", "SyncStopped", USED)),
    ],
)
def test_how_a_sync_ended_is_read_as_it_was_written(ending: SyncEnding, outcome: Event | str) -> None:
    told = ending.model_copy(update={"metrics": USED, "phases": (PHASE,)}).model_dump(mode="json")
    if outcome == "succeeded":
        outcome = Succeeded("2 records of 1 stream read", USED)
    assert returned(told, "singer") == outcome
    event = {**RUN, "executor": "singer", "result": {"returned": told}}
    assert read_phases(event) == [PhaseReached("SYNC_STARTED", 20)]


def test_only_what_goes_through_phases_tells_of_them() -> None:
    told = {"phases": [{"phase": "SYNC_STARTED", "rank": 20}]}
    assert read_phases({**RUN, "executor": "lambda", "result": {"returned": told}}) == []
    assert read_phases({**RUN, "executor": "singer", "failure": {"Error": "States.Timeout"}}) == []


def test_a_sync_whose_sandbox_died_is_said_to_have_been_killed() -> None:
    outcome = failure("Runtime.ExitError", {"errorMessage": "signal: killed"}, "singer")
    assert isinstance(outcome, Failed)
    assert outcome.message.startswith("what ran the sync was killed, as happens when memory runs out")
