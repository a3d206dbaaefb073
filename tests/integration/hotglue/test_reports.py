"""What workers outside report of their jobs."""

from typing import Any

import pytest

from jobruns.run import RunState
from jobruns.run_file import files_prefix
from jobruns.service.stops import stop_run
from tests.integration.hotglue.door import EXTERNAL, Cloud, Door

STEPS = ("SYNC_STARTED", "SYNC_SUCCESS", "ETL_STARTED", "ETL_SUCCESS", "EXPORT_STARTED", "JOB_COMPLETED")
COUNTS = {"recordCount": {"Invoice": 41, "Party": 7}}
SUMMARY = {"exportSummary": {"Invoice": {"success": 40, "fail": 1, "existing": 0, "updated": 0}}}


def history(door: Door, job: dict[str, Any]) -> list[str]:
    """Give what was applied of all that was said of a job."""
    events = door.ports.runs.events(door.principal.org, door.run(job).run_id)
    return [event.kind for event in events if event.applied]


def test_a_job_goes_through_its_steps(door: Door) -> None:
    job = door.begin()
    assert [door.report(job, step)["status"] for step in STEPS] == list(STEPS)
    assert door.run(job).state is RunState.SUCCEEDED


def test_late_and_repeated_reports_change_nothing(door: Door) -> None:
    job = door.begin()
    seen = [door.report(job, step)["status"] for step in ("SYNC_STARTED", "SYNC_STARTED", "ETL_STARTED")]
    seen += [door.report(job, step)["status"] for step in ("SYNC_SUCCESS", "SYNC_FAILED", "DISCOVER_FAILED")]
    assert seen == ["SYNC_STARTED", "SYNC_STARTED", *["ETL_STARTED"] * 4]
    door.report(job, "JOB_COMPLETED", metrics=COUNTS)
    done = door.poll(job)
    for step in (*STEPS, "ETL_FAILED", "JOB_FAILED", "JOB_CANCELLED", "JOB_CREATED"):
        assert (
            door.report(job, step, message="too late", metrics={"recordCount": {"Late": 1}})["status"]
            == "JOB_COMPLETED"
        )
    assert door.poll(job) == done
    assert history(door, job) == ["Submitted", "Begun", "PhaseReached", "PhaseReached", "Succeeded"]


@pytest.mark.parametrize("step", ["DISCOVER", "SYNC", "ETL", "EXPORT"])
def test_a_job_fails_in_the_step_that_is_said(door: Door, step: str) -> None:
    job = door.begin()
    told = door.report(job, f"{step}_FAILED", error={"message": "no access", "type": "InvalidCredentialsError"})
    assert (told["status"], told["message"]) == (f"{step}_FAILED", "no access")
    assert told["error"]["message"] == "no access"
    assert door.run(job).error_code == "InvalidCredentialsError"
    # Whoever follows the job hears that the step began.
    assert history(door, job) == ["Submitted", "Begun", "PhaseReached", "Failed"]


def test_a_job_that_runs_out_of_time_has_failed_in_its_step(door: Door) -> None:
    job = door.begin()
    door.report(job, "SYNC_STARTED")
    told = door.report(job, "SYNC_FAILED", error={"type": "timeout", "message": "no answer for an hour"})
    assert told["status"] == "SYNC_FAILED"
    assert told["message"].startswith("timed out")
    assert door.run(job).state is RunState.TIMEOUT


@pytest.mark.parametrize("at", ["2026-11-21T11:59:00Z", "2026-11-21T12:59:00+01:00", "2026-11-21T11:59:00"])
def test_a_job_ends_when_its_worker_says_so(door: Door, at: str) -> None:
    told = door.report(door.begin(), "JOB_COMPLETED", at=at)
    assert told["last_updated"] == "2026-11-21T11:59:00.000000+00:00"


def test_an_error_may_be_a_sentence(door: Door) -> None:
    job = door.begin()
    assert door.report(job, "SYNC_FAILED", error="no access")["message"] == "no access"


def test_a_worker_hears_that_its_job_is_to_stop(door: Door) -> None:
    job = door.begin()
    door.report(job, "SYNC_STARTED")
    stop_run(door.ports, door.principal, door.run(job))
    told = door.report(job, "SYNC_SUCCESS")
    assert (told["status"], told["stop_requested"]) == ("SYNC_STARTED", True)
    assert door.report(job, "JOB_COMPLETED")["status"] == "JOB_CANCELLED"


def test_a_worker_may_say_that_it_was_stopped(door: Door) -> None:
    job = door.begin()
    assert door.report(job, "JOB_CANCELLED", message="by hand")["status"] == "JOB_CANCELLED"


def test_a_report_that_overtakes_the_beginning_counts(door: Door) -> None:
    job = door.start()
    assert door.report(job, "SYNC_STARTED")["status"] == "SYNC_STARTED"
    assert door.run(job).state is RunState.RUNNING


def test_a_job_that_waits_has_done_nothing(door: Door) -> None:
    door.start()
    job = door.start(queue_if_active_job=True)
    assert door.report(job, "SYNC_STARTED")["status"] == "JOB_CREATED"
    answer = door.send("POST", f"{door.lane}/jobs/events", {"s3_root": job["s3_root"], "status": "JOB_COMPLETED"})
    assert (answer.status, answer.kind) == (409, "conflict")


def test_figures_are_kept_and_shown(door: Door) -> None:
    job = door.begin()
    door.report(job, "SYNC_SUCCESS", metrics={**COUNTS, "nobody": "knows"})
    used = {"memory": {"max_mb": 611.2}}
    told = door.report(job, "JOB_COMPLETED", metrics={**SUMMARY, "resources_usage": used})
    assert told["metrics"] == {**COUNTS, **SUMMARY}
    assert (told["processed_rows"], told["resources_usage"]) == (48, used)
    assert "1 record was refused" in told["message"]
    assert door.do("GET", f"{door.lane}/jobs")[0]["processed_rows"] == 48


def test_what_became_of_each_record_is_shown_though_it_is_long(door: Door) -> None:
    job = door.begin()
    entries = [{"success": True, "id": f"INV-{number}", "mapped_record": {"name": "Jane"}} for number in range(600)]
    shown = [{"success": True, "id": f"INV-{number}"} for number in range(600)]
    told = door.report(job, "JOB_COMPLETED", metrics={"exportDetails": {"Invoice": entries}})
    assert told["metrics"]["exportDetails"] == {"Invoice": shown}
    run = door.run(job)
    assert run.metrics == {"exportDetails_truncated": True}
    assert door.ports.run_objects.get_json(files_prefix(run) + "export_details.json") == {"Invoice": shown}
    assert door.do("GET", f"{door.lane}/jobs")[0]["metrics"]["exportDetails_truncated"] is True


def test_a_flow_may_fail_for_records_that_are_refused(cloud: Cloud) -> None:
    door = cloud.open().settle_in({**EXTERNAL, "fail_job_on_record_failures": True})
    job = door.begin()
    door.report(job, "EXPORT_STARTED", metrics=SUMMARY)
    told = door.report(job, "JOB_COMPLETED")
    assert (told["status"], told["message"]) == ("EXPORT_FAILED", "1 record was refused by the destination")
    job = door.begin(ignore_parallel_jobs=True)
    assert door.report(job, "JOB_COMPLETED", metrics=COUNTS)["status"] == "JOB_COMPLETED"


def test_an_environment_may_do_without_the_words_of_ours(cloud: Cloud) -> None:
    door = cloud.open().settle_in(env={"extended_statuses": False})
    job = door.begin()
    assert door.report(job, "JOB_FAILED")["status"] == "SYNC_FAILED"
    job = door.begin(ignore_parallel_jobs=True)
    door.report(job, "ETL_STARTED")
    assert door.report(job, "JOB_CANCELLED")["status"] == "ETL_FAILED"


@pytest.mark.parametrize(
    "body",
    [
        {"status": "JOB_STARTED"},
        {"status": "EXPORT_SUCCESS"},
        {},
        {"status": "SYNC_STARTED", "at": "yesterday"},
        {"status": "SYNC_STARTED", "metrics": {"recordCount": {"Invoice": "41"}}},
        {"status": "SYNC_STARTED", "metrics": {"recordCount": [1]}},
        {"status": "SYNC_STARTED", "metrics": {"exportSummary": {"Invoice": 1}}},
        {"status": "SYNC_STARTED", "metrics": {"recordCount": {f"stream-{number}": 1 for number in range(1000)}}},
    ],
)
def test_reports_that_cannot_be_read_are_refused(door: Door, body: dict[str, Any]) -> None:
    job = door.begin()
    answer = door.send("POST", f"{door.lane}/jobs/events", {"s3_root": job["s3_root"], **body})
    assert (answer.status, answer.kind) == (400, "invalid_request")
    assert door.poll(job)["status"] == "JOB_CREATED"
