"""Runs that are tried again: by hand, by the job's own number, and by an SDK that had no answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from jobruns.access import Principal, Role
from jobruns.ids import job_run_id
from jobruns.lifecycle import Failed, TimedOut
from jobruns.run import TriggerKind
from jobruns.service.starts import StartRequest, start_run
from tests.integration.doubles import Clock, RecordingMachine
from tests.integration.glue.client import Key, Wire, connect
from tests.integration.glue.site import JOB, Site, refusal

HOURLY = {"Type": "SCHEDULED", "Schedule": "cron(0 * * * ? *)", "StartOnCreation": True}


@dataclass
class LossyWire(Wire):
    """Loses answers: what was asked has been done, and the client is told of a fault.

    Parameters
    ----------
    losses : int
        How many answers are lost.
    """

    losses: int = 1

    def carry(self, request: AWSPreparedRequest, **context: Any) -> AWSResponse:
        answer = super().carry(request, **context)
        if self.losses:
            self.losses -= 1
            return AWSResponse(request.url, 503, {}, answer.raw)
        return answer


@pytest.fixture
def lossy(key: Callable[..., Key], site: Site, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, LossyWire]:
    """A client that tries three times, on a wire that may lose answers."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    wire = LossyWire(losses=0)
    return connect(Key("JRAKADMINACME"), wire=wire, tries=3), wire


def test_a_run_is_started_again_by_its_id_whatever_became_of_it(site: Site) -> None:
    site.job(DefaultArguments={"--mode": "full"})
    first = site.start(Arguments={"--day": "1"})
    site.fail(first)
    second = site.start(JobRunId=first)
    assert second != first
    run = site.run(second)
    assert (run["PreviousRunId"], run["Attempt"]) == (first, 1)
    assert run["Arguments"] == {"--mode": "full", "--day": "1"}
    site.work(second)
    third = site.start(JobRunId=second, Arguments={"--day": "2"})  # of one that succeeded
    run = site.run(third)
    assert (run["PreviousRunId"], run["Attempt"]) == (second, 2)
    assert run["Arguments"] == {"--mode": "full", "--day": "2"}
    fourth = site.start(JobRunId=third, Arguments={})  # of one that goes
    assert site.run(fourth)["Arguments"] == {"--mode": "full"}
    assert "PreviousRunId" not in site.run(first)
    assert (site.state(first), site.state(second)) == ("FAILED", "SUCCEEDED")
    assert [run["Id"] for run in site.runs()] == [first, second, third, fourth]


def test_starting_a_live_run_again_needs_a_slot(site: Site) -> None:
    site.job(ExecutionProperty={"MaxConcurrentRuns": 1})
    first = site.start()
    assert refusal(site.client.start_job_run, JobName=JOB, JobRunId=first)[0] == "ConcurrentRunsExceededException"
    waiting = site.start(JobRunId=first, JobRunQueuingEnabled=True)
    site.work(first)
    assert (site.state(waiting), site.run(waiting)["PreviousRunId"]) == ("STARTING", first)


def test_a_run_that_cannot_be_started_again(site: Site, admin: Principal) -> None:
    site.job()
    site.job("other")
    run_id, theirs = site.start(), site.start("other")
    code, text = refusal(site.client.start_job_run, JobName=JOB, JobRunId=theirs)
    assert (code, "JobRunId" in text, "'other'" in text) == ("InvalidInputException", True, True)
    for unknown in ("jr_" + "0" * 64, f"{run_id}_attempt_1", "x"):
        code, text = refusal(site.client.start_job_run, JobName=JOB, JobRunId=unknown)
        assert (code, unknown in text) == ("EntityNotFoundException", True)
    upload = StartRequest(job=JOB, door="uploads", trigger=TriggerKind.UPLOAD)
    uploaded = job_run_id(start_run(site.ports, admin, upload))
    code, text = refusal(site.client.start_job_run, JobName=JOB, JobRunId=uploaded)
    assert (code, text.startswith("JobRunId: ")) == ("InvalidInputException", True)
    assert (len(site.runs()), len(site.runs("other"))) == (2, 1)


def test_automatic_retries_are_runs_of_their_own(site: Site, clock: Clock, machine: RecordingMachine) -> None:
    site.job(MaxRetries=2, WorkerType="G.1X")
    first = site.start(Arguments={"--day": "1"}, Timeout=5)
    ids = [first, f"{first}_attempt_1", f"{first}_attempt_2"]
    for run_id in ids:
        assert site.state(run_id) == "STARTING"
        clock.sleep(5)
        site.fail(run_id, f"{run_id} failed")
    runs = site.runs()
    assert [run["Id"] for run in runs] == ids
    assert [run["Attempt"] for run in runs] == [0, 1, 2]
    assert [run.get("PreviousRunId") for run in runs] == [None, *ids[:2]]
    assert [run["JobRunState"] for run in runs] == ["FAILED"] * 3
    assert [run["ErrorMessage"] for run in runs] == [f"{run_id} failed" for run_id in ids]
    assert {(run["Arguments"]["--day"], run["WorkerType"], run["Timeout"]) for run in runs} == {("1", "G.1X", 5)}
    assert [site.run(run_id) for run_id in ids] == runs
    assert len(machine.started) == 3
    again = site.start(JobRunId=ids[2])
    assert (site.run(again)["PreviousRunId"], site.run(again)["Attempt"]) == (ids[2], 3)


def test_a_retry_that_succeeds_ends_the_retries(site: Site) -> None:
    site.job(MaxRetries=3)
    first = site.start()
    site.fail(first)
    site.work(f"{first}_attempt_1")
    assert [run["JobRunState"] for run in site.runs()] == ["FAILED", "SUCCEEDED"]


def test_a_run_started_again_by_hand_has_its_own_automatic_retries(site: Site) -> None:
    site.job(MaxRetries=1)
    first = site.start()
    site.fail(first)
    site.fail(f"{first}_attempt_1")
    again = site.start(JobRunId=first)
    site.fail(again)
    runs = site.runs()
    assert [run["Attempt"] for run in runs] == [0, 1, 1, 2]
    assert runs[-1]["PreviousRunId"] == again
    assert runs[-1]["Id"].startswith(again + "_attempt_")
    site.fail(runs[-1]["Id"])
    assert len(site.runs()) == 4


@pytest.mark.parametrize("outcome", [TimedOut("late"), None])
def test_only_failures_are_retried(site: Site, outcome: TimedOut | None) -> None:
    site.job(MaxRetries=1)
    site.work(site.start(), outcome)
    assert len(site.runs()) == 1


def test_a_retry_waits_for_its_slot(site: Site) -> None:
    site.job(MaxRetries=1, ExecutionProperty={"MaxConcurrentRuns": 1})
    first = site.start()
    second = site.start(JobRunQueuingEnabled=True)
    site.fail(first)
    states = {run["Id"]: run["JobRunState"] for run in site.runs()}
    assert sorted((states.pop(second), *states.values())) == ["FAILED", "STARTING", "WAITING"]


def test_an_answer_that_was_lost_is_given_again(site: Site, lossy: tuple[Any, LossyWire], clock: Clock) -> None:
    client, wire = lossy
    action = [{"JobName": JOB}, {"JobName": "gone"}]
    for losses in (1, 2):
        name = f"{JOB}{losses}"
        wire.losses = losses
        assert client.create_job(Name=name, Role="r", Command={}, Tags={"a": "b"})["Name"] == name
        wire.losses = losses
        assert client.create_trigger(Name=name, Actions=action, **HOURLY)["Name"] == name
        wire.losses = losses
        assert client.start_trigger(Name=name)["Name"] == name
        wire.losses = losses
        assert client.start_job_run(JobName=name)["JobRunId"] == site.runs(name)[0]["Id"]
        assert len(site.runs(name)) == 1
        wire.losses = losses
        assert client.delete_trigger(Name=name)["Name"] == name
        wire.losses = losses
        assert client.delete_job(JobName=name)["JobName"] == name
    assert site.client.list_jobs()["JobNames"] == site.client.list_triggers()["TriggerNames"] == []


def test_a_trigger_on_demand_fires_once_a_call(site: Site, lossy: tuple[Any, LossyWire]) -> None:
    client, wire = lossy
    site.job()
    site.job("second")
    actions = [{"JobName": JOB}, {"JobName": "gone"}, {"JobName": "second"}]
    client.create_trigger(Name="all", Type="ON_DEMAND", Actions=actions)
    for fired in (1, 2):
        wire.losses = 2
        client.start_trigger(Name="all")
        assert [len(site.runs(job)) for job in (JOB, "gone", "second")] == [fired] * 3
    assert {run["JobRunState"] for run in site.runs("gone")} == {"ERROR"}


def test_the_same_token_is_a_hint_of_its_caller_only(site: Site, key: Callable[..., Key], clock: Clock) -> None:
    def same(event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "headers": {**event["headers"], "amz-sdk-invocation-id": "always-the-same"}}

    site.job()
    site.job("other")
    ours = connect(Key("JRAKADMINACME"), wire=Wire(same))
    theirs = connect(key(Role.OPERATOR), wire=Wire(same))
    first = ours.start_job_run(JobName=JOB)["JobRunId"]
    assert ours.start_job_run(JobName=JOB)["JobRunId"] == first
    assert ours.start_job_run(JobName="other")["JobRunId"] != first
    assert theirs.start_job_run(JobName=JOB)["JobRunId"] != first
    site.work(first)
    assert ours.start_job_run(JobName=JOB)["JobRunId"] == first
    clock.sleep(901)
    assert ours.start_job_run(JobName=JOB)["JobRunId"] != first
    assert (len(site.runs()), len(site.runs("other"))) == (3, 1)


def test_what_was_refused_may_be_asked_again(site: Site, lossy: tuple[Any, LossyWire]) -> None:
    client, wire = lossy
    site.job(ExecutionProperty={"MaxConcurrentRuns": 1})
    first = site.start()
    wire.losses = 1
    assert refusal(client.start_job_run, JobName=JOB)[0] == "ConcurrentRunsExceededException"
    site.work(first, Failed("x"))
    assert client.start_job_run(JobName=JOB)["JobRunId"] != first
