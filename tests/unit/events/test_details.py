"""The document of a run."""

import json
from datetime import UTC, datetime, timedelta, timezone

from jobruns.lifecycle import Begun, Failed, PhaseReached, Succeeded, TimedOut
from jobruns.run import BookmarkStep, Executor, Progress, Run, RunRoot, RunState, TriggerKind
from jobruns.run_file import RunFile
from jobruns_events.details import job_details, processed_rows
from tests.unit.core.runs import NOW, make_run
from tests.unit.events.histories import make_synced, reached, write


def file(path: str, size: int | None = 1000, *, second: int = 0, **facts: object) -> RunFile:
    return RunFile(path=path, size=size, modified_at=NOW + timedelta(seconds=second), facts=facts)


def last(first: Run, *events: object) -> Run:
    return write(first, events)[-1][1]  # type: ignore[arg-type]


def test_what_the_door_knows_of_its_run_is_in_the_document() -> None:
    details = job_details(
        make_synced(own={"connector_id": "crm", "job_type": "write", "state": {"Invoice": [{"n": 1}]}})
    )
    assert details["job_id"] == "q7Zt_9"
    assert details["s3_root"] == "cust-881/flows/Kp3vWm-aQ/jobs/2026/11/4/21/12/q7Zt_9"
    assert (details["started_by"], details["tenant"]) == ("cust-881", "cust-881")
    assert (details["connector_id"], details["job_type"], details["state"]) == ("crm", "write", {"Invoice": [{"n": 1}]})
    assert (details["sync_type"], details["scheduled_job"], details["task_type"]) == (
        "incremental_sync",
        False,
        "STANDARD",
    )


def test_a_job_without_a_name_gets_one_of_its_flow_its_tap_and_its_time() -> None:
    assert job_details(make_synced(own={"job_name": None}))["job_name"] == "Kp3vWm-aQ-ledgerly-20261121-120000"
    assert job_details(make_synced(own={"job_name": None, "tap": None}))["job_name"] == "Kp3vWm-aQ-20261121-120000"


def test_a_run_of_another_door_has_every_key_too() -> None:
    run = make_run(
        RunState.RUNNING,
        started_at=NOW,
        trigger=TriggerKind.SCHEDULE,
        source="s3://bucket/orders",
        destination="sales.orders",
        bookmark=BookmarkStep(from_version=3),
        progress=Progress(bytes_read=1_234_567, rows_loaded=41),
    )
    details = job_details(run, region="eu-west-1")
    assert details.keys() == job_details(make_synced()).keys()
    assert (details["env_id"], details["flow_id"], details["tenant"]) == ("o", "nightly", "o")
    assert details["job_id"] == run.run_id
    assert details["s3_root"] == f"ledger/nightly/{run.run_id}"
    assert (details["tap"], details["target"], details["sync_type"]) == (
        "s3://bucket/orders",
        "sales.orders",
        "incremental_sync",
    )
    assert details["scheduled_job"] is True
    assert details["metrics"] == {"recordCount": {"sales.orders": 41}}
    assert details["data_sizes"] == {
        "input": 1.235,
        "sync-output": 0.0,
        "etl-output": 0.0,
        "snapshots": 0.0,
        "total": 0.0,
    }
    assert details["task_definition"] == {"id": "external", "memory": None, "cpu": None, "region": "eu-west-1"}
    assert len(details["task_id"]) == 32
    assert processed_rows(details) == 41


def test_a_run_in_a_root_of_its_own_says_where() -> None:
    run = make_run(root=RunRoot(scope="stage/flow/t", name="q7Zt_9", path="stage/t/flows/flow/jobs/q7Zt_9"))
    details = job_details(run)
    # The environment is no part of it: there is a bucket, or a folder, for each.
    assert (details["s3_root"], details["job_id"]) == ("t/flows/flow/jobs/q7Zt_9", "q7Zt_9")


def test_times_are_of_utc_with_six_digits_and_an_offset() -> None:
    east = datetime(2026, 3, 18, 9, 5, 12, tzinfo=timezone(timedelta(hours=2)))
    run = make_run(submitted_at=east, modified_at=east)
    assert job_details(run)["start_time"] == "2026-03-18T07:05:12.000000+00:00"
    done = last(run, Begun(), Succeeded())
    assert job_details(done)["last_updated"] == done.ended_at.astimezone(UTC).isoformat(timespec="microseconds")  # type: ignore[union-attr]


def test_a_worker_s_own_times_come_before_the_ledger_s() -> None:
    began, over = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    run = make_run(RunState.SUCCEEDED, ended_at=NOW, started_at=NOW, reported_start_at=began, reported_end_at=over)
    details = job_details(run)
    assert details["start_time"] == "2026-11-21T10:00:00.000000+00:00"
    assert details["last_updated"] == "2026-11-21T11:00:00.000000+00:00"


def test_the_message_is_always_a_sentence() -> None:
    for state in RunState:
        assert isinstance(job_details(make_run(state))["message"], str)
        assert job_details(make_run(state))["message"]
    assert job_details(last(make_run(), Begun(), Failed("no disk")))["message"] == "no disk"
    timed_out = job_details(last(make_run(), Begun(), TimedOut("it did not end within 600 seconds")))
    assert timed_out["message"] == "timed out: it did not end within 600 seconds"


def test_an_error_names_its_type_and_the_phase_it_was_in() -> None:
    failed = last(make_synced(), Begun(), *reached("SYNC_STARTED", "ETL_STARTED"), Failed("no disk", "IOError"))
    assert job_details(failed)["error"] == {"message": "no disk", "type": "IOError", "phase": "etl"}
    late = last(make_synced(), Begun(), *reached("SYNC_STARTED"), TimedOut("too late"))
    assert job_details(late)["error"] == {"message": "timed out: too late", "type": "timeout", "phase": "sync"}
    assert job_details(last(make_synced(), Failed("no job", "JobNotFound")))["error"]["phase"] is None
    assert job_details(last(make_synced(), Begun(), Succeeded()))["error"] is None


def test_figures_come_from_the_files_and_over_them_from_the_worker() -> None:
    summary = {"Invoice": {"success": 38, "fail": 1, "existing": 0, "updated": 2}}
    files = [
        file("sync-output/job_metrics.json", recordCount={"Invoice": 41, "Party": 7}),
        file("target-state.json", second=1, exportSummary=summary, exportDetails_truncated=True),
    ]
    metrics = job_details(make_synced(), files)["metrics"]
    assert metrics == {
        "recordCount": {"Invoice": 41, "Party": 7},
        "exportSummary": summary,
        "exportDetails_truncated": True,
    }
    said = make_synced(
        metrics={"recordCount": {"Invoice": 42}, "own": 1, "resources_usage": {"memory": {"max_mb": 611.2}}}
    )
    details = job_details(said, files, export_details={"Invoice": [{"success": True, "id": "INV-1"}]})
    assert details["metrics"] == {
        "recordCount": {"Invoice": 42},
        "own": 1,
        "exportSummary": summary,
        "exportDetails": {"Invoice": [{"success": True, "id": "INV-1"}]},
    }
    assert details["resources_usage"] == {"memory": {"max_mb": 611.2}}
    assert processed_rows(details) == 42


def test_the_file_that_was_written_last_counts() -> None:
    files = [
        file("b/job_metrics.json", second=2, recordCount={"Invoice": 2}),
        file("a/job_metrics.json", second=1, recordCount={"Invoice": 1}),
    ]
    assert job_details(make_synced(), files)["metrics"]["recordCount"] == {"Invoice": 2}


def test_records_that_the_destination_refused_are_mentioned() -> None:
    refused = file("target-state.json", exportSummary={"a": {"fail": 2}, "b": {"fail": 1, "success": 3}})
    done = last(make_synced(), Begun(), *reached("EXPORT_STARTED"), Succeeded())
    assert job_details(done, [refused])["message"] == "the job is done; 3 records were refused by the destination"
    told = last(make_synced(), Begun(), Succeeded("all well"))
    assert job_details(told, [refused])["message"] == "all well"


def test_sizes_are_added_up_by_folder() -> None:
    files = [
        file("sync-output/Invoice.parquet", 400_000),
        file("sync-output/deep/Party.parquet", 12_345),
        file("etl-output/data.singer", 298_000),
        file("logs/sync.log", 1_500),
        file("state.json", 500),
        file("snapshots/a.hg.partial_written.lock", 9_000_000),
        file("job_details.json", 9_000_000),
        file("events/0000000001.json", 9_000_000),
        file("snapshots/gone.parquet", None),
    ]
    assert job_details(make_synced(), files)["data_sizes"] == {
        "sync-output": 0.412,
        "etl-output": 0.298,
        "snapshots": 0.0,
        "logs": 0.002,
        "total": 0.712,
    }


def test_secrets_given_for_one_run_are_shown_to_nobody() -> None:
    own = {
        "override_source_config": {"host": "db.example", "password": "s3cr3t", "nested": [{"api-key": "s3cr3t"}]},
        "override_target_config": {"url": "postgres://u:s3cr3t@db.example/x", "client_secret": {"a": "s3cr3t"}},
        "override_lifecycle_webhook": {"url": "https://hooks.example/x", "secret_ref": "mine"},
        "environment_variables": {"ANYTHING": "s3cr3t"},
    }
    details = job_details(make_synced(own=own))
    assert "s3cr3t" not in json.dumps(details)
    assert details["override_source_config"]["host"] == "db.example"
    assert details["override_target_config"]["url"] == "postgres://u:***@db.example/x"
    assert details["override_lifecycle_webhook"] == {"url": "https://hooks.example/x", "secret_ref": "mine"}


def test_facts_of_the_wrong_kind_do_no_harm() -> None:
    odd = make_run(
        extra={"hotglue": "text"}, metrics={"recordCount": [1], "exportSummary": 7, "resources_usage": "much"}
    )
    details = job_details(odd, [file("target-state.json", exportSummary={"a": 3})])
    assert (details["resources_usage"], processed_rows(details)) == ({}, 0)
    assert job_details(make_run(executor=Executor.NOOP, phase="COMMITTING"))["status"] == "JOB_CREATED"
    assert job_details(last(make_run(), Begun(), PhaseReached("NEVER HEARD OF", 3)))["status"] == "SYNC_STARTED"
