"""When a trigger fires, whatever the order in which runs end and however often it is told."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobruns.errors import InvalidInputError
from jobruns.run import Predecessor, Run, RunState
from jobruns.trigger import (
    MAX_ACTIONS,
    MAX_CONDITIONS,
    WATCHABLE,
    Trigger,
    TriggerState,
    activate,
    check_trigger,
    completed,
    deactivate,
    observe,
    replaced,
)
from tests.unit.core.runs import NOW, make_run

DAILY = "cron(0 3 * * ? *)"
JOBS = ("extract", "clean", "load")

conditions = st.lists(st.tuples(st.sampled_from(JOBS), st.sampled_from(WATCHABLE)), min_size=1, max_size=4)


def ended(job: str, state: RunState = RunState.SUCCEEDED, number: int = 1, **fields: Any) -> Run:
    """Make a run of a job that has ended; numbers sort by age."""
    run_id = f"{number:08d}-0000-7000-8000-000000000000"
    at = NOW + timedelta(seconds=number)
    given: dict[str, Any] = {"job": job, "run_id": run_id, "root_run_id": run_id, "started_at": NOW, "ended_at": at}
    return make_run(state, **{**given, **fields})


ends = st.lists(st.tuples(st.sampled_from([*JOBS, "other"]), st.sampled_from(WATCHABLE)), max_size=30).map(
    lambda told: [ended(job, state, number) for number, (job, state) in enumerate(told)]
)


def make_trigger(type_: str = "CONDITIONAL", **fields: Any) -> Trigger:
    given: dict[str, Any] = {
        "org": "o",
        "name": "after",
        "trigger_id": "t",
        "type": type_,
        "actions": [{"job": "report"}],
        "door": "test",
        "created_at": NOW,
        "modified_at": NOW,
    }
    return Trigger(**{**given, **fields})


def waiting_for(*wanted: tuple[str, RunState], logical: str | None = "AND", **fields: Any) -> Trigger:
    found = [{"job": job, "state": state} for job, state in wanted]
    trigger = make_trigger(predicate={"logical": logical, "conditions": found}, **fields)
    return activate(trigger, NOW, "first")


def tell(trigger: Trigger, runs: list[Run]) -> tuple[Trigger, list[Run]]:
    """Tell a trigger of ends as the service does: it hears of each run once. Return the runs whose end fired it."""
    fired, heard = [], set()
    for run in runs:
        seen = observe(trigger, run)
        changed = seen.after is not trigger
        if changed and run.run_id in heard:
            continue
        if changed:
            heard.add(run.run_id)
        if seen.firing is not None or len(seen.after.firings) > len(trigger.firings):
            fired.append(run)
        trigger = seen.after
    return trigger, fired


@settings(max_examples=500, deadline=None)
@given(st.permutations(JOBS), st.integers(0, 3))
def test_and_fires_once_when_the_last_condition_is_met_whatever_the_order(order: list[str], noise: int) -> None:
    trigger = waiting_for(*((job, RunState.SUCCEEDED) for job in JOBS))
    runs = [ended(job, number=JOBS.index(job)) for job in order]
    runs[noise:noise] = [ended(JOBS[0], RunState.FAILED, 50), ended("other", number=51)]
    after, fired = tell(trigger, runs)
    assert len(fired) == 1
    [firing] = after.firings
    assert [entry.job for entry in firing.predecessors] == list(JOBS)
    assert {entry.run_id for entry in firing.predecessors} == {
        ended(job, number=JOBS.index(job)).run_id for job in JOBS
    }
    assert after.memory == ()


@settings(max_examples=1_000, deadline=None)
@given(conditions, ends)
def test_each_firing_of_and_consumes_each_condition_once(wanted: list[tuple[str, RunState]], runs: list[Run]) -> None:
    trigger = waiting_for(*wanted)
    if len(wanted) == 1:
        return
    after, fired = tell(trigger, runs)
    told = {run.run_id: run for run in runs}
    for firing in after.firings:
        met = {(told[entry.run_id].job, told[entry.run_id].state) for entry in firing.predecessors}
        assert met == set(wanted)
    for job, state in set(wanted):
        meeting = {run.run_id for run in runs if (run.job, run.state) == (job, state)}
        assert len(fired) <= len(meeting)
    identities = [firing.firing_id for firing in after.firings]
    assert len(set(identities)) == len(identities) == len(fired)


@settings(max_examples=500, deadline=None)
@given(conditions, ends)
def test_any_fires_for_each_run_that_meets_a_condition_and_remembers_nothing(
    wanted: list[tuple[str, RunState]], runs: list[Run]
) -> None:
    trigger = waiting_for(*wanted, logical="ANY")
    after, fired = tell(trigger, runs)
    assert after is trigger
    assert fired == [run for run in runs if (run.job, run.state) in wanted]
    for run in fired:
        firing = observe(trigger, run).firing
        assert firing is not None
        assert firing.predecessors == (Predecessor(job=run.job, run_id=run.run_id),)
        assert firing == observe(trigger, run).firing


@given(st.permutations(range(1, 6)))
def test_of_several_runs_that_meet_a_condition_the_newest_counts_in_any_order(order: list[int]) -> None:
    trigger = waiting_for(("extract", RunState.SUCCEEDED), ("load", RunState.SUCCEEDED))
    after, _ = tell(trigger, [*(ended("extract", number=number) for number in order), ended("load", number=9)])
    [firing] = after.firings
    assert [entry.run_id[:8] for entry in firing.predecessors] == ["00000005", "00000009"]


def test_one_run_may_meet_several_conditions_and_is_named_once() -> None:
    trigger = waiting_for(("load", RunState.SUCCEEDED), ("load", RunState.SUCCEEDED))
    [firing] = observe(trigger, ended("load")).after.firings
    assert len(firing.predecessors) == 1


@pytest.mark.parametrize("state", WATCHABLE)
def test_a_condition_is_met_by_its_own_end_only(state: RunState) -> None:
    trigger = waiting_for(("load", state), logical=None)
    fired = [end for end in WATCHABLE if observe(trigger, ended("load", end)).firing]
    assert fired == [state]
    assert observe(trigger, ended("other", state)).firing is None


def test_a_run_that_only_waited_meets_no_condition() -> None:
    trigger = waiting_for(("load", RunState.TIMEOUT), logical=None)
    assert observe(trigger, ended("load", RunState.TIMEOUT, started_at=None)).firing is None


@pytest.mark.parametrize("state", [state for state in TriggerState if state is not TriggerState.ACTIVATED])
def test_only_an_activated_trigger_fires(state: TriggerState) -> None:
    trigger = waiting_for(("load", RunState.SUCCEEDED)).model_copy(update={"state": state})
    assert observe(trigger, ended("load")).firing is None


def test_what_ended_before_a_trigger_was_activated_is_not_heard_however_late_it_is_told() -> None:
    trigger = waiting_for(("load", RunState.SUCCEEDED))
    again = activate(deactivate(trigger, NOW), NOW + timedelta(seconds=10), "second")
    assert observe(again, ended("load", number=9)).firing is None
    assert observe(again, ended("load", number=10)).firing is not None


def test_deactivating_forgets_what_was_heard_and_what_was_to_be_started() -> None:
    pair = (("extract", RunState.SUCCEEDED), ("load", RunState.SUCCEEDED))
    half, _ = tell(waiting_for(*pair), [ended("extract")])
    assert half.memory
    assert deactivate(half, NOW).memory == ()
    full, _ = tell(half, [ended("load", number=2)])
    assert full.firings
    assert deactivate(full, NOW).firings == ()


def test_another_predicate_forgets_what_the_first_had_heard_and_the_same_does_not() -> None:
    pair = (("extract", RunState.SUCCEEDED), ("load", RunState.SUCCEEDED))
    half, _ = tell(waiting_for(*pair), [ended("extract")])
    definition = {"predicate": half.predicate, "schedule": None, "actions": half.actions, "description": "other"}
    kept = replaced(half, NOW, "second", definition)
    assert (kept.memory, kept.description, kept.state) == (half.memory, "other", TriggerState.ACTIVATED)
    other = waiting_for(("clean", RunState.FAILED)).predicate
    assert replaced(half, NOW, "second", {**definition, "predicate": other}).memory == ()


def test_a_scheduled_trigger_waits_for_its_schedule_and_each_activation_has_an_id_of_its_own() -> None:
    created = make_trigger("SCHEDULED", schedule=DAILY)
    activating = activate(created, NOW, "first")
    assert (activating.state, activating.activation_id, activating.active) == (TriggerState.ACTIVATING, "first", True)
    assert activate(activating, NOW, "second") is activating
    active = completed(activating, NOW)
    assert active.state is TriggerState.ACTIVATED
    assert completed(active, NOW) is active
    leaving = deactivate(active, NOW)
    assert (leaving.state, leaving.activation_id, leaving.active) == (TriggerState.DEACTIVATING, "first", False)
    assert deactivate(leaving, NOW) is leaving
    gone = completed(leaving, NOW)
    assert (gone.state, gone.activation_id) == (TriggerState.DEACTIVATED, None)
    assert activate(gone, NOW, "second").activation_id == "second"


def test_another_schedule_is_another_activation_and_the_same_is_not() -> None:
    active = completed(activate(make_trigger("SCHEDULED", schedule=DAILY), NOW, "first"), NOW)
    definition = {"schedule": DAILY, "predicate": None, "actions": active.actions}
    assert replaced(active, NOW, "second", definition).activation_id == "first"
    moved = replaced(active, NOW, "second", {**definition, "schedule": "rate(1 hour)"})
    assert (moved.state, moved.activation_id) == (TriggerState.ACTIVATING, "second")
    created = make_trigger("SCHEDULED", schedule=DAILY)
    assert replaced(created, NOW, "second", {**definition, "schedule": "rate(1 hour)"}).state is TriggerState.CREATED


def test_a_trigger_never_activated_is_deactivated_at_once() -> None:
    assert deactivate(make_trigger("SCHEDULED", schedule=DAILY), NOW).state is TriggerState.DEACTIVATED


def test_a_trigger_on_demand_is_created_all_its_life() -> None:
    trigger = make_trigger("ON_DEMAND")
    assert activate(trigger, NOW, "first") is trigger
    assert deactivate(trigger, NOW) is trigger


ONE = {"job": "load", "state": "SUCCEEDED"}


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"type_": "SCHEDULED"}, "schedule", "needs one"),
        ({"type_": "SCHEDULED", "schedule": "0 3 * * *"}, "schedule", "schedule: "),
        ({"type_": "SCHEDULED", "schedule": "rate(1 minute)"}, "schedule", "5 minutes"),
        ({"type_": "SCHEDULED", "schedule": "cron(0 3 * * ? 2020)"}, "schedule", "never due"),
        ({}, "predicate", "at least one condition"),
        ({"predicate": {"logical": "AND"}}, "predicate", "at least one condition"),
        ({"predicate": {"conditions": [ONE, ONE]}}, "predicate", "AND or ANY"),
        ({"predicate": {"conditions": [ONE] * (MAX_CONDITIONS + 1), "logical": "AND"}}, "predicate", "500 at most"),
        (
            {"predicate": {"conditions": [{**ONE, "state": "RUNNING"}]}},
            "predicate",
            "conditions.0.state: must be one of",
        ),
        ({"predicate": {"conditions": [{**ONE, "job": "a\nb"}]}}, "predicate", "conditions.0.job"),
        ({"type_": "ON_DEMAND", "start_on_creation": True}, "start_on_creation", "started by hand"),
        ({"type_": "ON_DEMAND", "actions": []}, "actions", "1 to 50"),
        ({"type_": "ON_DEMAND", "actions": [{"job": "a"}] * (MAX_ACTIONS + 1)}, "actions", "1 to 50"),
        ({"type_": "ON_DEMAND", "actions": [{"job": ""}]}, "actions", "actions.0.job"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused_by_the_field(
    fields: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says) as refused:
        check_trigger(make_trigger(**fields), NOW)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {"type_": "SCHEDULED", "schedule": DAILY, "start_on_creation": True},
        {"predicate": {"conditions": [ONE]}},
        {"predicate": {"conditions": [ONE, ONE], "logical": "ANY"}, "start_on_creation": True},
        {"type_": "ON_DEMAND", "schedule": "nonsense without effect"},
    ],
)
def test_a_definition_that_makes_sense_is_not(fields: dict[str, Any]) -> None:
    check_trigger(make_trigger(**fields), NOW)
