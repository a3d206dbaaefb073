"""BatchStopJobRun: each run has its own answer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from jobruns.access import Role
from jobruns.lifecycle import CommitBegun
from jobruns.service.transitions import move
from tests.integration.doubles import Clock, RecordingMachine
from tests.integration.glue.client import Key, connect
from tests.integration.glue.site import JOB, Site, plain_id, refusal, written


def stop(site: Site, *run_ids: str, job: str = JOB) -> tuple[list[str], dict[str, str]]:
    """Stop runs; give those that were, and by run why the others were not."""
    answer: dict[str, Any] = dict(site.client.batch_stop_job_run(JobName=job, JobRunIds=list(run_ids)))
    assert {entry["JobName"] for entry in answer["SuccessfulSubmissions"] + answer["Errors"]} <= {job}
    assert all(entry["ErrorDetail"]["ErrorMessage"] for entry in answer["Errors"])
    return (
        [entry["JobRunId"] for entry in answer["SuccessfulSubmissions"]],
        {entry["JobRunId"]: entry["ErrorDetail"]["ErrorCode"] for entry in answer["Errors"]},
    )


def test_runs_in_every_state(site: Site, clock: Clock) -> None:
    site.job(ExecutionProperty={"MaxConcurrentRuns": 4})
    site.job("other")
    ended = site.start()
    site.work(ended)
    starting, running, stopping, committing = (site.start() for _ in range(4))
    waiting = site.start(JobRunQueuingEnabled=True)
    for run_id in (running, stopping, committing):
        site.begin(run_id)
    assert stop(site, stopping) == ([stopping], {})
    until = site.ports.clock() + timedelta(seconds=60)
    move(site.ports, site.stored(committing), CommitBegun(until), "test")
    theirs, unknown = site.start("other"), "jr_" + "0" * 64
    stopped, errors = stop(site, starting, ended, running, unknown, stopping, committing, waiting, theirs, "x", running)
    assert stopped == [starting, running, stopping, waiting]
    assert errors == {
        ended: "JobRunInTerminalStateException",
        unknown: "EntityNotFoundException",
        committing: "JobRunInvalidStateTransitionException",
        theirs: "EntityNotFoundException",
        "x": "EntityNotFoundException",
    }
    states = {run["Id"]: run["JobRunState"] for run in site.runs()}
    assert states == {
        ended: "SUCCEEDED",
        starting: "STOPPING",
        running: "STOPPING",
        stopping: "STOPPING",
        committing: "RUNNING",
        waiting: "STOPPED",
    }
    assert site.state(theirs, "other") == "STARTING"


def test_a_run_that_is_stopping_ends_as_stopped_however_its_work_went(
    site: Site, machine: RecordingMachine, clock: Clock
) -> None:
    site.job()
    run_id = site.start()
    site.begin(run_id)
    for _ in range(3):
        assert stop(site, run_id) == ([run_id], {})
        assert site.state(run_id) == "STOPPING"
    assert plain_id(run_id) in machine.ended  # the wait for its worker
    site.end(run_id)
    assert (site.state(run_id), "ErrorMessage" in site.run(run_id)) == ("STOPPED", True)
    was = site.run(run_id)
    assert stop(site, run_id) == ([], {run_id: "JobRunInTerminalStateException"})
    assert site.run(run_id) == was


def test_a_stop_before_the_work_begins_cancels_it(site: Site) -> None:
    site.job(Command={"Name": "noop"})
    run_id = site.start()
    assert stop(site, run_id) == ([run_id], {})
    assert site.state(run_id) == "STOPPED"
    site.begin(run_id)
    assert site.state(run_id) == "STOPPED"


def test_a_retry_that_is_due_does_not_follow_a_stop(site: Site) -> None:
    site.job(MaxRetries=3)
    run_id = site.start()
    site.begin(run_id)
    stop(site, run_id)
    site.end(run_id)
    assert [run["JobRunState"] for run in site.runs()] == ["STOPPED"]


def test_an_automatic_retry_is_stopped_by_its_own_id(site: Site) -> None:
    site.job(MaxRetries=1)
    run_id = site.start()
    site.fail(run_id)
    again = f"{run_id}_attempt_1"
    assert stop(site, run_id, again) == ([again], {run_id: "JobRunInTerminalStateException"})


def test_nothing_of_a_job_that_is_not_there(site: Site) -> None:
    site.job()
    run_id = site.start()
    assert stop(site, run_id, "x", job="gone") == ([], dict.fromkeys((run_id, "x"), "EntityNotFoundException"))
    site.client.delete_job(JobName=JOB)
    assert stop(site, run_id) == ([run_id], {})


def test_how_many_at_once(site: Site, calls: Callable[[], dict[str, int]]) -> None:
    site.job()
    run_ids = [site.start() for _ in range(25)]
    calls()
    code, text = refusal(site.client.batch_stop_job_run, JobName=JOB, JobRunIds=[*run_ids, "x"])
    assert (code, "'jobRunIds'" in text) == ("ValidationException", True)
    assert written(calls()) == {}
    assert stop(site, *run_ids) == (run_ids, {})
    assert {run["JobRunState"] for run in site.runs()} == {"STOPPING"}


def test_who_may_not_stop_is_told_so_once(site: Site, key: Callable[..., Key]) -> None:
    site.job()
    run_id = site.start()
    reporter = connect(key(Role.REPORTER))
    code, text = refusal(reporter.batch_stop_job_run, JobName=JOB, JobRunIds=[run_id])
    assert (code, "reporter" in text) == ("AccessDeniedException", True)
    assert site.state(run_id) == "STARTING"
