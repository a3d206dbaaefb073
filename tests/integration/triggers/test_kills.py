"""Firing and activating killed at each AWS call, before or after its effect: each fires once, none is lost."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest

from jobruns.aws.schedules import EventSchedules
from jobruns.errors import AlreadyExistsError
from jobruns.service.activation import complete_triggers, deactivate_trigger
from jobruns.service.reconciliation import reconcile_runs
from jobruns.service.triggers import delete_trigger, find_trigger, list_triggers, replace_trigger
from jobruns.trigger import Action, TriggerState
from tests.integration.kills import Kill, KilledError
from tests.integration.triggers.conftest import DAILY, Site

MAX_CALLS = 40
GROUP = "stack-triggers"
FIRE = "arn:aws:lambda:us-east-1:123456789012:function:fire"

moments = pytest.mark.parametrize("when", ["before", "after"])


def walk(kill: Kill, when: str, attempt: Callable[[int], Any], check: Callable[[int], None]) -> int:
    """Kill at one call after another until there are no more. Return how many there were."""
    for nth in range(1, MAX_CALLS):
        kill.arm(nth, when)
        try:
            attempt(nth)
        except KilledError:
            kill.nth = 0
        struck = kill.seen >= nth
        kill.disarm()
        check(nth)
        if not struck:
            return nth - 1
    return pytest.fail(f"it makes more than {MAX_CALLS} calls")


@pytest.mark.parametrize(
    ("logical", "when"),
    [
        ("AND", "before"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("AND", "after"), ("ANY", "before"), ("ANY", "after"))
        ),
    ],
)
def test_the_end_of_a_run_fires_once(site: Site, kill: Kill, when: str, logical: str) -> None:
    site.jobs("left", "right", "join", "tell")
    site.conditional("join", [("left", "SUCCEEDED"), ("right", "SUCCEEDED")], "join", "tell", logical=logical)
    nightly = site.scheduled("nightly", "left", "right")
    seen: list[str] = []

    def attempt(nth: int) -> None:
        kill.paused = True
        left, right = site.fire(nightly)
        if logical == "AND":
            site.end(left)
        else:
            site.clock.sleep(1)
        site.report(right)
        seen.append(right.run_id)
        kill.paused = False
        site.settle(right)

    def check(nth: int) -> None:
        # Nobody calls settle a second time: reconcile finds what was left undone.
        site.clock.sleep(60)
        reconcile_runs(site.ports)
        for job in ("join", "tell"):
            runs = site.runs(job)
            assert len(runs) == nth, kill.calls[nth - 1]
            assert runs[-1].predecessors[-1].run_id == seen[-1], kill.calls[nth - 1]
        trigger = find_trigger(site.ports, site.admin, "join")
        assert (trigger.memory, trigger.firings) == ((), ()), kill.calls[nth - 1]

    assert walk(kill, when, attempt, check) > 7


@moments
def test_a_schedules_call_starts_each_action_once(site: Site, kill: Kill, when: str) -> None:
    site.jobs("extract")
    site.jobs("busy", max_concurrent_runs=1)
    nightly = site.scheduled("nightly", "extract", "busy", "absent")
    site.fire(nightly)

    def attempt(nth: int) -> None:
        site.fire(nightly)

    def check(nth: int) -> None:
        site.fire_again(nightly)
        for job, code in (("extract", None), ("busy", "ConcurrentRunsExceeded"), ("absent", "JobNotFound")):
            runs = site.runs(job)
            assert len(runs) == 1 + nth, kill.calls[nth - 1]
            assert runs[-1].error_code == code, kill.calls[nth - 1]

    assert walk(kill, when, attempt, check) > 6


@pytest.fixture
def scheduling(site: Site) -> Site:
    """A site whose schedules are those of the emulated EventBridge Scheduler."""
    boto3.client("scheduler").create_schedule_group(Name=GROUP)
    site.ports = replace(site.ports, schedules=EventSchedules(GROUP, FIRE, "arn:aws:iam::1:role/r", "arn:aws:sqs:::d"))
    return site


def scheduled(site: Site) -> set[str]:
    found = boto3.client("scheduler").list_schedules(GroupName=GROUP)["Schedules"]
    return {entry["Name"] for entry in found}


@moments
def test_making_a_trigger_again_repairs_it_and_so_does_reconcile(scheduling: Site, kill: Kill, when: str) -> None:
    site = scheduling

    def attempt(nth: int) -> None:
        site.scheduled(f"nightly {nth}", "extract")

    def check(nth: int) -> None:
        if nth % 2:
            site.clock.sleep(60)
            complete_triggers(site.ports)
            try:
                site.scheduled(f"nightly {nth}", "extract")
            except AlreadyExistsError:
                pytest.fail("the same again is refused")
        site.scheduled(f"nightly {nth}", "extract")
        trigger = find_trigger(site.ports, site.admin, f"nightly {nth}")
        assert trigger.state is TriggerState.ACTIVATED, kill.calls[nth - 1]
        assert trigger.activation_id in scheduled(site), kill.calls[nth - 1]
        assert len(scheduled(site)) == nth, kill.calls[nth - 1]

    assert walk(kill, when, attempt, check) > 2


@moments
@pytest.mark.parametrize("how", ["stopped", "replaced", "deleted"])
def test_nothing_fires_by_what_a_kill_left_behind(scheduling: Site, kill: Kill, when: str, how: str) -> None:
    site = scheduling
    site.jobs("extract")
    was = site.scheduled("nightly 1", "extract")

    def change(nth: int) -> None:
        name = f"nightly {nth}"
        match how:
            case "stopped":
                deactivate_trigger(site.ports, site.admin, name)
            case "replaced":
                actions = (Action(job="extract"),)
                replace_trigger(site.ports, site.admin, name, schedule="rate(1 hour)", actions=actions)
            case "deleted":
                delete_trigger(site.ports, site.admin, name)

    def check(nth: int) -> None:
        nonlocal was
        change(nth)
        # What is left of the old schedule calls once more, and is gone by that.
        site.fire(was)
        assert site.runs("extract") == [], kill.calls[nth - 1]
        for trigger in list_triggers(site.ports, site.admin):
            assert trigger.state is (TriggerState.ACTIVATED if how == "replaced" else TriggerState.DEACTIVATED)
            assert trigger.schedule == ("rate(1 hour)" if how == "replaced" else DAILY)
        active = {t.activation_id for t in list_triggers(site.ports, site.admin) if t.activation_id}
        assert scheduled(site) == active, kill.calls[nth - 1]
        was = site.scheduled(f"nightly {nth + 1}", "extract")

    assert walk(kill, when, change, check) > 2
