"""Several runs are told otherwise, or deleted, by one call: none where the ledger refuses one of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from jobruns.access import Principal, Role
from jobruns.errors import AccessDeniedError, GoneError, IllegalTransitionError, InvalidInputError
from jobruns.lifecycle import Failed
from jobruns.run import Executor, Outcome, Run, RunState
from jobruns.service.corrections import (
    MAX_TOGETHER,
    Retelling,
    check_deletable,
    check_retellings,
    delete_run,
    delete_runs,
    retell_run,
    retell_runs,
)
from jobruns.service.definitions import define_job
from jobruns.service.lookups import find_run, list_job_runs
from jobruns.service.ports import Ports
from jobruns.service.settlement import settle_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.stops import stop_run
from tests.integration.kills import Kill, KilledError
from tests.integration.ledger.reported import at, tell

Calls = Callable[[], Counter[str]]
JOB = "detectors"
GOING, WELL, BADLY = Outcome.GOING, Outcome.SUCCEEDED, Outcome.FAILED


def now(ports: Ports, admin: Principal, runs: list[Run]) -> list[Run]:
    return [find_run(ports, admin, run.run_id) for run in runs]


def test_each_run_is_told_its_own_in_one_transaction(ports: Ports, admin: Principal, calls: Calls) -> None:
    runs = [tell(ports, admin, outcome, 1, 2) for outcome in (GOING, WELL, BADLY)]
    calls()
    told = retell_runs(ports, admin, [Retelling(run, {"records": place}, BADLY) for place, run in enumerate(runs)])
    assert calls() == {"TransactWriteItems": 3}
    assert [(run.run_id, run.outcome, run.records) for run in told] == [
        (run.run_id, BADLY, place) for place, run in enumerate(runs)
    ]
    assert now(ports, admin, runs) == told
    assert retell_runs(ports, admin, []) == []


def test_what_is_refused_of_one_is_told_of_none(ports: Ports, admin: Principal, calls: Calls) -> None:
    define_job(ports, admin, name="load", executor=Executor.INGEST, target="t", door="test")
    define_job(ports, admin, name="nightly", door="test", max_concurrent_runs=1, queueing=True)
    load, _, waiting = (
        start_run(ports, admin, StartRequest(job=job, door="test")) for job in ("load", "nightly", "nightly")
    )
    failed = start_run(ports, admin, StartRequest(job="load", door="test"))
    settle_run(ports, "acme", "load", failed.run_id, Failed("broken"))
    failed = find_run(ports, admin, failed.run_id)
    going, over = tell(ports, admin, GOING, 1), tell(ports, admin, WELL, 1, 2)
    calls()
    for refused, error in (
        (Retelling(over, {}, GOING), IllegalTransitionError),
        (Retelling(waiting, {}, WELL), IllegalTransitionError),
        (Retelling(load, {}, WELL), IllegalTransitionError),
        (Retelling(load, {"records": 1}), IllegalTransitionError),
        (Retelling(failed, {}, WELL), IllegalTransitionError),
        (Retelling(going, {"message": "x" * 40_000}, WELL), InvalidInputError),
        (Retelling(going, {"state": "SUCCEEDED"}), InvalidInputError),
    ):
        with pytest.raises(error):
            retell_runs(ports, admin, [Retelling(going, {"records": 1}, WELL), refused])
    for kept in (going, load):
        with pytest.raises(IllegalTransitionError):
            delete_runs(ports, admin, [over, kept])
    with pytest.raises(InvalidInputError, match=str(MAX_TOGETHER)):
        check_deletable(admin, [over] * (MAX_TOGETHER + 1))
    assert calls() == {}, "nothing is asked for what can be told from the runs as they are"
    assert now(ports, admin, [going, over]) == [going, over]


def test_what_the_check_lets_through_the_ledger_takes(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name="nightly", door="test", max_concurrent_runs=1, queueing=True)
    first, waiting = (start_run(ports, admin, StartRequest(job="nightly", door="test")) for _ in range(2))
    stopping = stop_run(ports, admin, tell(ports, admin, start=1))
    retellings = [
        Retelling(waiting, {"message": "soon"}),
        Retelling(waiting, {}, BADLY),
        Retelling(stopping, {"reported_end_at": at(3)}, WELL),
        Retelling(first, {}, WELL),
    ]
    assert check_retellings(admin, retellings) == retellings
    told = retell_runs(ports, admin, retellings)
    assert [run.state for run in told] == [RunState.WAITING, RunState.FAILED, RunState.STOPPED, RunState.SUCCEEDED]


def test_a_run_that_was_deleted_meanwhile_is_left_out(ports: Ports, admin: Principal) -> None:
    going, over, last = tell(ports, admin, GOING, 1), tell(ports, admin, WELL, 1, 2), tell(ports, admin, WELL, 3, 4)
    delete_run(ports, admin, over)
    with pytest.raises(GoneError):
        retell_run(ports, admin, over, {"records": 2})
    told = retell_runs(ports, admin, [Retelling(run, {"records": 2}) for run in (going, over, last)])
    assert [run.run_id for run in told] == [going.run_id, last.run_id]
    assert [run.run_id for run in delete_runs(ports, admin, [over, last])] == [over.run_id, last.run_id]
    assert [run.run_id for run in list_job_runs(ports, admin, JOB).runs] == [going.run_id]


def test_who_may_tell_and_who_may_delete(ports: Ports, admin: Principal) -> None:
    run = tell(ports, admin, WELL, 1, 2)
    reporter, reader = (admin.model_copy(update={"role": role}) for role in (Role.REPORTER, Role.READER))
    retell_runs(ports, reporter, [Retelling(run, {"records": 1})])
    for act in (
        lambda: retell_runs(ports, reader, []),
        lambda: check_retellings(reader, []),
        lambda: delete_runs(ports, reporter, []),
    ):
        with pytest.raises(AccessDeniedError):
            act()


def test_a_repeat_of_what_was_killed_tells_the_rest(ports: Ports, admin: Principal, kill: Kill) -> None:
    runs = [tell(ports, admin, WELL, minute, minute + 1) for minute in range(3)]
    retellings = [Retelling(run, {"records": 5}, BADLY) for run in runs]
    kill.arm(3, "before")
    with pytest.raises(KilledError):
        retell_runs(ports, admin, retellings)
    kill.disarm()
    assert [run.outcome for run in now(ports, admin, runs)] == [BADLY, BADLY, WELL]
    again = [replace(retelling, run=run) for retelling, run in zip(retellings, now(ports, admin, runs), strict=True)]
    assert {(run.outcome, run.records) for run in retell_runs(ports, admin, again)} == {(BADLY, 5)}
    kill.arm(2, "after")
    with pytest.raises(KilledError):
        delete_runs(ports, admin, now(ports, admin, runs))
    kill.disarm()
    delete_runs(ports, admin, [retelling.run for retelling in again])
    assert list_job_runs(ports, admin, JOB).runs == []
