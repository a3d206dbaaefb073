"""What triggers start: along a chain, by the clock, by hand; once, and recorded when it cannot be."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.errors import AccessDeniedError, ConcurrentRunsExceededError, UnavailableError
from jobruns.lifecycle import Succeeded, TimedOut
from jobruns.run import Run, RunState, TriggerKind
from jobruns.service.activation import activate_trigger, deactivate_trigger
from jobruns.service.definitions import delete_job
from jobruns.service.firing import fire_on_demand
from jobruns.service.reconciliation import reconcile_runs
from jobruns.service.retries import retry_run
from jobruns.service.settlement import settle_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.transitions import move
from jobruns.service.triggers import delete_trigger, find_trigger, start_trigger
from jobruns.trigger import Trigger, Watched
from tests.integration.doubles import RecordingMachine, RecordingSchedules
from tests.integration.triggers.conftest import Site

Calls = Callable[[], Counter[str]]


def chain(site: Site, **fields: int) -> None:
    """Three jobs, each started by the success of the one before, the first by a schedule."""
    site.jobs("extract", "clean", "load", **fields)
    site.conditional("then clean", [("extract", "SUCCEEDED")], "clean", logical=None)
    site.conditional("then load", [("clean", "SUCCEEDED")], "load", logical=None)


def test_a_chain_begun_by_a_schedule_ends_with_the_right_predecessors(site: Site) -> None:
    chain(site)
    [extract] = site.fire(site.scheduled("nightly", "extract"))
    assert (extract.trigger, extract.trigger_name, extract.predecessors) == (TriggerKind.SCHEDULE, "nightly", ())
    site.end(extract)
    [clean] = site.runs("clean")
    assert (clean.trigger, clean.trigger_name, clean.state) == (
        TriggerKind.CONDITION,
        "then clean",
        RunState.STARTING,
    )
    assert [(entry.job, entry.run_id) for entry in clean.predecessors] == [("extract", extract.run_id)]
    assert site.runs("load") == []
    site.end(clean)
    [load] = site.runs("load")
    assert [(entry.job, entry.run_id) for entry in load.predecessors] == [("clean", clean.run_id)]
    site.end(load)
    assert [len(site.runs(job)) for job in ("extract", "clean", "load")] == [1, 1, 1]


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT"])
def test_a_second_that_does_not_succeed_stops_the_chain(site: Site, state: str) -> None:
    chain(site)
    site.conditional("alarm", [("clean", state)], "mend")
    site.jobs("mend")
    [extract] = site.fire(site.scheduled("nightly", "extract"))
    site.end(extract)
    site.end(site.runs("clean")[0], state)
    assert site.runs("load") == []
    assert site.told_of("mend") == [("alarm", ["clean"])]


def test_the_chain_goes_on_from_the_retry_that_succeeds_and_no_retried_failure_is_heard(site: Site) -> None:
    chain(site, max_retries=1)
    site.conditional("alarm", [("clean", "FAILED")], "mend")
    [extract] = site.fire(site.scheduled("nightly", "extract"))
    site.end(extract)
    site.end(site.runs("clean")[0], "FAILED")
    first, again = site.runs("clean")
    assert (again.trigger_name, again.previous_run_id) == ("then clean", first.run_id)
    site.end(again)
    assert site.told_of("load") == [("then load", ["clean"])]
    assert [entry.run_id for entry in site.runs("load")[0].predecessors] == [again.run_id]
    assert site.runs("mend") == []


def test_a_failure_is_heard_once_no_retry_is_left(site: Site) -> None:
    site.jobs("clean", "mend", max_retries=1)
    site.conditional("alarm", [("clean", "FAILED")], "mend")
    [first] = site.fire(site.scheduled("nightly", "clean"))
    site.end(first, "FAILED")
    assert site.runs("mend") == []
    site.end(site.runs("clean")[1], "FAILED")
    assert [entry.run_id for entry in site.runs("mend")[0].predecessors] == [site.runs("clean")[1].run_id]


def test_a_run_somebody_started_fires_nothing_unless_all_are_watched(site: Site) -> None:
    chain(site)
    request = StartRequest(job="extract", door="test")
    site.end(start_run(site.ports, site.admin, request))
    assert site.runs("clean") == []
    site.ports = replace(site.ports, watched=Watched.ALL)
    site.end(start_run(site.ports, site.admin, request))
    assert site.told_of("clean") == [("then clean", ["extract"])]


def test_a_retry_by_hand_takes_up_the_chain_where_it_broke(site: Site) -> None:
    chain(site)
    [extract] = site.fire(site.scheduled("nightly", "extract"))
    failed = site.end(extract, "FAILED")
    site.end(retry_run(site.ports, site.admin, failed))
    assert site.told_of("clean") == [("then clean", ["extract"])]


def test_only_triggered_runs_pay_for_triggers(site: Site, calls: Calls) -> None:
    site.jobs("extract", "clean")
    nightly = site.scheduled("nightly", "extract")

    def spent(run: Run) -> Counter[str]:
        site.report(run)
        calls()
        settle_run(site.ports, run.org, run.job, run.run_id, TimedOut("late"))
        return calls()

    alone = spent(start_run(site.ports, site.admin, StartRequest(job="extract", door="test")))
    assert alone == {"GetItem": 1, "UpdateItem": 1}
    assert spent(site.fire(nightly)[0]) - alone == {"Query": 1}
    site.conditional("then clean", [("extract", "SUCCEEDED")], "clean")
    assert spent(site.fire(nightly)[0]) - alone == {"Query": 1, "GetItem": 2, "TransactWriteItems": 1}


def test_and_waits_for_all_names_all_and_begins_anew(site: Site) -> None:
    site.jobs("left", "right", "join")
    both = site.scheduled("nightly", "left", "right")
    site.conditional("join", [("left", "SUCCEEDED"), ("right", "SUCCEEDED")], "join")
    for count in (1, 2):
        left, right = site.fire(both)
        site.end(right)
        assert len(site.runs("join")) == count - 1
        site.end(left)
        newest = site.runs("join")[-1]
        assert [entry.run_id for entry in newest.predecessors] == [left.run_id, right.run_id]
    trigger = find_trigger(site.ports, site.admin, "join")
    assert (trigger.memory, trigger.firings) == ((), ())


def test_any_fires_for_each(site: Site) -> None:
    site.jobs("left", "right", "next")
    site.conditional("next", [("left", "SUCCEEDED"), ("right", "FAILED")], "next", logical="ANY")
    left, right = site.fire(site.scheduled("nightly", "left", "right"))
    site.end(left)
    site.end(right, "FAILED")
    assert site.told_of("next") == [("next", ["left"]), ("next", ["right"])]


@pytest.mark.parametrize("logical", ["AND", "ANY"])
def test_settling_again_fires_nothing_twice(site: Site, logical: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site.jobs("left", "right", "join")
    site.conditional("join", [("left", "SUCCEEDED"), ("right", "SUCCEEDED")], "join", logical=logical)
    runs = site.fire(site.scheduled("nightly", "left", "right"))
    # The mark that a run is settled is what keeps it from being settled again: it is lost here.
    monkeypatch.setattr(type(site.ports.runs), "mark_settled", lambda self, run: None)
    for run in runs:
        site.report(run)
    for run in [*runs, *runs, *runs[::-1]]:
        site.settle(run)
    assert len(site.runs("join")) == (1 if logical == "AND" else 2)


def test_what_was_decided_but_not_started_is_started_by_the_next_settlement(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.jobs("left", "right", "join")
    site.conditional("join", [("left", "SUCCEEDED"), ("right", "SUCCEEDED")], "join")
    left, right = site.fire(site.scheduled("nightly", "left", "right"))
    site.end(left)
    site.report(right)
    create = type(site.ports.runs).create
    monkeypatch.setattr(type(site.ports.runs), "create", _unavailable)
    with pytest.raises(UnavailableError):
        site.settle(right)
    assert find_trigger(site.ports, site.admin, "join").firings
    monkeypatch.setattr(type(site.ports.runs), "create", create)
    site.clock.sleep(60)
    assert right.run_id in reconcile_runs(site.ports).settled
    assert site.told_of("join") == [("join", ["left", "right"])]
    assert find_trigger(site.ports, site.admin, "join").firings == ()


def test_of_two_settlements_at_once_the_second_starts_what_the_first_died_before(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.jobs("left", "right", "join")
    site.conditional("join", [("left", "SUCCEEDED"), ("right", "SUCCEEDED")], "join")
    left, right = site.fire(site.scheduled("nightly", "left", "right"))
    site.end(left)
    remember = type(site.ports.triggers).remember

    def outpaced(store: Any, trigger: Trigger, run: Run) -> bool:
        remember(store, trigger, run)
        return remember(store, trigger, run)

    monkeypatch.setattr(type(site.ports.triggers), "remember", outpaced)
    site.end(right)
    assert site.told_of("join") == [("join", ["left", "right"])]
    assert find_trigger(site.ports, site.admin, "join").firings == ()


def _unavailable(*_: object, **__: object) -> None:
    raise UnavailableError("no answer")


@pytest.mark.parametrize("how", ["deactivated", "deleted", "deactivated after a part"])
def test_an_inactive_trigger_fires_nothing_also_of_what_it_had_heard(site: Site, how: str) -> None:
    site.jobs("left", "right", "join")
    site.conditional("join", [("left", "SUCCEEDED"), ("right", "SUCCEEDED")], "join")
    left, right = site.fire(site.scheduled("nightly", "left", "right"))
    if how == "deactivated after a part":
        site.end(left)
    if how == "deleted":
        delete_trigger(site.ports, site.admin, "join")
    else:
        deactivate_trigger(site.ports, site.admin, "join")
    if how != "deactivated after a part":
        site.end(left)
    site.report(right)
    if how == "deactivated":
        # It ended before the trigger was activated again: it is told too late.
        activate_trigger(site.ports, site.admin, "join")
    site.settle(right)
    assert site.runs("join") == []


def test_two_calls_of_one_time_are_one_firing_and_another_time_is_another(site: Site) -> None:
    site.jobs("extract", "clean")
    nightly = site.scheduled("nightly", "extract", "clean")
    first = site.fire(nightly)
    assert [run.run_id for run in site.fire_again(nightly)] == [run.run_id for run in first]
    assert len(site.runs("extract")) == 1
    site.fire(nightly)
    assert [len(site.runs(job)) for job in ("extract", "clean")] == [2, 2]


@pytest.mark.parametrize("how", ["deactivated", "deleted", "activated anew", "deleted and made again"])
def test_a_schedule_that_is_no_longer_the_triggers_fires_nothing_and_is_removed(
    site: Site, schedules: RecordingSchedules, how: str
) -> None:
    site.jobs("extract")
    old = site.scheduled("nightly", "extract")
    if how.startswith("deleted"):
        delete_trigger(site.ports, site.admin, "nightly")
    else:
        deactivate_trigger(site.ports, site.admin, "nightly")
    if how == "activated anew":
        activate_trigger(site.ports, site.admin, "nightly")
    if how == "deleted and made again":
        site.scheduled("nightly", "extract")
    left_behind = old.model_copy()
    schedules.put(left_behind)
    now = set(schedules.held)
    assert site.fire(left_behind) == []
    assert site.runs("extract") == []
    assert now - set(schedules.held) == {old.activation_id}


def test_a_job_that_is_gone_leaves_a_run_that_tells_of_it(site: Site) -> None:
    site.jobs("extract", "clean")
    site.conditional("then clean", [("extract", "SUCCEEDED")], "clean")
    nightly = site.scheduled("nightly", "extract", "absent")
    delete_job(site.ports, site.admin, "clean")
    extract, absent = site.fire(nightly)
    site.end(extract)
    [clean] = site.runs("clean")
    for run in (absent, clean):
        assert (run.state, run.error_code, run.settled) == (RunState.FAILED, "JobNotFound", True)
        assert run.job in str(run.message)
    assert [entry.job for entry in clean.predecessors] == ["extract"]
    site.jobs("absent")
    assert site.fire_again(nightly)[1].run_id == absent.run_id


def test_at_the_limit_the_clock_records_a_refusal_and_a_condition_waits(site: Site) -> None:
    site.jobs("extract", "clean", max_concurrent_runs=1)
    site.jobs("queued", max_concurrent_runs=1, queueing=True)
    site.conditional("then clean", [("extract", "SUCCEEDED")], "clean")
    nightly = site.scheduled("nightly", "extract", "queued")
    start_run(site.ports, site.admin, StartRequest(job="clean", door="test"))
    extract, queued = site.fire(nightly)
    refused, waiting = site.fire(nightly)
    assert (queued.state, waiting.state) == (RunState.STARTING, RunState.WAITING)
    assert (refused.state, refused.error_code) == (RunState.FAILED, "ConcurrentRunsExceeded")
    site.end(extract)
    assert [run.state for run in site.runs("clean")] == [RunState.STARTING, RunState.WAITING]


def test_what_the_job_does_not_allow_is_recorded_too(site: Site) -> None:
    site.jobs("extract")
    actions = [{"job": "extract", "arguments": {"--job-bookmark-option": "perhaps"}}]
    [refused] = site.fire(site.scheduled("nightly", actions=actions))
    assert (refused.error_code, refused.arguments) == ("InvalidInput", {"--job-bookmark-option": "perhaps"})


def test_an_action_says_more_than_the_job(site: Site) -> None:
    site.jobs("extract", arguments={"--day": "today", "--mode": "fast"}, timeout_seconds=600)
    action = {
        "job": "extract",
        "arguments": {"--day": "yesterday"},
        "timeout_seconds": 120,
        "notify_after_seconds": 60,
        "extra": {"test": {"seen": True}},
    }
    [run] = site.fire(site.scheduled("nightly", actions=[action]))
    assert run.arguments == {"--day": "yesterday", "--mode": "fast"}
    assert (run.timeout_seconds, run.notify_after_seconds, run.extra) == (120, 60, {"test": {"seen": True}})


def test_by_hand_it_fires_now_and_once_for_each_token(site: Site, admin: Principal) -> None:
    site.jobs("left", "right", "join")
    site.trigger("now", "ON_DEMAND", "left", "left", "right")
    site.conditional("join", [("right", "SUCCEEDED")], "join")
    for token in ("one", "one", None, None, "two"):
        assert start_trigger(site.ports, admin, "now", token).name == "now"
    assert (len(site.runs("left")), len(site.runs("right"))) == (8, 4)
    run = site.runs("right")[0]
    assert (run.trigger, run.started_by, run.predecessors) == (TriggerKind.DEMAND, admin.name, ())
    site.end(run)
    assert site.told_of("join") == [("join", ["right"])]
    with pytest.raises(AccessDeniedError):
        start_trigger(site.ports, admin.model_copy(update={"role": Role.READER}), "now")


def test_by_hand_it_is_refused_when_nothing_can_be_started_and_else_recorded(site: Site) -> None:
    site.jobs("busy", max_concurrent_runs=1)
    site.jobs("free")
    start_run(site.ports, site.admin, StartRequest(job="busy", door="test"))
    alone = site.trigger("alone", "ON_DEMAND", "busy", "absent")
    with pytest.raises(ConcurrentRunsExceededError, match="busy"):
        fire_on_demand(site.ports, site.admin, alone)
    assert [len(site.runs(job)) for job in ("busy", "absent")] == [1, 0]
    several = site.trigger("several", "ON_DEMAND", "busy", "free", "absent")
    found = [(run.job, run.state, run.error_code) for run in fire_on_demand(site.ports, site.admin, several)]
    assert found == [
        ("busy", RunState.FAILED, "ConcurrentRunsExceeded"),
        ("free", RunState.STARTING, None),
        ("absent", RunState.FAILED, "JobNotFound"),
    ]


def test_a_cycle_starts_one_run_for_each_end(site: Site, machine: RecordingMachine) -> None:
    site.jobs("ping", "pong")
    site.conditional("to pong", [("ping", "SUCCEEDED")], "pong")
    site.conditional("to ping", [("pong", "SUCCEEDED")], "ping")
    site.fire(site.scheduled("serve", "ping"))
    for turn in range(4):
        [live] = [run for job in ("ping", "pong") for run in site.runs(job) if not run.state.terminal]
        assert live.job == ("ping", "pong")[turn % 2]
        site.end(live)
    assert len(machine.started) == 5


def test_another_org_of_the_same_names_hears_nothing(site: Site, stranger: Principal) -> None:
    site.jobs("extract", "clean")
    [extract] = site.fire(site.scheduled("nightly", "extract"))
    theirs = replace(site, admin=stranger)
    theirs.jobs("extract", "clean")
    theirs.conditional("then clean", [("extract", "SUCCEEDED")], "clean")
    site.end(extract)
    assert site.runs("clean") == theirs.runs("clean") == []


def test_a_run_ended_by_loss_is_heard_too(site: Site) -> None:
    site.jobs("extract", "mend")
    site.conditional("alarm", [("extract", "FAILED")], "mend")
    [extract] = site.fire(site.scheduled("nightly", "extract"))
    move(site.ports, extract, Succeeded(), "test")
    site.clock.sleep(60)
    reconcile_runs(site.ports)
    assert site.runs("mend") == []
    [lost] = site.fire(find_trigger(site.ports, site.admin, "nightly"))
    site.report(lost, "FAILED")
    site.clock.sleep(60)
    reconcile_runs(site.ports)
    assert site.told_of("mend") == [("alarm", ["extract"])]
