"""The checker of answers finds what it is there to find."""

from typing import Any

import pytest

from tests.contract.glue.answers import check_answer

RUN: dict[str, Any] = {
    "Id": "jr_1",
    "Attempt": 0,
    "StartedOn": 1795262400.255,
    "JobRunState": "SUCCEEDED",
    "MaxCapacity": 10.0,
    "WorkerType": "G.99X",
    "Arguments": {"--day": "1"},
    "PredecessorRuns": [{"JobName": "load", "RunId": "jr_2"}],
    "JobRunQueuingEnabled": False,
}


def test_a_right_answer_passes() -> None:
    check_answer("GetJobRun", {"JobRun": RUN})
    check_answer("TagResource", {})
    check_answer("GetJob", {"Job": {"CodeGenConfigurationNodes": {"n": [None]}}})


@pytest.mark.parametrize(
    ("member", "value", "says"),
    [
        ("Attempt", 0.0, r"JobRun\.Attempt is 0\.0"),
        ("Attempt", "0", r"JobRun\.Attempt is '0'"),
        ("Attempt", True, r"JobRun\.Attempt is True"),
        ("MaxCapacity", 10, r"JobRun\.MaxCapacity is 10"),
        ("StartedOn", "2026-11-21T12:00:00Z", "StartedOn"),
        ("ErrorMessage", None, "ErrorMessage is None"),
        ("JobRunState", "QUEUED", "JobRunState is 'QUEUED'"),
        ("JobRunQueuingEnabled", 0, "JobRunQueuingEnabled"),
        ("Arguments", {"--n": 1}, r"Arguments\['--n'\]"),
        ("PredecessorRuns", [{"JobName": 5}], r"PredecessorRuns\[0\]\.JobName"),
        ("PredecessorRuns", {}, "PredecessorRuns"),
        ("Progress", 5, r"JobRun\.Progress is not described"),
    ],
)
def test_what_is_not_as_described_is_found(member: str, value: Any, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_answer("GetJobRun", {"JobRun": {**RUN, member: value}})
