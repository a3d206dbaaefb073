"""Runs are told otherwise: more of them, another outcome, or that they are not to be there; the history says so."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.errors import AccessDeniedError, IllegalTransitionError, InvalidInputError, NotFoundError
from jobruns.lifecycle import Failed, TimedOut
from jobruns.run import Executor, Outcome, Run, RunState
from jobruns.run_order import RunOrder
from jobruns.service.corrections import DELETED, delete_run, retell_run
from jobruns.service.definitions import define_job
from jobruns.service.lookups import find_run, list_events, list_job_runs
from jobruns.service.ports import Ports
from jobruns.service.reconciliation import reconcile_runs
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.stops import stop_run
from jobruns.service.views import (
    find_last_success,
    find_numbered_run,
    find_numbered_runs,
    list_org_runs,
    list_summaries,
)
from jobruns.service.work import conclude_work
from jobruns.trigger import Watched
from tests.integration.doubles import Clock, RecordingMachine
from tests.integration.kills import Kill, KilledError
from tests.integration.ledger.reported import at, tell
from tests.integration.triggers.conftest import Site

Calls = Callable[[], Counter[str]]
JOB = "detectors"
GOING, WELL, BADLY = Outcome.GOING, Outcome.SUCCEEDED, Outcome.FAILED


def begun(ports: Ports, admin: Principal, **fields: Any) -> Run:
    run = tell(ports, admin, start=1, **fields)
    dispatch_run(ports, run.org, JOB, run.run_id, "token")
    return find_run(ports, admin, run.run_id)


def settled(ports: Ports, admin: Principal, run: Run) -> Run:
    settle_run(ports, run.org, run.job, run.run_id, TimedOut("unused"))
    return find_run(ports, admin, run.run_id)


def happened(ports: Ports, admin: Principal, run: Run) -> list[str]:
    return [event.kind for event in list_events(ports, admin, run.run_id) if event.applied]


def test_a_worker_ends_its_run_and_says_all_of_it_in_one_transaction(
    ports: Ports, admin: Principal, machine: RecordingMachine, calls: Calls
) -> None:
    run = begun(ports, admin)
    calls()
    told = {"reported_end_at": at(5), "message": "line\n" * 2_000, "records": 12}
    after = retell_run(ports, admin, run, told, WELL)
    assert calls() == {"TransactWriteItems": 1}
    assert machine.ended == [run.run_id]
    assert find_run(ports, admin, run.run_id) == after
    assert (after.state, after.end_at, after.records, after.message) == (
        RunState.SUCCEEDED,
        at(5),
        12,
        "line\n" * 2_000,
    )
    assert after.ended_at is not None
    assert after.ended_at > at(5)


def test_what_is_not_told_stays_as_it_was(ports: Ports, admin: Principal) -> None:
    run = begun(ports, admin, message="begun", source="here", records=3)
    after = retell_run(ports, admin, run, {}, BADLY)
    assert (after.state, after.message, after.source, after.records) == (RunState.FAILED, "begun", "here", 3)
    assert after.end_at == after.ended_at
    silent = retell_run(ports, admin, tell(ports, admin), {"message": None}, BADLY)
    assert silent.message is None


def test_telling_it_again_changes_nothing_but_the_machine_hears_of_it(
    ports: Ports, admin: Principal, machine: RecordingMachine, calls: Calls
) -> None:
    run = begun(ports, admin)
    told = {"reported_end_at": at(5), "records": 1}
    after = retell_run(ports, admin, run, told, WELL)
    calls()
    assert retell_run(ports, admin, after, told, WELL) == after
    assert retell_run(ports, admin, after, {}) == after
    assert calls() == {}
    assert machine.ended == [run.run_id] * 3, "the first may have died before it told it"
    done = settled(ports, admin, after)
    retell_run(ports, admin, done, told, WELL)
    assert len(machine.ended) == 3


def test_a_run_is_told_more_of_while_it_goes(ports: Ports, admin: Principal) -> None:
    run = begun(ports, admin)
    after = retell_run(ports, admin, run, {"message": "half of it", "records": 6, "reported_start_at": at(0)}, GOING)
    assert (after.state, after.message, after.records, after.start_at) == (RunState.RUNNING, "half of it", 6, at(0))
    assert happened(ports, admin, run) == ["Submitted", "Begun", "Amended"]
    assert list_events(ports, admin, run.run_id)[-1].was == {
        "message": None,
        "records": None,
        "reported_start_at": "2018-06-17T00:01:00Z",
    }
    assert [row.start_at for row in list_summaries(ports, admin, JOB, RunOrder(until=at(0))).summaries] == [at(0)]
    assert [found.run_id for found in list_org_runs(ports, admin, RunOrder(until=at(0))).runs] == [run.run_id]


def test_a_waiting_run_that_is_told_more_of_keeps_its_place(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name="nightly", door="test", max_concurrent_runs=1, queueing=True)
    first = start_run(ports, admin, StartRequest(job="nightly", door="test"))
    waiting = start_run(ports, admin, StartRequest(job="nightly", door="test"))
    retell_run(ports, admin, waiting, {"message": "soon"})
    assert ports.runs.queued("acme", "nightly", 10) == [waiting.run_id]
    with pytest.raises(IllegalTransitionError, match="WAITING"):
        retell_run(ports, admin, waiting, {}, WELL)
    stop_run(ports, admin, first)
    settled(ports, admin, first)
    admitted = find_run(ports, admin, waiting.run_id)
    assert (admitted.state, admitted.message) == (RunState.STARTING, "soon")


@pytest.mark.parametrize("end", [RunState.SUCCEEDED, RunState.FAILED, RunState.TIMEOUT, RunState.STOPPED])
@pytest.mark.parametrize("to", [WELL, BADLY])
def test_an_outcome_is_corrected_in_one_transaction_and_that_is_an_event(
    ports: Ports, admin: Principal, calls: Calls, end: RunState, to: Outcome
) -> None:
    run = begun(ports, admin)
    if end is RunState.STOPPED:
        stop_run(ports, admin, run)
    elif end is RunState.TIMEOUT:
        settle_run(ports, run.org, JOB, run.run_id, TimedOut("too long"))
    else:
        retell_run(ports, admin, run, {"records": 4}, end.outcome)
    before = settled(ports, admin, run)
    assert before.state is end
    calls()
    after = retell_run(ports, admin, before, {"message": "so it was"}, to)
    assert calls() == {"TransactWriteItems": 1}
    assert find_run(ports, admin, run.run_id) == after
    assert after.outcome is to
    assert after.ended_at == before.ended_at
    assert after.settled
    assert happened(ports, admin, run)[-1] == ("Amended" if before.outcome is to else "Corrected")
    rows = list_summaries(ports, admin, JOB, RunOrder(outcomes=frozenset({to}))).summaries
    assert [row.message for row in rows] == ["so it was"]
    assert len(list_summaries(ports, admin, JOB, RunOrder()).summaries) == 1
    assert reconcile_runs(ports).settled == []


def test_what_has_ended_does_not_go_on(ports: Ports, admin: Principal) -> None:
    run = tell(ports, admin, WELL, 1, 2)
    with pytest.raises(IllegalTransitionError, match="does not go on"):
        retell_run(ports, admin, run, {}, GOING)
    assert find_run(ports, admin, run.run_id) == run


def test_a_report_that_comes_after_the_ledger_gave_the_run_up_corrects_it(ports: Ports, admin: Principal) -> None:
    run = begun(ports, admin)
    settle_run(ports, run.org, JOB, run.run_id, TimedOut("too long"))
    after = retell_run(ports, admin, run, {"reported_end_at": at(9)}, WELL)
    assert (after.state, after.end_at, after.error_code) == (RunState.SUCCEEDED, at(9), None)
    assert happened(ports, admin, run)[-2:] == ["TimedOut", "Corrected"]
    correction = list_events(ports, admin, run.run_id)[-1]
    assert (correction.actor, correction.state) == (admin.name, RunState.SUCCEEDED)
    assert correction.was == {
        "state": "TIMEOUT",
        "message": "too long",
        "error_code": "Timeout",
        "reported_end_at": None,
    }


def test_a_run_that_is_being_stopped_is_stopped_whatever_its_worker_says(ports: Ports, admin: Principal) -> None:
    run = begun(ports, admin)
    stop_run(ports, admin, run, "enough")
    after = retell_run(ports, admin, run, {"reported_end_at": at(9), "records": 3, "message": "done"}, WELL)
    assert (after.state, after.records, after.end_at, after.message) == (RunState.STOPPED, 3, at(9), "enough")
    assert after.outcome is BADLY


def test_of_two_that_tell_it_at_once_the_last_word_counts_and_both_are_on_record(
    ports: Ports, admin: Principal
) -> None:
    run = settled(ports, admin, retell_run(ports, admin, begun(ports, admin), {}, WELL))
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda records: retell_run(ports, admin, run, {"records": records}, BADLY), [1, 2]))
    now = find_run(ports, admin, run.run_id)
    assert now.state is RunState.FAILED
    assert now in told
    assert happened(ports, admin, run)[-2:] == ["Corrected", "Amended"]


def test_somebody_who_read_it_before_a_correction_still_has_the_last_word(ports: Ports, admin: Principal) -> None:
    read = tell(ports, admin, WELL, 1, 2)
    retell_run(ports, admin, read, {"records": 9}, BADLY)
    after = retell_run(ports, admin, read, {"message": "it was well"}, WELL)
    assert (after.state, after.message) == (RunState.SUCCEEDED, "it was well")


@pytest.mark.parametrize("executor", [Executor.INGEST, Executor.PYTHON_SCRIPT, Executor.NOOP])
def test_how_the_runs_of_this_service_go_is_its_own_to_say(ports: Ports, admin: Principal, executor: Executor) -> None:
    define_job(ports, admin, name="load", executor=executor, target="t", door="test")
    run = start_run(ports, admin, StartRequest(job="load", door="test"))
    dispatch_run(ports, run.org, "load", run.run_id, None) if executor is not Executor.PYTHON_SCRIPT else None
    going = find_run(ports, admin, run.run_id)
    with pytest.raises(IllegalTransitionError, match=str(executor)):
        retell_run(ports, admin, going, {}, WELL)
    settle_run(ports, run.org, "load", run.run_id, Failed("broken"))
    failed = find_run(ports, admin, run.run_id)
    for told, outcome in (({}, WELL), ({"records": 3}, None), ({"reported_end_at": at(1)}, BADLY)):
        with pytest.raises(IllegalTransitionError, match=str(executor)):
            retell_run(ports, admin, failed, told, outcome)
    noted = retell_run(ports, admin, failed, {"message": "seen to", "counts": False})
    assert (noted.message, noted.counts, noted.state) == ("seen to", False, RunState.FAILED)


def test_a_load_says_how_many_rows_it_left_in_the_table(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name="load", executor=Executor.INGEST, target="t", door="test")
    for metrics, records in (({"rows_loaded": 7, "snapshot_id": "1"}, 7), ({"rows_loaded": 7}, 0)):
        run = start_run(ports, admin, StartRequest(job="load", door="test"))
        dispatch_run(ports, run.org, "load", run.run_id, "token")
        conclude_work(ports, find_run(ports, admin, run.run_id), metrics=metrics)
        assert find_run(ports, admin, run.run_id).records == records


def test_a_load_says_where_rows_come_from_and_go_to(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name="load", executor=Executor.INGEST, target="t", door="test")
    arguments = {"--source": "s3://landing/day/", "--table": "city.trips"}
    run = start_run(ports, admin, StartRequest(job="load", door="test", arguments=arguments))
    assert (run.source, run.destination) == ("s3://landing/day/", "city.trips")
    silent = start_run(ports, admin, StartRequest(job="load", door="test", arguments={"--source": 3}))
    assert (silent.source, silent.destination) == (None, None)


def test_what_followed_from_an_end_does_not_follow_again_from_its_correction(
    ports: Ports, admin: Principal, clock: Clock
) -> None:
    site = Site(replace(ports, watched=Watched.ALL), admin, clock)
    site.jobs("next")
    site.jobs(JOB, max_retries=1)
    site.conditional("well", [(JOB, "SUCCEEDED")], "next")
    run = settled(site.ports, admin, retell_run(site.ports, admin, begun(site.ports, admin), {}, WELL))
    assert len(site.runs("next")) == 1
    wrong = retell_run(site.ports, admin, run, {}, BADLY)
    settled(site.ports, admin, wrong)
    retell_run(site.ports, admin, wrong, {}, WELL)
    clock.sleep(60)
    reconcile_runs(site.ports)
    assert len(site.runs("next")) == 1
    assert len(site.runs(JOB)) == 1


def test_what_was_corrected_before_it_was_settled_is_settled_as_it_was_corrected(
    ports: Ports, admin: Principal
) -> None:
    define_job(ports, admin, name=JOB, door="test", max_retries=1)
    run = retell_run(ports, admin, begun(ports, admin), {}, BADLY)
    settled(ports, admin, retell_run(ports, admin, run, {}, WELL))
    assert len(list_job_runs(ports, admin, JOB).runs) == 1, "a success is not tried again"


def test_who_may_tell_a_run_otherwise_and_who_may_delete_it(
    ports: Ports, admin: Principal, stranger: Principal
) -> None:
    run = tell(ports, admin, WELL, 1, 2)
    reporter, reader = (admin.model_copy(update={"role": role}) for role in (Role.REPORTER, Role.READER))
    retell_run(ports, reporter, run, {"records": 1})
    for act in (lambda: retell_run(ports, reader, run, {}), lambda: delete_run(ports, reporter, run)):
        with pytest.raises(AccessDeniedError):
            act()
    with pytest.raises(InvalidInputError, match="state"):
        retell_run(ports, admin, run, {"state": "SUCCEEDED"})


def test_a_deleted_run_is_nowhere_but_in_its_history(ports: Ports, admin: Principal, calls: Calls) -> None:
    kept, run = tell(ports, admin, WELL, 1, 2), tell(ports, admin, WELL, 3, 4)
    calls()
    delete_run(ports, admin, run)
    assert calls() == {"TransactWriteItems": 1}
    for job in (JOB, None):
        with pytest.raises(NotFoundError):
            find_run(ports, admin, run.run_id, job=job)
    with pytest.raises(NotFoundError):
        find_numbered_run(ports, admin, 2)
    assert find_numbered_runs(ports, admin, [1, 2]) == {1: kept}
    assert list_job_runs(ports, admin, JOB).runs == list_org_runs(ports, admin, RunOrder()).runs == [kept]
    assert [row.number for row in list_summaries(ports, admin, JOB, RunOrder()).summaries] == [1]
    last = find_last_success(ports, admin, JOB)
    assert last is not None
    assert last.number == 1
    history = list_events(ports, admin, run.run_id)
    assert [(event.kind, event.actor) for event in history] == [("Reported", admin.name), (DELETED, admin.name)]
    assert delete_run(ports, admin, run).run_id == run.run_id, "deleting it again is no error"
    assert len(list_events(ports, admin, run.run_id)) == 2
    assert tell(ports, admin, WELL).number == 3, "its number is not given out again"


def test_a_run_that_has_not_been_settled_is_settled_before_it_is_deleted(
    ports: Ports, admin: Principal, clock: Clock
) -> None:
    define_job(ports, admin, name=JOB, door="test", max_retries=1)
    run = retell_run(ports, admin, begun(ports, admin), {}, BADLY)
    delete_run(ports, admin, run)
    [retry] = list_job_runs(ports, admin, JOB).runs
    assert retry.previous_run_id == run.run_id
    assert settle_run(ports, run.org, JOB, run.run_id, TimedOut("late")) is None
    clock.sleep(60)
    assert run.run_id not in reconcile_runs(ports).failed


def test_what_is_unfinished_or_was_done_here_is_not_deleted(ports: Ports, admin: Principal) -> None:
    run = begun(ports, admin)
    with pytest.raises(IllegalTransitionError, match="RUNNING"):
        delete_run(ports, admin, run)
    define_job(ports, admin, name="load", executor=Executor.NOOP, door="test")
    ours = start_run(ports, admin, StartRequest(job="load", door="test"))
    settle_run(ports, ours.org, "load", ours.run_id, Failed("broken"))
    with pytest.raises(IllegalTransitionError, match="noop"):
        delete_run(ports, admin, find_run(ports, admin, ours.run_id))


def test_a_deletion_meets_a_correction_and_deletes_what_that_made(ports: Ports, admin: Principal) -> None:
    run = tell(ports, admin, WELL, 1, 2)
    retell_run(ports, admin, run, {}, BADLY)
    assert delete_run(ports, admin, run).state is RunState.FAILED
    assert list_job_runs(ports, admin, JOB).runs == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_call_of_a_deletion_and_repeated_the_run_is_gone_and_what_followed_from_it_is_done(
    ports: Ports, admin: Principal, kill: Kill, when: str
) -> None:
    died = 0
    for nth in range(1, 20):
        job = f"job-{nth}"
        define_job(ports, admin, name=job, door="test", max_retries=1, max_concurrent_runs=1)
        run = retell_run(ports, admin, tell(ports, admin, job=job), {}, BADLY)
        kill.arm(nth, when)
        try:
            delete_run(ports, admin, run)
        except KilledError:
            died += 1
        finally:
            kill.disarm()
        if died < nth:
            break
        delete_run(ports, admin, run)
        [retry] = list_job_runs(ports, admin, job).runs
        assert (retry.previous_run_id, retry.state) == (run.run_id, RunState.STARTING)
        assert happened(ports, admin, run) == ["Submitted", "Failed", DELETED]
    assert died == nth - 1 >= 5
