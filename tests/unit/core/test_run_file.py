"""Which of two things that are known of a file is the later one, and where files lie."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.run import RunRoot
from jobruns.run_file import LISTED, RunFile, files_prefix
from tests.unit.core.runs import make_run

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def file(sequencer: str, seconds: int = 0) -> RunFile:
    return RunFile(path="a", size=1, sequencer=sequencer, modified_at=AT + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("early", "late"), [("0055", "0056"), ("0055AED6DCD90281E5", "0055AED6DCD90281E6"), ("00A", "00A1"), ("0F", "1")]
)
def test_sequencers_are_compared_as_if_they_had_one_length(early: str, late: str) -> None:
    assert file(late).follows(file(early))
    assert not file(early).follows(file(late))


@given(st.text("0123456789ABCDEF", min_size=1, max_size=20))
def test_what_is_told_again_does_not_follow(sequencer: str) -> None:
    assert not file(sequencer, 5).follows(file(sequencer))
    assert not file(sequencer + "00", 5).follows(file(sequencer))


def test_what_was_found_by_looking_is_placed_by_its_time() -> None:
    assert file(LISTED, 1).follows(file("FF"))
    assert not file(LISTED).follows(file("00"))
    assert file("00", 1).follows(file(LISTED))
    assert not file("FF").follows(file(LISTED))


def test_files_of_a_run_lie_at_its_root_or_under_its_id() -> None:
    run = make_run(job="a/b c")
    assert files_prefix(run) == f"o/ledger/a%2Fb%20c/{run.run_id}/"
    rooted = make_run(root=RunRoot(scope="s", name="n", path="dev/x/n"))
    assert files_prefix(rooted) == "o/dev/x/n/"
