"""Triggers through the door: what they start, and when."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from glue import admission
from jobruns.lifecycle import Event, Failed, Stopped, TimedOut
from jobruns.service.firing import fire_scheduled
from jobruns.trigger import Watched
from tests.integration.doubles import Clock, RecordingMachine, RecordingSchedules
from tests.integration.glue.site import JOB, Site, refusal


def after(job: str, state: str = "SUCCEEDED") -> dict[str, str]:
    return {"LogicalOperator": "EQUALS", "JobName": job, "State": state}


@pytest.fixture
def fire(site: Site, schedules: RecordingSchedules, clock: Clock) -> Callable[..., None]:
    """Let the next time of a scheduled trigger come."""

    def call(name: str) -> None:
        clock.sleep(60)
        [activation] = [held.activation_id for held in schedules.held.values() if held.name == name]
        fire_scheduled(site.ports, "acme", name, str(activation), clock.now)

    return call


def scheduled(site: Site, name: str, *jobs: str, **action: Any) -> None:
    actions: list[Any] = [{"JobName": job, **action} for job in jobs]
    site.client.create_trigger(
        Name=name, Type="SCHEDULED", Schedule="rate(1 hour)", Actions=actions, StartOnCreation=True
    )


def conditional(site: Site, name: str, job: str, *conditions: dict[str, str], logical: str = "AND") -> None:
    predicate: Any = {"Logical": logical, "Conditions": list(conditions)}
    site.client.create_trigger(
        Name=name, Type="CONDITIONAL", Predicate=predicate, Actions=[{"JobName": job}], StartOnCreation=True
    )


def predecessors(site: Site, run: dict[str, Any]) -> list[tuple[str, str]]:
    found = site.run(run["Id"], run["JobName"], PredecessorsIncluded=True)["PredecessorRuns"]
    return [(one["JobName"], one["RunId"]) for one in found]


def test_a_scheduled_run_has_what_its_action_says(site: Site, fire: Callable[..., None]) -> None:
    site.job(DefaultArguments={"--a": "job", "--b": "job"}, NonOverridableArguments={"--c": "fixed"}, Timeout=9)
    action: dict[str, Any] = {
        "Arguments": {"--b": "action", "--c": "action"},
        "Timeout": 5,
        "SecurityConfiguration": "sealed",
        "NotificationProperty": {"NotifyDelayAfter": 3},
    }
    scheduled(site, "hourly", JOB, **action)
    scheduled(site, "plain", JOB)
    fire("hourly")
    fire("plain")
    run, plain = site.runs()
    assert (run["TriggerName"], run["JobRunState"], run["Attempt"]) == ("hourly", "STARTING", 0)
    assert run["Arguments"] == {"--a": "job", "--b": "action", "--c": "fixed"}
    assert {name: run[name] for name in action if name != "Arguments"}.items() <= action.items()
    assert predecessors(site, run) == []
    assert (plain["TriggerName"], plain["Timeout"], plain["Arguments"]["--b"]) == ("plain", 9, "job")


def test_a_chain_that_a_schedule_starts(site: Site, fire: Callable[..., None], clock: Clock) -> None:
    for job in ("extract", "load", "report"):
        site.job(job)
    scheduled(site, "nightly", "extract")
    conditional(site, "after extract", "load", after("extract"))
    conditional(site, "after both", "report", after("extract"), after("load"))
    for night in range(2):
        fire("nightly")
        for job in ("extract", "load", "report"):
            clock.sleep(1)
            assert len(site.runs(job)) == night + 1
            site.work(site.runs(job)[-1]["Id"], job=job)
        first, second, third = (site.runs(job)[-1] for job in ("extract", "load", "report"))
        assert [run["TriggerName"] for run in (first, second, third)] == ["nightly", "after extract", "after both"]
        assert predecessors(site, second) == [("extract", first["Id"])]
        assert predecessors(site, third) == [("extract", first["Id"]), ("load", second["Id"])]
        assert second["PredecessorRuns"] == third["PredecessorRuns"] == []
    fire("nightly")
    site.work(site.runs("extract")[-1]["Id"], job="extract")
    site.fail(site.runs("load")[-1]["Id"], job="load")
    assert [len(site.runs(job)) for job in ("extract", "load", "report")] == [3, 3, 2]


@pytest.mark.parametrize("watched", list(Watched))
def test_a_run_started_by_hand_starts_a_chain_only_where_the_stack_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch, watched: Watched
) -> None:
    site.ports = replace(site.ports, watched=watched)
    monkeypatch.setattr(admission, "load_ports", lambda: site.ports)
    site.job("extract")
    site.job("load")
    conditional(site, "after extract", "load", after("extract"))
    run_id = site.start("extract")
    site.work(run_id, job="extract")
    runs = site.runs("load")
    assert len(runs) == (watched is Watched.ALL)
    assert [predecessors(site, run) for run in runs] == [[("extract", run_id)]] * len(runs)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [("SUCCEEDED", None), ("FAILED", Failed("x")), ("TIMEOUT", TimedOut("x")), ("STOPPED", Stopped("x"))],
)
def test_each_end_fires_what_waits_for_it(
    site: Site, fire: Callable[..., None], state: str, outcome: Event | None
) -> None:
    site.job("extract")
    for word in ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED"):
        site.job(word)
        conditional(site, word, word, after("extract", word))
    scheduled(site, "nightly", "extract")
    fire("nightly")
    [run] = site.runs("extract")
    site.begin(run["Id"], "extract")
    if state == "STOPPED":
        site.client.batch_stop_job_run(JobName="extract", JobRunIds=[run["Id"]])
    site.end(run["Id"], outcome, "extract")
    assert site.state(run["Id"], "extract") == state
    assert [word for word in ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED") if site.runs(word)] == [state]


def test_any_of_the_conditions_fires_each_time(site: Site, fire: Callable[..., None]) -> None:
    for job in ("a", "b", "c"):
        site.job(job)
    scheduled(site, "nightly", "a", "b")
    conditional(site, "any", "c", after("a"), after("b"), logical="ANY")
    fire("nightly")
    for job in ("a", "b"):
        site.work(site.runs(job)[0]["Id"], job=job)
    assert [predecessors(site, run) for run in site.runs("c")] == [[(j, site.runs(j)[0]["Id"])] for j in ("a", "b")]


def test_only_the_last_attempt_counts_and_is_named(site: Site, fire: Callable[..., None]) -> None:
    site.job("extract", MaxRetries=1)
    for job in ("good", "bad"):
        site.job(job)
    scheduled(site, "nightly", "extract")
    conditional(site, "good", "good", after("extract"))
    conditional(site, "bad", "bad", after("extract", "FAILED"))
    fire("nightly")
    first = site.runs("extract")[0]["Id"]
    site.fail(first, job="extract")
    assert site.runs("bad") == []
    site.work(f"{first}_attempt_1", job="extract")
    [run] = site.runs("good")
    assert predecessors(site, run) == [("extract", f"{first}_attempt_1")]
    assert site.runs("bad") == []
    assert site.run(f"{first}_attempt_1", "extract")["TriggerName"] == "nightly"


@pytest.mark.parametrize("operation", ["stop_trigger", "delete_trigger"])
def test_what_is_stopped_or_deleted_fires_no_more(
    site: Site, fire: Callable[..., None], schedules: RecordingSchedules, operation: str
) -> None:
    site.job("extract")
    site.job("load")
    scheduled(site, "nightly", "extract")
    conditional(site, "after", "load", after("extract"))
    fire("nightly")
    [activation] = [held.activation_id for held in schedules.held.values()]
    for name in ("nightly", "after"):
        getattr(site.client, operation)(Name=name)
    assert fire_scheduled(site.ports, "acme", "nightly", str(activation), site.ports.clock()) == []
    site.work(site.runs("extract")[0]["Id"], job="extract")
    assert (len(site.runs("extract")), site.runs("load")) == (1, [])


def test_a_job_that_is_gone_leaves_a_run_in_error(site: Site, fire: Callable[..., None]) -> None:
    site.job("load")
    scheduled(site, "nightly", "gone", "load", Timeout=5)
    scheduled(site, "plain", "gone")
    fire("nightly")
    fire("plain")
    site.client.create_trigger(Name="now", Type="ON_DEMAND", Actions=[{"JobName": "gone"}])
    site.client.start_trigger(Name="now")
    runs = site.runs("gone")
    assert [run["TriggerName"] for run in runs] == ["nightly", "plain", "now"]
    for run, timeout in zip(runs, (5, 2880, 2880), strict=True):
        assert (run["JobRunState"], run["ExecutionTime"], run["Timeout"]) == ("ERROR", 0, timeout)
        assert "'gone'" in run["ErrorMessage"]
        assert run["CompletedOn"] == run["LastModifiedOn"] == run["StartedOn"]
    assert len(site.runs("load")) == 1
    assert refusal(site.client.get_job, JobName="gone")[0] == "EntityNotFoundException"


def test_over_the_limit(site: Site, fire: Callable[..., None], machine: RecordingMachine) -> None:
    site.job("extract", ExecutionProperty={"MaxConcurrentRuns": 2})
    site.job("load", ExecutionProperty={"MaxConcurrentRuns": 1})
    site.job("queue", ExecutionProperty={"MaxConcurrentRuns": 1}, JobRunQueuingEnabled=True)
    busy = site.start("load")
    site.start("queue")
    scheduled(site, "nightly", "extract", "load", "queue")
    conditional(site, "after", "load", after("extract"))
    site.client.create_trigger(Name="now", Type="ON_DEMAND", Actions=[{"JobName": "load"}])
    code, text = refusal(site.client.start_trigger, Name="now")
    assert (code, "load" in text) == ("ConcurrentRunsExceededException", True)
    assert len(site.runs("load")) == 1
    fire("nightly")
    assert [run["JobRunState"] for run in site.runs("load")] == ["STARTING", "FAILED"]
    assert "Concurrent runs exceeded for load" in site.runs("load")[-1]["ErrorMessage"]
    assert site.runs("queue")[-1]["JobRunState"] == "WAITING"
    site.work(site.runs("extract")[0]["Id"], job="extract")
    assert site.runs("load")[-1]["JobRunState"] == "WAITING"  # nobody comes back to ask for it again
    site.work(busy, job="load")
    assert site.runs("load")[-1]["JobRunState"] == "STARTING"


def test_starting_a_trigger_on_demand_runs_its_jobs_now(site: Site) -> None:
    for job in ("a", "b"):
        site.job(job)
    actions: list[Any] = [{"JobName": "a", "Arguments": {"--n": "1"}}, {"JobName": "a"}, {"JobName": "b"}]
    site.client.create_trigger(Name="now", Type="ON_DEMAND", Actions=actions)
    for count in (1, 2):
        site.client.start_trigger(Name="now")
        assert (len(site.runs("a")), len(site.runs("b"))) == (2 * count, count)
    run = site.runs("b")[0]
    assert (run["TriggerName"], predecessors(site, run)) == ("now", [])
    site.client.stop_trigger(Name="now")
    site.client.start_trigger(Name="now")
    assert len(site.runs("b")) == 3
