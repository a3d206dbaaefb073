"""Which statuses a receiver of hotglue's webhooks sees, by the histories of runs."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobruns.lifecycle import (
    Admitted,
    Amended,
    Begun,
    CommitBegun,
    Corrected,
    DeadlineNear,
    Delayed,
    Event,
    Failed,
    PhaseReached,
    Stopped,
    StopRequested,
    Succeeded,
    TimedOut,
)
from jobruns.run import Run, RunState
from jobruns_events.messages import DISCOVER, compose_messages, formats, subscriptions
from jobruns_events.statuses import PHASES, STATUSES
from tests.unit.core.runs import NOW, make_run
from tests.unit.events.histories import make_synced, reached, tell

ALL = (
    "DISCOVER_STARTED",
    "DISCOVER_SUCCESS",
    "SYNC_STARTED",
    "SYNC_SUCCESS",
    "ETL_STARTED",
    "ETL_SUCCESS",
    "EXPORT_STARTED",
)
SHOWN = tuple(phase for phase in ALL if phase != "DISCOVER_SUCCESS")


def received(first: Run, events: list[Event]) -> list[str]:
    """Give the statuses that a receiver in hotglue's format is sent of a job's lifecycle, in order."""
    told = [event for event in tell(first, events) if "job_lifecycle" in subscriptions(event)]
    assert all(len(compose_messages(event, "hotglue")) == 1 for event in told)
    return [event["data"]["status"] for event in told]


def test_a_job_that_goes_through_all_phases_is_told_in_the_documented_order() -> None:
    told = received(make_synced(), [Begun(), *reached(*ALL), Succeeded()])
    assert told == ["JOB_CREATED", *SHOWN, "JOB_COMPLETED"]


def test_a_job_without_discovery_and_script_skips_their_phases() -> None:
    told = received(make_synced(), [Begun(), *reached("SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED"), Succeeded()])
    assert told == ["JOB_CREATED", "SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED", "JOB_COMPLETED"]


@pytest.mark.parametrize("phase", ["DISCOVER_STARTED", "SYNC_STARTED", "ETL_STARTED", "EXPORT_STARTED"])
@pytest.mark.parametrize("end", [Failed("no"), TimedOut("it did not end within 600 seconds")])
def test_a_job_that_fails_in_a_phase_ends_with_its_failure(phase: str, end: Event) -> None:
    until = ALL[: ALL.index(phase) + 1]
    told = received(make_synced(), [Begun(), *reached(*until), end])
    assert told == ["JOB_CREATED", *(name for name in until if name in SHOWN), phase.replace("_STARTED", "_FAILED")]


@pytest.mark.parametrize("until", [(), ALL[:2], ALL[:4], ALL[:6]])
def test_a_job_that_fails_in_no_phase_has_failed_as_a_job(until: tuple[str, ...]) -> None:
    assert received(make_synced(), [Begun(), *reached(*until), Failed("no")])[-1] == "JOB_FAILED"


def test_a_job_whose_executor_was_lost_has_failed_as_a_job() -> None:
    lost = Failed("its execution is gone", "ExecutionLost")
    assert received(make_synced(), [Begun(), *reached("SYNC_STARTED"), lost])[-1] == "JOB_FAILED"


def test_late_and_repeated_reports_change_nothing() -> None:
    reports = reached(
        "SYNC_STARTED", "SYNC_STARTED", "SYNC_SUCCESS", "SYNC_STARTED", "DISCOVER_STARTED", "EXPORT_STARTED"
    )
    late = [*reached("SYNC_SUCCESS"), Failed("too late"), *reached("EXPORT_STARTED"), Succeeded()]
    told = received(make_synced(), [Begun(), *reports, Succeeded(), *late])
    assert told == ["JOB_CREATED", "SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED", "JOB_COMPLETED"]


def test_a_report_that_overtakes_the_dispatcher_is_told_once() -> None:
    told = received(make_synced(), [*reached("SYNC_STARTED"), Begun("token"), Begun("another"), Failed("no")])
    assert told == ["JOB_CREATED", "SYNC_STARTED", "SYNC_FAILED"]


def test_a_job_that_waits_is_created_once() -> None:
    told = received(make_synced(RunState.WAITING), [Admitted(), Begun(), *reached("SYNC_STARTED"), Succeeded()])
    assert told == ["JOB_CREATED", "SYNC_STARTED", "JOB_COMPLETED"]


def test_a_job_that_is_stopped_keeps_its_status_until_it_is_cancelled() -> None:
    events = tell(make_synced(), [Begun(), *reached("ETL_STARTED"), StopRequested(10), Stopped()])
    stopping = next(event for event in events if event["notice"] == "stopping")
    assert (stopping["status"], stopping["step"], stopping["data"]["stop_requested"]) == ("ETL_STARTED", False, True)
    assert events[-1]["status"] == "JOB_CANCELLED"
    assert "stop_requested" not in events[-1]["data"]


def test_an_environment_without_extended_statuses_reads_a_failure_of_the_phase() -> None:
    plain = make_synced(own={"extended_statuses": False})
    assert received(plain, [Begun(), *reached("ETL_STARTED"), StopRequested(), Stopped()])[-1] == "ETL_FAILED"
    assert received(plain, [Begun(), StopRequested(), Stopped()])[-1] == "SYNC_FAILED"
    assert received(plain, [Failed("no")])[-1] == "SYNC_FAILED"
    assert received(plain, [Begun(), *reached("SYNC_SUCCESS"), Failed("no")])[-1] == "SYNC_FAILED"


def test_a_run_of_another_door_syncs_while_it_runs() -> None:
    assert received(make_run(), [Begun(), Succeeded()]) == ["JOB_CREATED", "SYNC_STARTED", "JOB_COMPLETED"]
    assert received(make_run(), [Begun(), Failed("no")]) == ["JOB_CREATED", "SYNC_STARTED", "SYNC_FAILED"]
    assert received(make_run(), [Failed("no")]) == ["JOB_CREATED", "JOB_FAILED"]
    assert received(make_run(), [StopRequested(), Stopped()]) == ["JOB_CREATED", "JOB_CANCELLED"]
    going = [
        Begun(),
        CommitBegun(NOW + timedelta(hours=1)),
        Delayed("slow"),
        DeadlineNear("soon"),
        Amended({"records": 1}),
    ]
    assert received(make_run(), [*going, Succeeded()]) == ["JOB_CREATED", "SYNC_STARTED", "JOB_COMPLETED"]


def test_a_corrected_end_is_a_step_and_an_amended_one_is_none() -> None:
    told = received(
        make_run(), [Begun(), Succeeded(), Amended({"records": 3}), Corrected(RunState.FAILED, "it was not")]
    )
    assert told == ["JOB_CREATED", "SYNC_STARTED", "JOB_COMPLETED", "SYNC_FAILED"]


def test_those_who_follow_discoveries_hear_of_them_only() -> None:
    discoveries = [
        [event["status"] for event in tell(make_synced(), events) if DISCOVER in subscriptions(event)]
        for events in (
            [Begun(), *reached(*ALL), Succeeded()],
            [Begun(), *reached("DISCOVER_STARTED"), Delayed("slow"), Failed("no")],
        )
    ]
    assert discoveries == [["DISCOVER_STARTED", "DISCOVER_SUCCESS"], ["DISCOVER_STARTED", "DISCOVER_FAILED"]]


_EVENTS = st.one_of(
    st.sampled_from(
        [Begun(), Admitted(), Delayed("x"), StopRequested(), Stopped(), Succeeded(), Failed("x"), TimedOut("x")]
    ),
    st.sampled_from(list(PHASES.items())).map(lambda phase: PhaseReached(*phase)),
    st.sampled_from([Corrected(RunState.FAILED), Corrected(RunState.SUCCEEDED), Amended({"records": 1})]),
)


@settings(max_examples=150)
@given(st.booleans(), st.booleans(), st.lists(_EVENTS, max_size=14))
def test_whatever_happens_is_told_forward_and_ends_once(ours: bool, waiting: bool, events: list[Event]) -> None:
    state = RunState.WAITING if waiting else RunState.STARTING
    if not ours:  # no worker of another door's run says these
        events = [event for event in events if not isinstance(event, PhaseReached)]
    told = tell(make_synced(state) if ours else make_run(state), events)
    steps = [event for event in told if event["step"]]
    statuses = [event["data"]["status"] for event in steps]
    assert statuses[0] == "JOB_CREATED"
    assert set(statuses) <= set(STATUSES)
    ranks = [PHASES[status] for status in statuses if status in PHASES]
    assert ranks == sorted(set(ranks))
    ends = [event["status"] for event in steps if event["notice"] == "ended"]
    assert len(ends) <= 1
    if ends:
        assert all(event["notice"] in ("ended", "corrected") for event in steps[statuses.index(ends[0]) :])
    assert [event["sequence"] for event in told] == sorted({event["sequence"] for event in told})
    for event in told:
        assert formats(event) == {
            form for form in ("hotglue", "standard", "cloudevents", "openlineage") if compose_messages(event, form)
        }
    lineage = " ".join(event.get("lineage", "") for event in told).split()
    assert lineage.count("START") == (1 if lineage else 0)
    assert [kind for kind in lineage if kind not in ("RUNNING", "OTHER")][:1] in ([], ["START"])
    assert sum(lineage.count(kind) for kind in ("COMPLETE", "FAIL", "ABORT")) == len(ends)
