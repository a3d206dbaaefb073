"""A job's margin: its runs have it from their start on, and so has whoever asks for the last success."""

import pytest

from jobruns.access import Principal, Role
from jobruns.errors import AccessDeniedError, InvalidInputError, NotFoundError
from jobruns.job import MAX_LOOK_BACK_SECONDS
from jobruns.run import Executor, Outcome
from jobruns.service.corrections import retell_run
from jobruns.service.definitions import define_job, find_job, replace_job, set_look_back
from jobruns.service.ports import Ports
from jobruns.service.settlement import settle_run
from jobruns.service.views import find_last_success
from tests.integration.ledger.reported import tell

JOB = "detectors"


def test_runs_have_the_margin_that_their_job_had_when_they_started(ports: Ports, admin: Principal) -> None:
    before = tell(ports, admin, Outcome.SUCCEEDED, 1, 2)
    set_look_back(ports, admin, JOB, 3600)
    last = find_last_success(ports, admin, JOB)
    assert last is not None
    assert (last.run_id, last.look_back_seconds) == (before.run_id, 0)
    going = tell(ports, admin, start=3)
    set_look_back(ports, admin, JOB, 60)
    retell_run(ports, admin, going, {}, Outcome.SUCCEEDED)
    last = find_last_success(ports, admin, JOB)
    assert last is not None
    assert (last.run_id, last.look_back_seconds) == (going.run_id, 3600)


def test_a_retry_has_the_margin_of_the_run_it_retries(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name=JOB, door="test", max_retries=1, look_back_seconds=5)
    run = retell_run(ports, admin, tell(ports, admin), {}, Outcome.FAILED)
    settle_run(ports, run.org, run.job, run.run_id, None)  # type: ignore[arg-type]  # it has ended
    [retry] = [found for found in ports.runs.of_job("acme", JOB, limit=5).runs if found.previous_run_id]
    assert retry.look_back_seconds == 5


def test_a_margin_outlasts_a_new_definition_unless_that_says_another(ports: Ports, admin: Principal) -> None:
    job = define_job(ports, admin, name=JOB, door="test", tags={"team": "etl"})
    job = set_look_back(ports, admin, JOB, 7)
    assert (job.version, job.tags, find_job(ports, admin, JOB)) == (2, {"team": "etl"}, job)
    job = replace_job(ports, admin, job, door="test", executor=Executor.NOOP)
    assert find_job(ports, admin, JOB).look_back_seconds == 7
    define_job(ports, admin, replace=True, name=JOB, door="test")
    assert find_job(ports, admin, JOB).look_back_seconds == 7
    define_job(ports, admin, replace=True, name=JOB, door="test", look_back_seconds=0)
    assert find_job(ports, admin, JOB).look_back_seconds == 0


def test_who_may_say_it_and_what(ports: Ports, admin: Principal) -> None:
    with pytest.raises(NotFoundError):
        set_look_back(ports, admin, JOB, 1)
    assert set_look_back(ports, admin, JOB, MAX_LOOK_BACK_SECONDS, define_as="test").executor is Executor.EXTERNAL
    for seconds in (-1, MAX_LOOK_BACK_SECONDS + 1):
        with pytest.raises(InvalidInputError, match="look_back_seconds"):
            set_look_back(ports, admin, JOB, seconds)
    with pytest.raises(AccessDeniedError):
        set_look_back(ports, admin.model_copy(update={"role": Role.OPERATOR}), JOB, 1)
