"""Starts that are told more: tokens, layers of arguments, tries of a former run, refusals, notices of delay."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobruns.access import Principal
from jobruns.errors import AlreadyExistsError, ConcurrentRunsExceededError, InvalidInputError, NotFoundError
from jobruns.ids import job_run_id, plain_job_run_id, previous_job_run_id
from jobruns.lifecycle import TimedOut
from jobruns.run import BookmarkOption, Predecessor, Run, RunState, TriggerKind
from jobruns.service.definitions import define_job, find_job, replace_job, tag_job
from jobruns.service.lookups import find_job_run, find_run, list_events, list_job_runs
from jobruns.service.ports import ExecutionStatus, Ports
from jobruns.service.reconciliation import reconcile_runs
from jobruns.service.reports import report_run
from jobruns.service.settlement import dispatch_run, finish_run, settle_run
from jobruns.service.starts import TOKEN_SECONDS, StartRequest, load_arguments, record_refused, start_run
from jobruns.service.stops import stop_run
from tests.integration.doubles import Clock, RecordingMachine

Calls = Callable[[], Counter[str]]


def define(ports: Ports, principal: Principal, **fields: Any) -> None:
    define_job(ports, principal, **{"name": "nightly", "door": "test", **fields})


def start(ports: Ports, principal: Principal, **fields: Any) -> Run:
    return start_run(ports, principal, StartRequest(job="nightly", door="test", **fields))


def fail(ports: Ports, run: Run) -> Run:
    dispatch_run(ports, run.org, run.job, run.run_id, "token")
    system = Principal(org=run.org, name="worker", role="admin")
    report_run(ports, system, find_run(ports, system, run.run_id), RunState.FAILED, message="told")
    return settle_run(ports, run.org, run.job, run.run_id, TimedOut("unused"))


def test_a_start_repeated_with_its_token_is_the_same_run_at_the_price_of_the_same_transaction(
    ports: Ports, admin: Principal, machine: RecordingMachine, calls: Calls
) -> None:
    define(ports, admin, max_concurrent_runs=1)
    first = start(ports, admin, token="t-1")
    calls()
    assert start(ports, admin, token="t-1") == first, "although the job is at its limit"
    assert calls() == {"GetItem": 2, "TransactWriteItems": 1}
    assert [run.run_id for run in list_job_runs(ports, admin, "nightly").runs] == [first.run_id]
    assert set(machine.started) == {first.run_id}


def test_a_token_is_its_callers_its_jobs_and_for_a_while(
    ports: Ports, admin: Principal, stranger: Principal, clock: Clock
) -> None:
    define(ports, admin)
    define(ports, admin, name="hourly")
    define(ports, stranger)
    first = start(ports, admin, token="t-1")
    colleague = admin.model_copy(update={"name": "JRAKOTHER"})
    others = [
        start(ports, admin, token="t-2"),
        start(ports, colleague, token="t-1"),
        start(ports, stranger, token="t-1"),
        start_run(ports, admin, StartRequest(job="hourly", door="test", token="t-1")),
    ]
    clock.sleep(TOKEN_SECONDS + 1)
    others.append(start(ports, admin, token="t-1"))
    assert len({run.run_id for run in (first, *others)}) == 6


def test_a_start_that_queues_is_repeated_by_its_token_too(ports: Ports, admin: Principal) -> None:
    define(ports, admin, max_concurrent_runs=1)
    start(ports, admin)
    waiting = start(ports, admin, token="t", queueing=True)
    assert waiting.state is RunState.WAITING
    assert start(ports, admin, token="t", queueing=True).run_id == waiting.run_id
    assert len(list_job_runs(ports, admin, "nightly").runs) == 2


def test_the_same_token_sent_many_times_at_once_starts_one_run(ports: Ports, admin: Principal) -> None:
    define(ports, admin)
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: start(ports, admin, token="t"), range(16)))
    assert len({run.run_id for run in runs}) == 1
    assert len(list_job_runs(ports, admin, "nightly").runs) == 1


def test_the_caller_says_whether_the_run_queues_and_the_job_only_where_he_does_not(
    ports: Ports, admin: Principal
) -> None:
    define(ports, admin, max_concurrent_runs=1, queueing=True)
    start(ports, admin)
    assert start(ports, admin).state is RunState.WAITING
    with pytest.raises(ConcurrentRunsExceededError):
        start(ports, admin, queueing=False)


def test_arguments_of_the_job_give_way_to_the_callers_and_its_fixed_ones_do_not(ports: Ports, admin: Principal) -> None:
    define(
        ports,
        admin,
        arguments={"--mode": "full", "--day": "today", "--org": "mine"},
        fixed_arguments={"--org": "acme"},
    )
    run = start(ports, admin, arguments={"--day": "monday", "--org": "other"})
    assert run.arguments == {"--mode": "full", "--day": "monday", "--org": "acme"}


def test_what_a_run_does_with_the_bookmark_is_read_from_its_arguments(ports: Ports, admin: Principal) -> None:
    define(ports, admin, arguments={"--job-bookmark-option": "job-bookmark-enable"})
    assert start(ports, admin).bookmark_option is BookmarkOption.ENABLE
    paused = start(ports, admin, arguments={"--job-bookmark-option": "job-bookmark-pause"})
    assert find_run(ports, admin, paused.run_id).bookmark_option is BookmarkOption.PAUSE
    with pytest.raises(InvalidInputError, match="job-bookmark-enable, job-bookmark-disable, job-bookmark-pause"):
        start(ports, admin, arguments={"--job-bookmark-option": "yes"})


def test_a_former_run_is_tried_again_with_its_arguments_whatever_became_of_it(ports: Ports, admin: Principal) -> None:
    define(ports, admin, arguments={"--mode": "full"})
    large = {"--list": "x" * 5000}
    first = fail(ports, start(ports, admin, arguments=large))
    again = start(ports, admin, previous=first)
    assert (again.attempt, again.previous_run_id, again.root_run_id) == (2, first.run_id, again.run_id)
    assert load_arguments(ports, again) == {"--mode": "full", **large}
    assert load_arguments(ports, start(ports, admin, previous=again, arguments={"--day": "2"})) == {
        "--mode": "full",
        "--day": "2",
    }


def test_an_automatic_retry_is_found_by_the_first_runs_id_and_its_number(
    ports: Ports, admin: Principal, calls: Calls
) -> None:
    define(ports, admin, max_retries=2)
    first = fail(ports, start(ports, admin))
    second = fail(ports, list_job_runs(ports, admin, "nightly").runs[0])
    third = list_job_runs(ports, admin, "nightly").runs[0]
    spelled = [job_run_id(run) for run in (first, second, third)]
    assert spelled == [spelled[0], f"{spelled[0]}_attempt_1", f"{spelled[0]}_attempt_2"]
    assert [previous_job_run_id(run) for run in (first, second, third)] == [None, *spelled[:2]]
    calls()
    found = find_job_run(ports, admin, "nightly", spelled[0])
    assert calls() == {"GetItem": 1}
    assert found.run_id == first.run_id
    assert [find_job_run(ports, admin, "nightly", text).run_id for text in spelled[1:]] == [
        second.run_id,
        third.run_id,
    ]
    assert calls() == {"GetItem": 4}


@pytest.mark.parametrize("spoil", [lambda text: f"{text}_attempt_7", lambda text: text[:-1] + "x", lambda text: "jr_1"])
def test_an_id_that_no_run_of_the_job_has_is_not_found(
    ports: Ports, admin: Principal, stranger: Principal, spoil: Callable[[str], str]
) -> None:
    define(ports, admin)
    define(ports, admin, name="hourly")
    run = start(ports, admin)
    for who, job, text in (
        (admin, "nightly", spoil(job_run_id(run))),
        (admin, "hourly", job_run_id(run)),
        (stranger, "nightly", job_run_id(run)),
    ):
        with pytest.raises(NotFoundError, match="id 'jr_"):
            find_job_run(ports, who, job, text)


def test_a_retry_is_also_found_by_its_own_id(ports: Ports, admin: Principal) -> None:
    define(ports, admin, max_retries=1)
    first = fail(ports, start(ports, admin))
    retry = list_job_runs(ports, admin, "nightly").runs[0]
    assert find_job_run(ports, admin, "nightly", plain_job_run_id(retry.run_id)) == retry
    assert previous_job_run_id(retry) == job_run_id(first)


def test_a_run_nobody_could_start_is_in_the_history_once_and_never_due(
    ports: Ports, admin: Principal, machine: RecordingMachine, clock: Clock
) -> None:
    request = StartRequest(
        job="gone",
        door="test",
        run_id="01a1fba8-d3d3-7e99-bb70-b94945b18a25",
        trigger=TriggerKind.CONDITION,
        trigger_name="after-load",
        predecessors=[Predecessor(job="load", run_id="r")],
    )
    for _ in range(2):
        run = record_refused(ports, admin, request, "JobNotFound", "there is no job named 'gone'")
    stored = find_run(ports, admin, run.run_id)
    assert (stored.state, stored.error_code, stored.message) == (
        RunState.FAILED,
        "JobNotFound",
        "there is no job named 'gone'",
    )
    assert stored.predecessors == (Predecessor(job="load", run_id="r"),)
    assert [event.kind for event in list_events(ports, admin, run.run_id)] == ["Refused"]
    clock.sleep(10**6)
    assert list(ports.runs.due(ports.clock(), 10)) == []
    assert machine.started == []


def test_a_run_that_takes_long_is_told_once_and_goes_on(
    ports: Ports, admin: Principal, machine: RecordingMachine, clock: Clock
) -> None:
    define(ports, admin, notify_after_seconds=600)
    run = start(ports, admin)
    dispatch_run(ports, run.org, run.job, run.run_id, "token")
    machine.statuses[run.run_id] = ExecutionStatus.RUNNING
    clock.sleep(500)
    assert reconcile_runs(ports).notified == []
    clock.sleep(200)
    assert reconcile_runs(ports).notified == [run.run_id]
    clock.sleep(200)
    assert reconcile_runs(ports).notified == []
    now = find_run(ports, admin, run.run_id)
    assert now.state is RunState.RUNNING
    assert now.notified_at is not None
    kinds = [event.kind for event in list_events(ports, admin, run.run_id)]
    assert kinds == ["Submitted", "Begun", "Delayed"]


def test_who_stopped_a_run_is_told_and_what_its_worker_said_is_in_the_history(ports: Ports, admin: Principal) -> None:
    define(ports, admin, heartbeat_seconds=60)
    run = start(ports, admin)
    dispatch_run(ports, run.org, run.job, run.run_id, "token")
    stopping = stop_run(ports, admin, find_run(ports, admin, run.run_id))
    assert stopping.state is RunState.STOPPING
    ended = report_run(ports, admin, stopping, RunState.SUCCEEDED, message="all done")
    assert (ended.state, ended.message) == (RunState.STOPPED, "stopped by JRAKADMIN")
    assert list_events(ports, admin, run.run_id)[-1].message == "all done"
    finish_run(ports, ended, "test")
    assert find_run(ports, admin, run.run_id).settled


def test_a_worker_may_report_that_it_was_stopped_whether_or_not_anybody_asked_here(
    ports: Ports, admin: Principal
) -> None:
    define(ports, admin, heartbeat_seconds=60)
    unasked, asked = (start(ports, admin) for _ in range(2))
    for run in (unasked, asked):
        dispatch_run(ports, run.org, run.job, run.run_id, "token")
    stale = find_run(ports, admin, asked.run_id)
    stop_run(ports, admin, stale)
    ended = report_run(ports, admin, find_run(ports, admin, unasked.run_id), RunState.STOPPED, message="pod evicted")
    assert (ended.state, ended.message) == (RunState.STOPPED, "pod evicted")
    ended = report_run(ports, admin, stale, RunState.STOPPED, message="pod evicted")
    assert (ended.state, ended.message) == (RunState.STOPPED, "stopped by JRAKADMIN")


def test_defining_the_same_job_again_is_no_error_where_the_answer_may_have_been_lost(
    ports: Ports, admin: Principal, clock: Clock
) -> None:
    define(ports, admin, repeatable=True, max_retries=1)
    made = find_job(ports, admin, "nightly")
    clock.sleep(60)
    define(ports, admin, repeatable=True, max_retries=1)
    assert find_job(ports, admin, "nightly") == made
    with pytest.raises(AlreadyExistsError):
        define(ports, admin, repeatable=True, max_retries=2)


def test_replacing_a_job_clears_what_is_not_said_and_keeps_its_tags_and_birthday(
    ports: Ports, admin: Principal, clock: Clock
) -> None:
    define(ports, admin, max_retries=1, tags={"team": "a"}, description="old")
    was = find_job(ports, admin, "nightly")
    clock.sleep(60)
    replace_job(ports, admin, was, door="test", max_concurrent_runs=3)
    job = find_job(ports, admin, "nightly")
    assert (job.max_retries, job.description, job.max_concurrent_runs) == (0, None, 3)
    assert (job.tags, job.created_at, job.version) == ({"team": "a"}, was.created_at, 2)
    assert job.modified_at > was.modified_at


def test_tags_come_and_go_and_are_bounded(ports: Ports, admin: Principal) -> None:
    define(ports, admin, tags={"a": "1", "b": "2"})
    tag_job(ports, admin, "nightly", {"b": "3", "c": "4"}, untag=["a", "never"])
    assert find_job(ports, admin, "nightly").tags == {"b": "3", "c": "4"}
    with pytest.raises(InvalidInputError, match="50"):
        tag_job(ports, admin, "nightly", {f"k{number}": "" for number in range(49)})
    assert len(find_job(ports, admin, "nightly").tags) == 2
