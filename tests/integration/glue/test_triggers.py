"""Triggers through the door: how they are defined, listed and changed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobruns.service.firing import fire_scheduled
from tests.integration.doubles import Clock, RecordingSchedules
from tests.integration.glue.site import JOB, Site, refusal, written

DAILY = "cron(0 3 * * ? *)"
EXTRACTED = {"LogicalOperator": "EQUALS", "JobName": "extract", "State": "SUCCEEDED"}
LOADED = {"LogicalOperator": "EQUALS", "JobName": "load", "State": "FAILED"}
BOTH = {"Logical": "AND", "Conditions": [EXTRACTED, LOADED]}
ACTIONS: list[dict[str, Any]] = [
    {"JobName": "clean", "Arguments": {"--day": "1", "--empty": ""}, "Timeout": 5},
    {"JobName": "clean", "Arguments": {}},
    {"JobName": "a/b 🚀", "SecurityConfiguration": "sealed", "NotificationProperty": {"NotifyDelayAfter": 3}},
    {"JobName": "absent"},
]
FULL: dict[str, dict[str, Any]] = {
    "SCHEDULED": {"Schedule": DAILY},
    "CONDITIONAL": {"Predicate": BOTH, "EventBatchingCondition": {"BatchSize": 5, "BatchWindow": 900}},
    "ON_DEMAND": {},
}


def test_what_is_sent_is_given_back(site: Site) -> None:
    for kind, members in FULL.items():
        sent = {"Name": kind, "Type": kind, "Actions": ACTIONS, "Description": "two\nlines 🚀", **members}
        assert site.client.create_trigger(**sent, Tags={"team": "data"})["Name"] == kind
        assert site.client.get_trigger(Name=kind)["Trigger"] == {**sent, "State": "CREATED"}
    triggers = site.client.get_triggers()["Triggers"]
    assert [trigger["Name"] for trigger in triggers] == sorted(FULL)
    answer = site.client.batch_get_triggers(TriggerNames=["SCHEDULED", "x", "CONDITIONAL", "x", "SCHEDULED"])
    assert answer["Triggers"] == [triggers[2], triggers[0]]
    assert answer["TriggersNotFound"] == ["x"]


def test_a_condition_keeps_what_it_says_of_a_job(site: Site) -> None:
    both = {**EXTRACTED, "CrawlerName": "c", "CrawlState": "SUCCEEDED"}
    site.client.create_trigger(
        Name="t", Type="CONDITIONAL", Actions=[{"JobName": JOB}], Predicate={"Conditions": [both]}
    )
    assert site.client.get_trigger(Name="t")["Trigger"]["Predicate"] == {"Conditions": [EXTRACTED]}


def test_the_states_of_each_type(site: Site, schedules: RecordingSchedules) -> None:
    for kind, members in FULL.items():
        on_demand = kind == "ON_DEMAND"
        state = lambda kind=kind: site.client.get_trigger(Name=kind)["Trigger"]["State"]  # noqa: E731 - short
        create = {"Name": kind, "Type": kind, "Actions": [{"JobName": JOB}], **members}
        site.client.create_trigger(**create)
        assert (state(), len(schedules.held)) == ("CREATED", 0)
        for call, after in (
            (site.client.start_trigger, "ACTIVATED"),
            (site.client.start_trigger, "ACTIVATED"),
            (site.client.stop_trigger, "DEACTIVATED"),
            (site.client.stop_trigger, "DEACTIVATED"),
            (site.client.start_trigger, "ACTIVATED"),
        ):
            assert call(Name=kind)["Name"] == kind
            assert state() == ("CREATED" if on_demand else after)
            assert len(schedules.held) == (kind == "SCHEDULED" and after == "ACTIVATED")
        for _ in range(2):
            assert site.client.delete_trigger(Name=kind)["Name"] == kind
        assert schedules.held == {}
        if on_demand:
            code, text = refusal(site.client.create_trigger, **create, StartOnCreation=True)
            assert (code, text.startswith("StartOnCreation")) == ("InvalidInputException", True)
        else:
            site.client.create_trigger(**create, StartOnCreation=True)
            assert state() == "ACTIVATED"
            site.client.delete_trigger(Name=kind)
    assert site.client.list_triggers()["TriggerNames"] == []


def conditional(*conditions: dict[str, Any], **predicate: Any) -> dict[str, Any]:
    return {"Type": "CONDITIONAL", "Predicate": {"Conditions": list(conditions), **predicate}}


def without(condition: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in condition.items() if name not in names}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"Type": "SCHEDULED"}, "InvalidInputException", "Schedule"),
    ({"Type": "SCHEDULED", "Schedule": ""}, "InvalidInputException", "Schedule"),
    ({"Type": "SCHEDULED", "Schedule": "daily"}, "InvalidInputException", "Schedule"),
    ({"Type": "SCHEDULED", "Schedule": "cron(0 3 * * *)"}, "InvalidInputException", "Schedule"),
    ({"Type": "SCHEDULED", "Schedule": "cron(0 3 1 * 1 *)"}, "InvalidInputException", "Schedule"),
    ({"Type": "SCHEDULED", "Schedule": "cron(0 3 * * * *)"}, "InvalidInputException", "Schedule"),
    ({"Type": "SCHEDULED", "Schedule": "cron(0/4 3 * * ? *)"}, "InvalidInputException", "Schedule"),
    ({"Type": "SCHEDULED", "Schedule": "cron(0 25 * * ? *)"}, "InvalidInputException", "Schedule"),
    ({"Type": "SCHEDULED", "Schedule": "cron(0 3 * * ? 1999)"}, "InvalidInputException", "Schedule"),
    ({"Type": "SCHEDULED", "Schedule": "rate(4 minutes)"}, "InvalidInputException", "Schedule"),
    ({"Type": "CONDITIONAL"}, "InvalidInputException", "Predicate"),
    ({"Type": "CONDITIONAL", "Predicate": {}}, "InvalidInputException", "Predicate"),
    (conditional(), "InvalidInputException", "Predicate"),
    (conditional(without(EXTRACTED, "LogicalOperator")), "InvalidInputException", "Conditions.1.LogicalOperator"),
    (conditional(without(EXTRACTED, "JobName")), "InvalidInputException", "Conditions.1.JobName"),
    (conditional(without(EXTRACTED, "State")), "InvalidInputException", "Conditions.1.State"),
    (conditional(EXTRACTED, LOADED), "InvalidInputException", "Predicate.Logical"),
    (conditional(EXTRACTED | {"State": "RUNNING"}), "InvalidInputException", "Conditions.1.State"),
    (conditional(EXTRACTED, LOADED | {"State": "ERROR"}, Logical="ANY"), "InvalidInputException", "Conditions.2.State"),
    (conditional(EXTRACTED | {"State": "DONE"}), "ValidationException", "conditions.1.member.state"),
    (conditional(EXTRACTED | {"LogicalOperator": "NOT"}), "ValidationException", "conditions.1.member.logicalOperator"),
    (conditional(EXTRACTED, Logical="XOR"), "ValidationException", "predicate.logical"),
    (conditional(*[EXTRACTED] * 501, Logical="ANY"), "ValidationException", "predicate.conditions"),
    (
        conditional({"LogicalOperator": "EQUALS", "CrawlerName": "c", "CrawlState": "FAILED"}),
        "InvalidInputException",
        "Conditions.1.CrawlerName",
    ),
    (conditional(EXTRACTED | {"CrawlState": "LOST"}), "ValidationException", "crawlState"),
    ({"Actions": []}, "InvalidInputException", "Actions"),
    ({"Actions": [{}]}, "InvalidInputException", "Actions.1.JobName"),
    (
        {"Actions": [{"JobName": JOB}, {"JobName": JOB, "CrawlerName": "c"}]},
        "InvalidInputException",
        "Actions.2.Crawler",
    ),
    ({"Actions": [{"CrawlerName": "c"}]}, "InvalidInputException", "Actions.1.CrawlerName"),
    ({"Actions": [{"JobName": "x" * 256}]}, "ValidationException", "actions.1.member.jobName"),
    ({"Actions": [{"JobName": JOB, "Timeout": 10_081}]}, "InvalidInputException", "Actions.1.Timeout"),
    ({"Actions": [{"JobName": JOB}] * 51}, "InvalidInputException", "Actions"),
    ({"Actions": [{"JobName": JOB, "Arguments": {"--a": "x" * 160_000}}]}, "InvalidInputException", "bytes"),
    ({"Type": "EVENT"}, "InvalidInputException", "Type"),
    ({"Type": "SOMETIMES"}, "ValidationException", "'type'"),
    ({"WorkflowName": "w"}, "InvalidInputException", "WorkflowName"),
    ({"Name": "x" * 256}, "ValidationException", "'name'"),
    ({"Name": "a\x00b"}, "ValidationException", "'name'"),
    ({"Name": "a\x7fb"}, "InvalidInputException", "Name"),
    ({"Description": "x" * 2049}, "ValidationException", "'description'"),
    ({"Tags": {f"{number}": "" for number in range(51)}}, "ValidationException", "'tags'"),
    ({"Tags": {"x" * 129: ""}}, "ValidationException", "'tags'"),
    ({"EventBatchingCondition": {"BatchSize": 101}}, "ValidationException", "batchSize"),
    ({"EventBatchingCondition": {"BatchSize": 1, "BatchWindow": 901}}, "ValidationException", "batchWindow"),
]


def test_definitions_that_are_refused(site: Site, calls: Callable[[], dict[str, int]]) -> None:
    right: dict[str, Any] = {"Name": "t", "Type": "ON_DEMAND", "Actions": [{"JobName": JOB}]}
    calls()
    for wrong, code, names in WRONG:
        refused = refusal(site.client.create_trigger, **{**right, **wrong})
        assert (refused[0], names in refused[1]) == (code, True), (wrong, refused)
    assert written(calls()) == {}
    assert site.client.list_triggers()["TriggerNames"] == []


def test_updates_that_are_refused(site: Site, calls: Callable[[], dict[str, int]]) -> None:
    for kind, members in FULL.items():
        site.client.create_trigger(Name=kind, Type=kind, Actions=ACTIONS, **members)
    was = site.client.get_triggers()["Triggers"]
    calls()
    for wrong, code, names in WRONG:
        update = {name: wrong[name] for name in wrong if name in ("Schedule", "Predicate", "Actions", "Description")}
        if update:
            kind = wrong.get("Type", "ON_DEMAND")
            refused = refusal(site.client.update_trigger, Name=kind, TriggerUpdate=update)
            assert (refused[0], names.split(".")[-1].strip("'") in refused[1]) == (code, True), (wrong, refused)
    for kind, names in (("SCHEDULED", "Schedule"), ("CONDITIONAL", "Predicate")):
        refused = refusal(site.client.update_trigger, Name=kind, TriggerUpdate={"Description": "x"})
        assert (refused[0], names in refused[1]) == ("InvalidInputException", True)
    assert written(calls()) == {}
    assert site.client.get_triggers()["Triggers"] == was


def test_creating_a_trigger_again(site: Site, schedules: RecordingSchedules, clock: Clock) -> None:
    create: dict[str, Any] = {
        "Name": "t",
        "Type": "SCHEDULED",
        "Actions": ACTIONS,
        "Schedule": DAILY,
        "Tags": {"a": "b"},
    }
    for _ in range(2):
        assert site.client.create_trigger(**create, StartOnCreation=True)["Name"] == "t"
        clock.sleep(60)
    assert len(schedules.held) == 1
    for other in ({"Schedule": "rate(1 hour)"}, {"Actions": ACTIONS[:1]}, {"Tags": {}}, {"Description": "x"}):
        code, text = refusal(site.client.create_trigger, **{**create, "StartOnCreation": True, **other})
        assert (code, "'t'" in text) == ("AlreadyExistsException", True)
    assert refusal(site.client.create_trigger, **create)[0] == "AlreadyExistsException"


def test_an_update_replaces_the_definition_and_keeps_the_state(site: Site, schedules: RecordingSchedules) -> None:
    arn = "arn:aws:glue:us-east-1:1:trigger/t"
    site.client.create_trigger(
        Name="t",
        Type="SCHEDULED",
        Schedule=DAILY,
        Actions=ACTIONS,
        Description="d",
        StartOnCreation=True,
        Tags={"a": "b"},
    )
    [before] = schedules.held
    site.client.update_trigger(Name="t", TriggerUpdate={"Schedule": DAILY, "Description": "other"})
    assert list(schedules.held) == [before]
    answer = site.client.update_trigger(Name="t", TriggerUpdate={"Name": "ignored", "Schedule": "rate(1 hour)"})
    trigger = {"Name": "t", "Type": "SCHEDULED", "Schedule": "rate(1 hour)", "Actions": ACTIONS, "State": "ACTIVATED"}
    assert answer["Trigger"] == site.client.get_trigger(Name="t")["Trigger"] == trigger
    assert len(schedules.held) == 1
    assert list(schedules.held) != [before]
    assert fire_scheduled(site.ports, "acme", "t", before, site.ports.clock()) == []
    site.client.stop_trigger(Name="t")
    update = {"Schedule": DAILY, "Actions": [{"JobName": JOB}]}
    answer = site.client.update_trigger(Name="t", TriggerUpdate=update)
    assert (answer["Trigger"]["State"], answer["Trigger"]["Actions"]) == ("DEACTIVATED", [{"JobName": JOB}])
    assert schedules.held == {}
    assert site.client.get_tags(ResourceArn=arn)["Tags"] == {"a": "b"}


def test_a_trigger_that_is_not_there(site: Site) -> None:
    for call, members in (
        (site.client.get_trigger, {}),
        (site.client.update_trigger, {"TriggerUpdate": {}}),
        (site.client.start_trigger, {}),
        (site.client.stop_trigger, {}),
    ):
        code, text = refusal(call, Name="gone", **members)
        assert (code, "'gone'" in text) == ("EntityNotFoundException", True)
    assert site.client.delete_trigger(Name="gone")["Name"] == "gone"


def test_lists_by_what_triggers_start_and_by_tags(site: Site) -> None:
    for name, jobs, tags in (("a", ["x", "y"], {"team": "data"}), ("b", ["y"], {}), ("c", ["z"], {"team": "data"})):
        site.client.create_trigger(Name=name, Type="ON_DEMAND", Actions=[{"JobName": job} for job in jobs], Tags=tags)
    for job, names in (("x", ["a"]), ("y", ["a", "b"]), ("z", ["c"]), ("none", [])):
        assert [one["Name"] for one in site.client.get_triggers(DependentJobName=job)["Triggers"]] == names
        assert site.client.list_triggers(DependentJobName=job)["TriggerNames"] == names
    assert site.client.list_triggers(Tags={"team": "data"})["TriggerNames"] == ["a", "c"]
    assert site.client.list_triggers(Tags={"team": "data"}, DependentJobName="y")["TriggerNames"] == ["a"]


@pytest.mark.parametrize("name", ["🚀" * 255, "a/b:c#d", "ORG#x#TRIGGERS", "../ é"])
def test_names_with_odd_characters(site: Site, schedules: RecordingSchedules, name: str) -> None:
    site.job(name)
    site.client.create_trigger(Name=name, Type="ON_DEMAND", Actions=[{"JobName": name}])
    site.client.start_trigger(Name=name)
    [run] = site.runs(name)
    assert (run["TriggerName"], site.client.list_triggers()["TriggerNames"]) == (name, [name])
    site.client.delete_trigger(Name=name)
    site.client.create_trigger(
        Name=name, Type="SCHEDULED", Schedule=DAILY, Actions=[{"JobName": name}], StartOnCreation=True
    )
    site.client.tag_resource(ResourceArn=f"arn:aws:glue:::trigger/{name}", TagsToAdd={"a": "b"})
    assert site.client.get_trigger(Name=name)["Trigger"]["State"] == "ACTIVATED"


def test_updates_at_the_same_time_are_all_made(site: Site) -> None:
    site.client.create_trigger(Name="t", Type="ON_DEMAND", Actions=[{"JobName": JOB}])

    def update(number: int) -> str | None:
        answer = site.client.update_trigger(Name="t", TriggerUpdate={"Description": f"{number}"})
        return answer["Trigger"].get("Description")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(update, range(4))) == ["0", "1", "2", "3"]
    assert site.client.get_trigger(Name="t")["Trigger"]["Description"] in {"0", "1", "2", "3"}
