"""Triggers made, replaced, listed, tagged, started, stopped and deleted; and what a crash in between leaves."""

from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    InvalidInputError,
    NotFoundError,
    StaleWriteError,
    UnavailableError,
)
from jobruns.service.activation import activate_trigger, complete_triggers, deactivate_trigger
from jobruns.service.transitions import MAX_TRIES
from jobruns.service.triggers import (
    delete_trigger,
    find_trigger,
    find_triggers,
    list_triggers,
    replace_trigger,
    start_trigger,
    tag_trigger,
)
from jobruns.trigger import Action, Condition, Predicate, Trigger, TriggerState
from tests.integration.doubles import Clock, RecordingSchedules
from tests.integration.triggers.conftest import DAILY, Site

ACTIONS = (Action(job="clean"),)


def after(*jobs: str) -> Predicate:
    return Predicate(logical="AND", conditions=tuple(Condition(job=job, state="SUCCEEDED") for job in jobs))


def state_of(site: Site, name: str) -> TriggerState:
    return find_trigger(site.ports, site.admin, name).state


def test_what_is_made_is_read_as_it_was_made(site: Site) -> None:
    made = site.trigger(
        "nightly",
        "SCHEDULED",
        schedule=DAILY,
        start_on_creation=False,
        actions=[{"job": "absent", "arguments": {"--a": "b"}, "extra": {"test": {"Timeout": 5}}}],
        description="each night",
        tags={"team": "data"},
        extra={"test": {"Schedule": DAILY}},
    )
    assert find_trigger(site.ports, site.admin, "nightly") == made
    assert (made.state, made.activation_id, made.version) == (TriggerState.CREATED, None, 1)


def test_the_same_again_succeeds_and_another_of_the_name_does_not(site: Site, schedules: RecordingSchedules) -> None:
    first = site.scheduled("nightly", "extract", tags={"team": "data"})
    assert site.scheduled("nightly", "extract", tags={"team": "data"}) == find_trigger(
        site.ports, site.admin, "nightly"
    )
    assert list(schedules.held) == [first.activation_id]
    for other in ({"tags": {}}, {"schedule": "rate(1 hour)"}, {"start_on_creation": False}):
        with pytest.raises(AlreadyExistsError, match="nightly"):
            site.scheduled("nightly", "extract", **{"tags": {"team": "data"}, **other})
    assert list(schedules.held) == [first.activation_id]


@pytest.mark.parametrize(
    ("type_", "fields", "field"),
    [
        ("EVENT", {}, "type"),
        ("SCHEDULED", {"schedule": None}, "schedule"),
        ("SCHEDULED", {"schedule": "cron(* * * * * *)"}, "schedule"),
        ("CONDITIONAL", {}, "predicate"),
        ("CONDITIONAL", {"predicate": {"conditions": [{"job": "a", "state": "DONE"}]}}, "predicate.conditions.0.state"),
        ("ON_DEMAND", {"start_on_creation": True}, "start_on_creation"),
        ("ON_DEMAND", {"actions": [{"job": "a", "timeout_seconds": 0}]}, "actions.0.timeout_seconds"),
        ("ON_DEMAND", {"tags": {str(number): "" for number in range(51)}}, "tags"),
    ],
)
def test_nothing_is_written_of_a_definition_that_makes_no_sense(
    site: Site, schedules: RecordingSchedules, type_: str, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        site.trigger("wrong", type_, "extract", **fields)
    assert refused.value.field == field
    assert list_triggers(site.ports, site.admin) == []
    assert schedules.held == {}


def test_started_and_stopped_each_type_has_its_states(site: Site, schedules: RecordingSchedules) -> None:
    site.scheduled("nightly", "extract", start_on_creation=False)
    site.conditional("then", [("extract", "SUCCEEDED")], "clean", start_on_creation=False)
    site.trigger("now", "ON_DEMAND", "extract")
    for name in ("nightly", "then"):
        assert state_of(site, name) is TriggerState.CREATED
        for _ in range(2):
            start_trigger(site.ports, site.admin, name)
            assert state_of(site, name) is TriggerState.ACTIVATED
        for _ in range(2):
            deactivate_trigger(site.ports, site.admin, name)
            assert state_of(site, name) is TriggerState.DEACTIVATED
        start_trigger(site.ports, site.admin, name)
        assert state_of(site, name) is TriggerState.ACTIVATED
    nightly = find_trigger(site.ports, site.admin, "nightly")
    assert list(schedules.held) == [nightly.activation_id]
    deactivate_trigger(site.ports, site.admin, "now")
    assert state_of(site, "now") is TriggerState.CREATED


def test_a_schedule_that_is_not_written_in_time_is_written_by_the_same_again_or_by_reconcile(
    site: Site, schedules: RecordingSchedules, clock: Clock
) -> None:
    schedules.failure = UnavailableError("no answer")
    for name in ("made again", "started again", "left alone"):
        with pytest.raises(UnavailableError):
            site.scheduled(name, "extract")
        assert state_of(site, name) is TriggerState.ACTIVATING
    clock.sleep(60)
    assert complete_triggers(site.ports) == []
    schedules.failure = None
    site.scheduled("made again", "extract")
    activate_trigger(site.ports, site.admin, "started again")
    assert complete_triggers(site.ports) == ["left alone"]
    for name in ("made again", "started again", "left alone"):
        trigger = find_trigger(site.ports, site.admin, name)
        assert trigger.state is TriggerState.ACTIVATED
        assert str(trigger.activation_id) in schedules.held
    assert complete_triggers(site.ports) == []


def test_a_schedule_that_is_not_removed_in_time_fires_nothing_and_is_removed_later(
    site: Site, schedules: RecordingSchedules, clock: Clock
) -> None:
    stopped, deleted = site.scheduled("stopped", "extract"), site.scheduled("deleted", "extract")
    schedules.failure = UnavailableError("no answer")
    with pytest.raises(UnavailableError):
        deactivate_trigger(site.ports, site.admin, "stopped")
    with pytest.raises(UnavailableError):
        delete_trigger(site.ports, site.admin, "deleted")
    assert state_of(site, "stopped") is TriggerState.DEACTIVATING
    schedules.failure = None
    assert len(schedules.held) == 2
    assert site.fire(deleted) == []
    clock.sleep(60)
    assert complete_triggers(site.ports) == ["stopped"]
    assert site.fire(stopped) == []
    assert state_of(site, "stopped") is TriggerState.DEACTIVATED
    assert schedules.held == {}


def test_a_schedule_that_aws_refuses_leaves_no_new_trigger_and_an_old_one_inactive(
    site: Site, schedules: RecordingSchedules
) -> None:
    site.scheduled("old", "extract")
    schedules.failure = InvalidInputError("schedule: not taken", field="schedule")
    with pytest.raises(InvalidInputError):
        site.scheduled("new", "extract")
    with pytest.raises(NotFoundError):
        find_trigger(site.ports, site.admin, "new")
    with pytest.raises(InvalidInputError):
        replace_trigger(site.ports, site.admin, "old", schedule="rate(1 hour)", actions=ACTIONS)
    assert state_of(site, "old") is TriggerState.DEACTIVATED


def test_replacing_moves_the_schedule_and_keeps_state_tags_and_type(site: Site, schedules: RecordingSchedules) -> None:
    was = site.scheduled("nightly", "extract", description="old", tags={"team": "data"})
    now = replace_trigger(site.ports, site.admin, "nightly", schedule="rate(1 hour)", actions=ACTIONS)
    assert (now.state, now.schedule, now.actions) == (TriggerState.ACTIVATED, "rate(1 hour)", ACTIONS)
    assert (now.description, now.tags, now.type) == (None, was.tags, was.type)
    assert [trigger.schedule for trigger in schedules.held.values()] == ["rate(1 hour)"]
    assert find_trigger(site.ports, site.admin, "nightly") == now
    same = replace_trigger(site.ports, site.admin, "nightly", schedule="rate(1 hour)", actions=ACTIONS)
    assert list(schedules.held) == [same.activation_id] == [now.activation_id]
    deactivate_trigger(site.ports, site.admin, "nightly")
    replace_trigger(site.ports, site.admin, "nightly", schedule=DAILY, actions=ACTIONS)
    assert (state_of(site, "nightly"), schedules.held) == (TriggerState.DEACTIVATED, {})
    with pytest.raises(InvalidInputError, match="needs one"):
        replace_trigger(site.ports, site.admin, "nightly", actions=ACTIONS)
    with pytest.raises(InvalidInputError, match="actions"):
        replace_trigger(site.ports, site.admin, "nightly", schedule=DAILY)
    with pytest.raises(InvalidInputError, match="cannot be replaced"):
        replace_trigger(site.ports, site.admin, "nightly", schedule=DAILY, actions=ACTIONS, tags={})
    with pytest.raises(NotFoundError, match="absent"):
        replace_trigger(site.ports, site.admin, "absent", schedule=DAILY, actions=ACTIONS)


def test_replacing_and_deleting_change_what_is_watched(site: Site) -> None:
    watching = site.ports.triggers.watching
    site.conditional("then", [("a", "SUCCEEDED"), ("b", "FAILED"), ("b", "TIMEOUT")], "clean")
    site.conditional("other", [("b", "SUCCEEDED")], "clean")
    assert [watching("acme", job) for job in "abc"] == [["then"], ["other", "then"], []]
    replace_trigger(site.ports, site.admin, "then", predicate=after("b", "c"), actions=ACTIONS)
    assert [watching("acme", job) for job in "abc"] == [[], ["other", "then"], ["then"]]
    delete_trigger(site.ports, site.admin, "then")
    assert [watching("acme", job) for job in "abc"] == [[], ["other"], []]


def test_a_slow_deletion_takes_nothing_from_a_trigger_made_meanwhile(site: Site) -> None:
    old = site.conditional("then", [("a", "SUCCEEDED")], "clean")
    site.ports.triggers.remove(old)
    site.conditional("then", [("a", "SUCCEEDED")], "load")
    site.ports.triggers.remove(old)
    site.ports.triggers.unwatch(old, old.watched_jobs)
    assert find_trigger(site.ports, site.admin, "then").actions[0].job == "load"
    assert site.ports.triggers.watching("acme", "a") == ["then"]


def test_a_slow_replacement_takes_nothing_from_a_later_one(site: Site) -> None:
    site.conditional("then", [("a", "SUCCEEDED")], "clean")
    slow = replace_trigger(site.ports, site.admin, "then", predicate=after("b"), actions=ACTIONS)
    replace_trigger(site.ports, site.admin, "then", predicate=after("a"), actions=ACTIONS)
    site.ports.triggers.unwatch(slow, ["a"])
    assert site.ports.triggers.watching("acme", "a") == ["then"]


def test_many_jobs_are_watched(site: Site) -> None:
    jobs = [f"job-{number:03d}" for number in range(120)]
    site.conditional("then", [(job, "SUCCEEDED") for job in jobs], "clean")
    assert all(site.ports.triggers.watching("acme", job) == ["then"] for job in jobs)
    delete_trigger(site.ports, site.admin, "then")
    assert not any(site.ports.triggers.watching("acme", job) for job in jobs)


def test_a_change_meanwhile_is_not_lost(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.conditional("then", [("a", "SUCCEEDED")], "clean")
    change = type(site.ports.triggers).change
    rivals = [{"team": "data"}]

    def outpaced(store: Any, trigger: Trigger) -> None:
        if rivals:
            change(store, find_trigger(site.ports, site.admin, "then").amended(site.clock(), tags=rivals.pop()))
        change(store, trigger)

    monkeypatch.setattr(type(site.ports.triggers), "change", outpaced)
    replace_trigger(site.ports, site.admin, "then", predicate=after("b"), actions=ACTIONS)
    trigger = find_trigger(site.ports, site.admin, "then")
    assert (trigger.tags, trigger.watched_jobs) == ({"team": "data"}, {"b"})
    rivals += [{str(number): ""} for number in range(MAX_TRIES)]
    with pytest.raises(StaleWriteError, match="then"):
        replace_trigger(site.ports, site.admin, "then", predicate=after("c"), actions=ACTIONS)


def test_lists_go_by_name_in_pages_and_by_job_and_tags(site: Site) -> None:
    for number in range(7):
        tags = {"odd": str(number % 2), "all": "yes"}
        site.trigger(f"t{number}", "ON_DEMAND", "extract" if number < 4 else "load", tags=tags)
    names: list[str] = []
    while page := list_triggers(site.ports, site.admin, after=names[-1] if names else None, limit=3):
        names += [trigger.name for trigger in page]
    assert names == [f"t{number}" for number in range(7)]

    def named(**fields: Any) -> list[str]:
        return [trigger.name for trigger in list_triggers(site.ports, site.admin, **fields)]

    assert named(dependent_job="load") == ["t4", "t5", "t6"]
    assert named(dependent_job="load", after="t4", limit=1) == ["t5"]
    assert named(dependent_job="nobody's") == []
    assert named(tags={"odd": "1"}) == ["t1", "t3", "t5"]
    assert named(tags={"odd": "1", "all": "yes"}, dependent_job="extract") == ["t1", "t3"]
    assert named(tags={"odd": "1", "all": "no"}) == []
    found = find_triggers(site.ports, site.admin, ["t1", "absent", "t1", "t5"])
    assert sorted(found) == ["t1", "t5"]


def test_a_filtered_list_reads_on_until_it_is_full(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns.service.triggers._PAGE", 2)
    for number in range(6):
        site.trigger(f"t{number}", "ON_DEMAND", "load" if number in (3, 5) else "extract")
    found = list_triggers(site.ports, site.admin, dependent_job="load", limit=2)
    assert [trigger.name for trigger in found] == ["t3", "t5"]


def test_tags_are_added_changed_and_taken_away(site: Site) -> None:
    site.trigger("now", "ON_DEMAND", "extract", tags={"a": "1", "b": "2"})
    assert tag_trigger(site.ports, site.admin, "now", {"b": "3", "c": "4"}, ["a", "z"]).tags == {"b": "3", "c": "4"}
    with pytest.raises(InvalidInputError, match="50"):
        tag_trigger(site.ports, site.admin, "now", {str(number): "" for number in range(49)})
    assert find_trigger(site.ports, site.admin, "now").tags == {"b": "3", "c": "4"}
    with pytest.raises(NotFoundError):
        tag_trigger(site.ports, site.admin, "absent", {"a": "1"})


def test_who_is_not_there_is_not_found_and_deleting_it_succeeds(site: Site) -> None:
    for attempt in (find_trigger, activate_trigger, deactivate_trigger, start_trigger):
        with pytest.raises(NotFoundError, match="absent"):
            attempt(site.ports, site.admin, "absent")
    delete_trigger(site.ports, site.admin, "absent")


def test_another_org_sees_none_of_it(site: Site, stranger: Principal) -> None:
    site.trigger("now", "ON_DEMAND", "extract")
    assert list_triggers(site.ports, stranger) == []
    assert find_triggers(site.ports, stranger, ["now"]) == {}
    delete_trigger(site.ports, stranger, "now")
    with pytest.raises(NotFoundError):
        start_trigger(site.ports, stranger, "now")
    assert state_of(site, "now") is TriggerState.CREATED


def test_roles_allow_what_they_say(site: Site, admin: Principal) -> None:
    site.scheduled("nightly", "extract")
    operator = admin.model_copy(update={"role": Role.OPERATOR})
    reader = admin.model_copy(update={"role": Role.READER})
    deactivate_trigger(site.ports, operator, "nightly")
    activate_trigger(site.ports, operator, "nightly")
    for change in (
        lambda: delete_trigger(site.ports, operator, "nightly"),
        lambda: replace_trigger(site.ports, operator, "nightly", schedule=DAILY, actions=ACTIONS),
        lambda: tag_trigger(site.ports, operator, "nightly", {"a": "1"}),
        lambda: activate_trigger(site.ports, reader, "nightly"),
        lambda: deactivate_trigger(site.ports, reader, "nightly"),
    ):
        with pytest.raises(AccessDeniedError):
            change()
    assert find_trigger(site.ports, reader, "nightly").state is TriggerState.ACTIVATED


def test_the_longest_names_fit(site: Site) -> None:
    name = "\U0001f300" * 255
    site.jobs(name)
    site.conditional(name, [(name, "SUCCEEDED"), (name, "SUCCEEDED")], name)
    [run] = site.fire(site.scheduled("nightly", name))
    site.end(run)
    assert site.told_of(name) == [("nightly", []), (name, [name])]
