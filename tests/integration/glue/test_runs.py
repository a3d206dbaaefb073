"""Runs through the door: how they are started, what of them is told, and in which states they are."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_glue import GlueClient

from jobruns.lifecycle import Failed, Stopped, Succeeded, TimedOut
from jobruns.service.ports import ExecutionStatus
from jobruns.service.reconciliation import reconcile_runs
from tests.integration.doubles import Clock, RecordingMachine
from tests.integration.glue.client import Key, Wire, connect
from tests.integration.glue.site import JOB, Site, plain_id, refusal

GROUP = "/jobruns/tests/runs"


def test_a_run_from_its_start_to_its_end(key: Callable[..., Key], site: Site, clock: Clock) -> None:
    wire = Wire()
    site.client = connect(key(), wire=wire)
    site.job()
    run_id = site.start()
    assert re.fullmatch("jr_[0-9a-f]{64}", run_id)
    started = site.run(run_id)
    at = started["StartedOn"]
    assert started == {
        "Id": run_id,
        "Attempt": 0,
        "JobName": JOB,
        "StartedOn": at,
        "LastModifiedOn": at,
        "JobRunState": "STARTING",
        "PredecessorRuns": [],
        "ExecutionTime": 0,
        "Timeout": 2880,
        "LogGroupName": GROUP,
    }
    assert at.astimezone(UTC) - datetime(2026, 11, 21, 12, tzinfo=UTC) < timedelta(seconds=1)
    told = wire.answers[-1].body["JobRun"]["StartedOn"]
    assert told == 1795262400 + at.microsecond / 1e6  # seconds, with milliseconds behind the point
    clock.sleep(28)
    site.begin(run_id)
    clock.sleep(60.5)
    running = site.run(run_id)
    assert (running["JobRunState"], running["ExecutionTime"], "CompletedOn" in running) == ("RUNNING", 60, False)
    clock.sleep(57)
    site.end(run_id)
    ended = site.run(run_id)
    assert ended["JobRunState"] == "SUCCEEDED"
    assert ended["CompletedOn"] == ended["LastModifiedOn"] > running["LastModifiedOn"] > ended["StartedOn"] == at
    assert ended["ExecutionTime"] == 117
    assert (ended["CompletedOn"] - at).total_seconds() > 145
    assert "ErrorMessage" not in ended
    clock.sleep(1000)
    assert site.run(run_id) == ended == site.runs()[0]


@pytest.mark.parametrize(
    ("outcome", "state", "message"),
    [
        (Succeeded("3 rows"), "SUCCEEDED", None),
        (Failed("ValueError: no such day"), "FAILED", "ValueError: no such day"),
        (Failed(""), "FAILED", "why"),
        (TimedOut("it took too long"), "TIMEOUT", "too long"),
    ],
)
def test_an_end_without_success_has_a_message(site: Site, outcome: Any, state: str, message: str | None) -> None:
    site.job()
    run_id = site.start()
    site.work(run_id, outcome)
    run = site.run(run_id)
    assert run["JobRunState"] == state
    if message is None:
        assert "ErrorMessage" not in run
    else:
        assert message in run["ErrorMessage"]


def test_a_stopped_run_has_a_message(site: Site) -> None:
    site.job()
    run_id = site.start()
    site.begin(run_id)
    site.client.batch_stop_job_run(JobName=JOB, JobRunIds=[run_id])
    assert "CompletedOn" not in site.run(run_id)
    site.end(run_id, Stopped())
    assert (site.state(run_id), site.run(run_id)["ErrorMessage"]) == ("STOPPED", "stopped by JRAKADMINACME")


def test_arguments_have_three_layers(site: Site) -> None:
    site.job(DefaultArguments={"--a": "job", "--b": "job", "--c": "job"}, NonOverridableArguments={"--c": "fixed"})
    for sent, effective in (
        (None, {"--a": "job", "--b": "job", "--c": "fixed"}),
        ({}, {"--a": "job", "--b": "job", "--c": "fixed"}),
        ({"--b": "run", "--d": "run"}, {"--a": "job", "--b": "run", "--c": "fixed", "--d": "run"}),
        ({"--b": "", "--c": "run"}, {"--a": "job", "--b": "", "--c": "fixed"}),
    ):
        run_id = site.start(**({} if sent is None else {"Arguments": sent}))
        assert site.run(run_id)["Arguments"] == effective
    site.job("plain")
    assert "Arguments" not in site.run(site.start("plain", Arguments={}), "plain")


def test_large_arguments_are_given_back_whole(site: Site) -> None:
    site.job(DefaultArguments={"--text": "ü" * 10_000})
    run_id = site.start(Arguments={"--more": "🚀" * 10_000})
    assert site.run(run_id)["Arguments"] == {"--text": "ü" * 10_000, "--more": "🚀" * 10_000}
    assert site.runs()[0] == site.run(run_id)


def test_what_was_kept_elsewhere_may_be_gone(site: Site) -> None:
    site.job()
    run_id = site.start(Arguments={"--text": "x" * 10_000})

    def gone(key: str) -> Any:
        from jobruns.errors import NotFoundError

        raise NotFoundError(key)

    site.ports.objects.get_json = gone  # type: ignore[method-assign]
    assert "Arguments" not in site.run(run_id)
    assert [run["Id"] for run in site.runs()] == [run_id]


def test_settings_are_the_runs_own_or_its_jobs(site: Site) -> None:
    theirs: dict[str, Any] = {
        "AllocatedCapacity": 10,
        "ExecutionClass": "STANDARD",
        "GlueVersion": "4.0",
        "MaintenanceWindow": "Sun:0",
        "NotificationProperty": {"NotifyDelayAfter": 5},
        "NumberOfWorkers": 2,
        "SecurityConfiguration": "sealed",
        "WorkerType": "G.1X",
        "Timeout": 7,
    }
    site.job(**theirs, JobRunQueuingEnabled=False)
    assert theirs.items() <= site.run(site.start()).items()
    own: dict[str, Any] = {
        "MaxCapacity": 2.0,
        "ExecutionClass": "FLEX",
        "NotificationProperty": {"NotifyDelayAfter": 9},
        "NumberOfWorkers": 3,
        "SecurityConfiguration": "open",
        "WorkerType": "H.77X",
        "Timeout": 8,
        "ExecutionRoleSessionPolicy": "{}",
        "JobRunQueuingEnabled": True,
    }
    run = site.run(site.start(**own))
    assert (theirs | own).items() <= run.items()
    assert isinstance(run["MaxCapacity"], float)


def test_one_capacity_setting_at_a_time(site: Site) -> None:
    site.job()
    code, text = refusal(site.client.start_job_run, JobName=JOB, AllocatedCapacity=2, MaxCapacity=2.0)
    assert (code, "MaxCapacity" in text, "AllocatedCapacity" in text) == ("InvalidInputException", True, True)
    assert site.run(site.start(AllocatedCapacity=3))["AllocatedCapacity"] == 3
    assert site.run(site.start(MaxCapacity=0.0625))["MaxCapacity"] == 0.0625
    assert len(site.runs()) == 2


def test_the_time_a_run_may_take(site: Site, clock: Clock, machine: RecordingMachine) -> None:
    site.job()
    site.job("short", Timeout=5)
    assert site.run(site.start())["Timeout"] == 2880
    assert site.run(site.start("short"), "short")["Timeout"] == 5
    run_id = site.start("short", Timeout=10_080)
    assert site.run(run_id, "short")["Timeout"] == 10_080
    for call, members in (
        (site.client.start_job_run, {"JobName": JOB}),
        (site.client.create_job, {"Name": "long", "Role": "r", "Command": {}}),
    ):
        code, text = refusal(call, Timeout=10_081, **members)
        assert (code, text.startswith("Timeout")) == ("InvalidInputException", True)
    site.begin(run_id, "short")
    machine.statuses[plain_id(run_id)] = ExecutionStatus.RUNNING
    clock.sleep(10_079 * 60)
    reconcile_runs(site.ports)
    assert site.state(run_id, "short") == "RUNNING"
    clock.sleep(120)
    reconcile_runs(site.ports)
    assert site.state(run_id, "short") == "TIMEOUT"
    assert str(10_080 * 60) in site.run(run_id, "short")["ErrorMessage"]


def test_who_waits_long_is_told_once(site: Site, clock: Clock, machine: RecordingMachine) -> None:
    site.job(NotificationProperty={"NotifyDelayAfter": 10})
    run_ids = [site.start(), site.start(NotificationProperty={"NotifyDelayAfter": 30})]
    for run_id in run_ids:
        site.begin(run_id)
        machine.statuses[plain_id(run_id)] = ExecutionStatus.RUNNING
    told = []
    for _ in range(4):
        clock.sleep(9.5 * 60)
        told.append(reconcile_runs(site.ports).notified)
    assert told == [[], [plain_id(run_ids[0])], [], [plain_id(run_ids[1])]]
    assert [site.state(run_id) for run_id in run_ids] == ["RUNNING"] * 2


def test_a_job_runs_once_at_a_time_unless_it_says_more(site: Site) -> None:
    site.job(ExecutionProperty={})
    first = site.start()
    code, text = refusal(site.client.start_job_run, JobName=JOB)
    assert (code, f"Concurrent runs exceeded for {JOB}" in text) == ("ConcurrentRunsExceededException", True)
    site.begin(first)
    site.client.batch_stop_job_run(JobName=JOB, JobRunIds=[first])
    assert site.state(first) == "STOPPING"
    assert refusal(site.client.start_job_run, JobName=JOB)[0] == "ConcurrentRunsExceededException"
    site.end(first)
    # The slot is free the moment that the end is seen.
    assert site.state(site.start()) == "STARTING"
    assert len(site.runs()) == 2


def test_a_run_over_the_limit_waits_where_its_job_or_it_says_so(site: Site, clock: Clock) -> None:
    site.job(ExecutionProperty={"MaxConcurrentRuns": 1}, JobRunQueuingEnabled=True)
    first, second, third = site.start(), site.start(), site.start(JobRunQueuingEnabled=True)
    assert [run["JobRunState"] for run in site.runs()] == ["STARTING", "WAITING", "WAITING"]
    waiting = site.run(second)
    assert "slot" in waiting["StateDetail"]
    assert waiting["ExecutionTime"] == 0
    refused = refusal(site.client.start_job_run, JobName=JOB, JobRunQueuingEnabled=False)
    assert refused[0] == "ConcurrentRunsExceededException"
    clock.sleep(3600)
    site.work(first)
    assert [run["JobRunState"] for run in site.runs()] == ["SUCCEEDED", "STARTING", "WAITING"]
    assert "StateDetail" not in site.run(second)
    site.client.batch_stop_job_run(JobName=JOB, JobRunIds=[third])
    assert site.state(third) == "STOPPED"
    site.work(second)
    assert site.run(second)["ExecutionTime"] == 0  # what it waited does not count


def test_a_run_may_wait_where_its_job_does_not(site: Site) -> None:
    site.job(ExecutionProperty={"MaxConcurrentRuns": 1})
    first = site.start()
    second = site.start(JobRunQueuingEnabled=True)
    assert (site.state(second), site.run(second)["JobRunQueuingEnabled"]) == ("WAITING", True)
    site.work(first)
    assert site.state(second) == "STARTING"


def test_a_run_that_waited_in_vain_is_expired(site: Site, clock: Clock, machine: RecordingMachine) -> None:
    site.job(ExecutionProperty={"MaxConcurrentRuns": 1}, JobRunQueuingEnabled=True, Timeout=10_080)
    first, second, third = site.start(), site.start(), site.start(Timeout=1)
    clock.sleep(6 * 86400)
    machine.statuses[plain_id(second)] = ExecutionStatus.RUNNING
    site.work(first)
    site.begin(second)
    reconcile_runs(site.ports)
    assert site.state(third) == "WAITING"  # its timeout is of running time
    clock.sleep(86400)
    reconcile_runs(site.ports)
    run = site.run(third)
    assert (run["JobRunState"], run["ExecutionTime"]) == ("EXPIRED", 0)
    assert "slot" in run["ErrorMessage"]
    assert site.state(second) == "RUNNING"


def test_no_more_than_the_limit_start_at_the_same_time(site: Site) -> None:
    site.job(ExecutionProperty={"MaxConcurrentRuns": 3})
    site.job("queue", ExecutionProperty={"MaxConcurrentRuns": 3}, JobRunQueuingEnabled=True)

    def start(job: str) -> str:
        try:
            return str(site.client.start_job_run(JobName=job)["JobRunId"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(start, [JOB] * 12))
        queued = list(pool.map(start, ["queue"] * 8))
    assert outcomes.count("ConcurrentRunsExceededException") == 9
    assert {run["Id"] for run in site.runs()} == {outcome for outcome in outcomes if outcome.startswith("jr_")}
    assert len(set(queued)) == 8
    while live := [run for run in site.runs("queue") if run["JobRunState"] != "SUCCEEDED"]:
        states = [run["JobRunState"] for run in live]
        assert states.count("STARTING") == min(3, len(live))
        assert states.count("WAITING") == max(0, len(live) - 3)
        for run in live[:3]:
            site.work(run["Id"], job="queue")


def test_runs_are_listed_newest_first_without_predecessors(site: Site, clock: Clock) -> None:
    site.job()
    assert site.client.get_job_runs(JobName=JOB)["JobRuns"] == []
    started = []
    for _ in range(3):
        started.append(site.start())
        clock.sleep(1)
    runs = site.client.get_job_runs(JobName=JOB)["JobRuns"]
    assert [run["Id"] for run in runs] == started[::-1]
    assert [run["PredecessorRuns"] for run in runs] == [[], [], []]
    assert [site.run(run_id) for run_id in started[::-1]] == runs


def test_a_run_that_is_not_there(site: Site) -> None:
    site.job()
    site.job("other")
    run_id = site.start()
    for job, wrong in (
        (JOB, "jr_" + "0" * 64),
        (JOB, plain_id(run_id)),
        (JOB, f"{run_id}_attempt_1"),
        (JOB, run_id.upper()),
        (JOB, f"{run_id}\t"),
        ("other", run_id),
        ("gone", run_id),
    ):
        code, text = refusal(site.client.get_job_run, JobName=job, RunId=wrong)
        assert code == "EntityNotFoundException"
        assert wrong.strip() in text
    assert site.run(run_id, PredecessorsIncluded=True) == site.run(run_id)


def test_a_bookmark_option_that_is_none(site: Site, glue: GlueClient) -> None:
    site.job(DefaultArguments={"--job-bookmark-option": "job-bookmark-often"})
    code, text = refusal(glue.start_job_run, JobName=JOB)
    assert (code, "Arguments: --job-bookmark-option" in text) == ("InvalidInputException", True)
    assert site.runs() == []
    site.start(Arguments={"--job-bookmark-option": "job-bookmark-pause"})
