"""Jobs that a door keeps by documents of its own."""

from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.errors import AccessDeniedError, AlreadyExistsError, ConflictError, InvalidInputError
from jobruns.job import Job
from jobruns.lifecycle import Failed
from jobruns.run import RunState
from jobruns.service.definitions import define_job, tag_job
from jobruns.service.kept_jobs import keep_job
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from jobruns.service.settlement import dispatch_run
from jobruns.service.starts import StartRequest, start_run


def keep(ports: Ports, principal: Principal, **fields: Any) -> Job:
    return keep_job(ports, principal, door="flows", name="nightly", **fields)


def test_a_job_is_made_once_and_changed_when_its_description_does(ports: Ports, admin: Principal) -> None:
    operator = admin.model_copy(update={"role": Role.OPERATOR})
    made = keep(ports, operator, timeout_seconds=60, max_concurrent_runs=1)
    assert keep(ports, operator, timeout_seconds=60, max_concurrent_runs=1) == made
    tag_job(ports, admin, "nightly", {"team": "a"})
    changed = keep(ports, operator, timeout_seconds=90)
    assert (changed.timeout_seconds, changed.max_concurrent_runs, changed.tags) == (90, 1, {"team": "a"})
    assert changed.created_at == made.created_at
    assert ports.jobs.get("acme", "nightly") == changed


def test_a_job_of_somebody_else_is_left_alone(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name="nightly", door="glue")
    with pytest.raises(ConflictError, match="glue"):
        keep(ports, admin, timeout_seconds=60)
    assert ports.jobs.get("acme", "nightly").timeout_seconds != 60  # type: ignore[union-attr]


def test_who_may_not_start_runs_has_no_job_made(ports: Ports, admin: Principal) -> None:
    with pytest.raises(AccessDeniedError):
        keep(ports, admin.model_copy(update={"role": Role.READER}))
    with pytest.raises(InvalidInputError):
        keep(ports, admin, timeout_seconds=0)
    assert ports.jobs.get("acme", "nightly") is None


@pytest.mark.parametrize("method", ["add", "change"])
def test_who_loses_against_another_finds_what_that_one_wrote(
    ports: Ports, admin: Principal, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    if method == "change":
        keep(ports, admin, timeout_seconds=30)
    write = getattr(ports.jobs, method)

    def lose(job: Job) -> None:
        monkeypatch.setattr(ports.jobs, method, write)
        write(job)
        raise AlreadyExistsError("taken") if method == "add" else ConflictError("changed")

    monkeypatch.setattr(ports.jobs, method, lose)
    assert keep(ports, admin, timeout_seconds=60).timeout_seconds == 60


def test_a_report_of_a_failure_may_say_what_kind_it_was(ports: Ports, admin: Principal) -> None:
    keep(ports, admin)
    told = []
    for code in ("InvalidCredentialsError", None):
        run = start_run(ports, admin, StartRequest("nightly", "flows"))
        dispatch_run(ports, run.org, run.job, run.run_id, "token")
        run = ports.runs.get(run.org, run.job, run.run_id) or run
        told.append(report_run(ports, admin, run, RunState.FAILED, message="no", error_code=code).error_code)
    assert told == ["InvalidCredentialsError", Failed("no").error_code]
