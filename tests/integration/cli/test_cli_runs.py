"""Runs by the command line: found, shown, stopped, followed to their end."""

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from jobruns.access import Principal
from jobruns.errors import UnavailableError
from jobruns.lifecycle import Admitted
from jobruns.run import Executor, Progress, Run, RunState
from jobruns.service.definitions import define_job
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from jobruns.service.settlement import dispatch_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.transitions import move
from jobruns_cli.tail import Follower

from .conftest import MACHINE, Command

NOBODY = "0190a000-0000-7000-8000-000000000000"


@pytest.fixture
def job(ports: Ports, admin: Principal) -> str:
    define_job(ports, admin, name="nightly", executor=Executor.EXTERNAL, door="test")
    return "nightly"


def start(ports: Ports, who: Principal, job: str = "nightly") -> Run:
    return start_run(ports, who, StartRequest(job=job, door="test"))


def running(ports: Ports, who: Principal, job: str = "nightly") -> Run:
    run = start(ports, who, job)
    dispatch_run(ports, run.org, run.job, run.run_id, "the-token-of-the-task")
    found = ports.runs.get(run.org, run.job, run.run_id)
    assert found is not None
    return found


def ids(listed: str) -> list[str]:
    return [run["run_id"] for run in json.loads(listed)]


def test_runs_are_listed_newest_first_by_job_by_state_and_by_time(
    command: Command,
    deployed: dict[str, str],
    ports: Ports,
    admin: Principal,
    stranger: Principal,
    job: str,
    clock: Any,
) -> None:
    define_job(ports, admin, name="hourly", executor=Executor.EXTERNAL, door="test")
    define_job(ports, stranger, name="nightly", executor=Executor.EXTERNAL, door="test")
    start(ports, stranger)
    first = running(ports, admin)
    clock.sleep(3600)
    middle = clock.now.isoformat()
    second = start(ports, admin, "hourly")
    third = start(ports, admin)
    report_run(ports, admin, first, RunState.SUCCEEDED)

    def listed(*options: str) -> list[str]:
        result = command("runs", "list", "--json", *options)
        assert result.exit_code == 0, result.output
        return ids(result.stdout)

    assert listed() == [third.run_id, second.run_id, first.run_id]
    assert listed("--limit", "2") == [third.run_id, second.run_id]
    assert listed("--job", "nightly") == [third.run_id, first.run_id]
    assert listed("--state", "succeeded") == [first.run_id]
    assert listed("--job", "nightly", "--state", "SUCCEEDED") == [first.run_id]
    assert listed("--since", middle) == [third.run_id, second.run_id]
    assert listed("--job", "nightly", "--since", middle) == [third.run_id]
    assert listed("--job", "weekly") == []


def test_what_many_runs_hide_is_found_page_by_page(
    command: Command,
    deployed: dict[str, str],
    ports: Ports,
    admin: Principal,
    job: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = running(ports, admin)
    for _ in range(5):
        start(ports, admin)
    report_run(ports, admin, old, RunState.SUCCEEDED)
    monkeypatch.setattr("jobruns_cli.listing.FILTERED_PAGE", 2)
    options = ("runs", "list", "--json", "--job", job, "--state", "SUCCEEDED")
    assert ids(command(*options).stdout) == [old.run_id]
    monkeypatch.setattr("jobruns_cli.listing.MAX_PAGES", 2)
    cut = command(*options)
    assert ids(cut.stdout) == []
    assert "stopped looking" in cut.stderr


def test_a_table_of_runs_is_for_people(
    command: Command, deployed: dict[str, str], ports: Ports, admin: Principal, job: str
) -> None:
    run = running(ports, admin)
    report_run(ports, admin, run, RunState.FAILED, message="no \x1b[31m[bold]disk[/bold]\nleft")
    shown = command("runs", "list").stdout
    assert run.run_id in shown
    assert "FAILED" in shown
    assert "no \N{REPLACEMENT CHARACTER}[31m[bold]disk[/bold] left" in shown
    assert "\x1b" not in shown


def test_a_run_is_shown_with_its_progress_and_its_history(
    command: Command, deployed: dict[str, str], ports: Ports, admin: Principal, job: str
) -> None:
    run = running(ports, admin)
    ports.runs.set_progress(run, ports.clock(), Progress(listing="DONE", units_total=4, units_done=1, rows_loaded=1200))
    report_run(ports, admin, run, RunState.FAILED, message="no disk left", metrics={"tries": 3})
    shown = command("runs", "show", run.run_id.upper())
    assert shown.exit_code == 0
    for part in (run.run_id, "25%, 1/4 units, 1,200 rows", "no disk left", '{"tries": 3}', "Submitted", "Begun"):
        assert part in shown.stdout
    assert "the-token-of-the-task" not in shown.stdout

    told = json.loads(command("runs", "show", run.run_id, "--json").stdout)
    assert told["run"]["state"] == "FAILED"
    assert told["run"]["progress"]["fraction"] == 0.25
    assert "task_token" not in told["run"]
    assert [event["kind"] for event in told["events"]] == ["Submitted", "Begun", "Failed"]
    assert [event["sequence"] for event in told["events"]] == [1, 2, 3]


def test_a_run_is_stopped_and_says_by_whom_and_why(
    command: Command, deployed: dict[str, str], ports: Ports, admin: Principal, job: str
) -> None:
    machine: Any = boto3.client("stepfunctions")
    made = machine.create_state_machine(
        name=MACHINE.rpartition(":")[2],
        definition='{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}',
        roleArn="arn:aws:iam::123456789012:role/any",
    )
    assert made["stateMachineArn"] == MACHINE
    run = start(ports, admin)
    stopped = command("runs", "stop", run.run_id, "--reason", "wrong file")
    assert (stopped.exit_code, stopped.stdout) == (0, f"{run.run_id} STOPPING\n")
    events = ports.runs.events(run.org, run.run_id)
    assert (events[-1].kind, events[-1].actor, events[-1].message) == ("StopRequested", "jobruns:cli", "wrong file")


def test_a_run_that_has_ended_cannot_be_stopped(
    command: Command, deployed: dict[str, str], ports: Ports, admin: Principal, job: str
) -> None:
    run = running(ports, admin)
    report_run(ports, admin, run, RunState.SUCCEEDED)
    refused = command("runs", "stop", run.run_id)
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith("Error: the run cannot be stopped")
    assert len(refused.stderr.splitlines()) == 1


def test_stopping_needs_more_of_the_deployment(
    command: Command, deployed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMMIT_FUNCTION")
    refused = command("runs", "stop", NOBODY)
    assert refused.exit_code == 2
    assert "COMMIT_FUNCTION must be in the environment too" in refused.stderr


@pytest.mark.parametrize(("state", "status"), [(RunState.SUCCEEDED, 0), (RunState.FAILED, 1), (RunState.TIMEOUT, 1)])
def test_tail_follows_a_run_to_its_end_and_leaves_as_it_ended(
    command: Command, deployed: dict[str, str], ports: Ports, admin: Principal, job: str, state: RunState, status: int
) -> None:
    run = running(ports, admin)

    def work() -> None:
        ports.runs.set_progress(run, ports.clock(), Progress(listing="DONE", units_total=2, units_done=1))
        report_run(ports, admin, run, state, message="so it ended")

    worker = threading.Timer(0.5, work)
    worker.start()
    followed = command("runs", "tail", run.run_id, "--interval", "0.2", "--timeout", "30s")
    worker.join()
    assert followed.exit_code == status
    lines = followed.stdout.splitlines()
    assert [word for line in lines for word in ("Submitted", "Begun", "so it ended") if word in line] == [
        "Submitted",
        "Begun",
        "so it ended",
    ]
    assert "50%, 1/2 units, 0 rows" in lines


def test_tail_prints_json_lines(
    command: Command, deployed: dict[str, str], ports: Ports, admin: Principal, job: str
) -> None:
    run = running(ports, admin)
    report_run(ports, admin, run, RunState.SUCCEEDED)
    followed = command("runs", "tail", run.run_id, "--json")
    lines = [json.loads(line) for line in followed.stdout.splitlines()]
    assert [line["event"]["kind"] for line in lines if "event" in line] == ["Submitted", "Begun", "Succeeded"]
    assert [line["progress"]["units_total"] for line in lines if "progress" in line] == [0]


def test_tail_gives_up_when_told_to(
    command: Command, deployed: dict[str, str], ports: Ports, admin: Principal, job: str
) -> None:
    run = running(ports, admin)
    followed = command("runs", "tail", run.run_id, "--interval", "0.2", "--timeout", "1s")
    assert followed.exit_code == 1
    assert followed.stderr == "Error: the run is still RUNNING; it is not followed any longer\n"


def test_a_follower_gives_up_when_the_run_must_have_ended(ports: Ports, admin: Principal, job: str, clock: Any) -> None:
    run = running(ports, admin)
    follower = Follower(ports, admin, run.run_id, 86400, None, clock.sleep)
    with pytest.raises(UnavailableError, match="still RUNNING"):
        list(follower.looks())
    assert clock.now >= run.deadline_at + timedelta(hours=2)


def test_events_that_come_too_late_are_shown_too(ports: Ports, admin: Principal, job: str) -> None:
    run = running(ports, admin)
    pauses = 0

    def pause(seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses <= 2:
            move(ports, run, Admitted(), f"late {pauses}")
        else:
            report_run(ports, admin, run, RunState.SUCCEEDED)

    looks = list(Follower(ports, admin, run.run_id, 1, None, pause).looks())
    seen = [(event.kind, event.applied, event.actor) for look in looks for event in look.events]
    assert seen == [
        ("Submitted", True, admin.name),
        ("Begun", True, "jobruns:dispatch"),
        ("Admitted", False, "late 1"),
        ("Admitted", False, "late 2"),
        ("Succeeded", True, admin.name),
    ]
    assert looks[-1].run.state is RunState.SUCCEEDED


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["runs", "show", "not-a-uuid"], 1, "nothing has the id 'not-a-uuid'"),
        (["runs", "show", NOBODY], 1, f"no run has the id '{NOBODY}'"),
        (["runs", "stop", NOBODY], 1, f"no run has the id '{NOBODY}'"),
        (["runs", "tail", NOBODY], 1, f"no run has the id '{NOBODY}'"),
        (["runs", "show"], 2, "Missing argument 'RUN_ID'"),
        (["runs", "list", "--state", "DONE"], 2, "'DONE' is not one of"),
        (["runs", "list", "--since", "yesterday"], 2, "'yesterday' is no time"),
        (["runs", "list", "--limit", "0"], 2, "0 is not in the range"),
        (["runs", "list", "--limit", "many"], 2, "'many' is not a valid integer"),
        (["runs", "tail", NOBODY, "--interval", "0"], 2, "0.0 is not in the range"),
        (["runs", "tail", NOBODY, "--timeout", "x"], 2, "'x' is no duration"),
    ],
)
def test_a_wrong_word_is_one_clear_line(
    command: Command, deployed: dict[str, str], arguments: list[str], status: int, said: str
) -> None:
    result = command(*arguments)
    assert result.exit_code == status
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert said in errors[0]


def test_another_orgs_run_does_not_exist(
    command: Command, deployed: dict[str, str], ports: Ports, admin: Principal, job: str
) -> None:
    run = start(ports, admin)
    for verb in ("show", "stop", "tail"):
        refused = command("runs", verb, run.run_id, "--org", "other")
        assert (refused.exit_code, refused.stderr) == (1, f"Error: no run has the id '{run.run_id}'\n")


def test_an_org_must_be_said(command: Command, deployed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBRUNS_ORG")
    refused = command("runs", "list")
    assert refused.exit_code == 2
    assert "Missing option '--org'" in refused.stderr


def test_how_long_ago_is_a_time_too(
    command: Command, deployed: dict[str, str], ports: Ports, admin: Principal, job: str, clock: Any
) -> None:
    clock.now = datetime.now(UTC) - timedelta(hours=3)
    start(ports, admin)
    clock.now = datetime.now(UTC)
    recent = start(ports, admin)
    assert ids(command("runs", "list", "--since", "2h", "--json").stdout) == [recent.run_id]
    assert len(ids(command("runs", "list", "--since", "4h", "--json").stdout)) == 2
