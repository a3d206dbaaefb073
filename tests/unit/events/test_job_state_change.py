"""What rules for AWS Glue's own events find in ours."""

from datetime import timedelta

import pytest

from jobruns.ids import job_run_id
from jobruns.lifecycle import Begun, Delayed, Event, Failed, Stopped, StopRequested, Succeeded, TimedOut
from jobruns_events.job_state_change import RUN_STATUS, STATE_CHANGE, glue_event
from tests.unit.core.runs import make_run
from tests.unit.events.histories import notices


@pytest.mark.parametrize(
    ("events", "state", "severity", "message"),
    [
        ([Begun(), Succeeded()], "SUCCEEDED", "INFO", "Job run succeeded"),
        ([Begun(), Failed("no disk")], "FAILED", "ERROR", "no disk"),
        ([Begun(), TimedOut("too late")], "TIMEOUT", "WARN", "too late"),
        ([StopRequested(), Stopped()], "STOPPED", "INFO", "Job run stopped"),
    ],
)
def test_an_end_is_a_change_of_state(events: list[Event], state: str, severity: str, message: str) -> None:
    run = make_run()
    told = [glue_event(notice) for _, notice in notices(run, events)]
    assert told[:-1] == [None] * (len(told) - 1)
    assert told[-1] == (
        STATE_CHANGE,
        {
            "jobName": "nightly",
            "severity": severity,
            "state": state,
            "jobRunId": job_run_id(run),
            "message": message,
            "attempt": 0,
            "org": "o",
            "door": "test",
        },
    )


def test_a_retry_names_its_attempt_and_the_run_before_it() -> None:
    run = make_run(run_id="01a1fba8-d3d3-7e99-bb70-000000000002", attempt=2, previous_run_id=make_run().run_id)
    *_, (_, notice) = notices(run, [Begun(), Failed("no")])
    told = glue_event(notice)
    assert told is not None
    assert told[1]["attempt"] == 1
    assert told[1]["jobRunId"].endswith("_attempt_1")
    assert told[1]["previousJobRunId"] == job_run_id(make_run())


def test_a_run_that_takes_long_has_a_status() -> None:
    *_, (_, notice) = notices(make_run(notify_after_seconds=90), [Begun(), Delayed("slow")])
    told = glue_event(notice)
    assert told is not None
    assert told[0] == RUN_STATUS
    assert (told[1]["notificationCondition"], told[1]["state"]) == ({"NotifyDelayAfter": 1.5}, "RUNNING")
    assert told[1]["message"] == "Job is in RUNNING state"
    assert told[1]["startedOn"] == "2026-11-21T12:00Z"
    assert notice.run.notified_at == notice.run.submitted_at + timedelta(seconds=2)
