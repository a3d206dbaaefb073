"""Bookmarks through the door: they move with successes, and back when they are reset."""

from datetime import timedelta
from typing import Any

import pytest

from jobruns.lifecycle import CommitBegun, TimedOut
from jobruns.run import BookmarkStep
from jobruns.service.transitions import move
from tests.integration.glue.site import JOB, Site, refusal

OPTION = "--job-bookmark-option"
EMPTY = {"JobName": JOB, "Version": 0, "Run": 0, "Attempt": 0, "JobBookmark": "{}"}


def mark(site: Site, **members: Any) -> dict[str, Any]:
    return dict(site.client.get_job_bookmark(JobName=JOB, **members)["JobBookmarkEntry"])


def reset(site: Site, **members: Any) -> dict[str, Any]:
    return dict(site.client.reset_job_bookmark(JobName=JOB, **members)["JobBookmarkEntry"])


def start(site: Site, option: str = "enable") -> str:
    return site.start(Arguments={OPTION: f"job-bookmark-{option}"})


def succeed(site: Site, option: str = "enable") -> str:
    run_id = start(site, option)
    site.work(run_id)
    return run_id


def commit(site: Site, run_id: str, state: dict[str, Any], **step: Any) -> None:
    """Have an ingest run commit by the bookmark, and end."""
    site.begin(run_id)
    until = site.ports.clock() + timedelta(seconds=60)
    move(site.ports, site.stored(run_id), CommitBegun(until, BookmarkStep(state=state, **step)), "test")
    site.end(run_id)


def test_a_bookmark_that_was_never_used(site: Site) -> None:
    site.job()
    succeed(site, "disable")
    code, text = refusal(site.client.get_job_bookmark, JobName=JOB)
    assert (code, f"{JOB!r}" in text) == ("EntityNotFoundException", True)
    for _ in range(2):
        assert reset(site) == EMPTY
    assert refusal(site.client.get_job_bookmark, JobName=JOB)[0] == "EntityNotFoundException"


def test_only_a_success_that_enables_it_moves_a_bookmark(site: Site) -> None:
    site.job(DefaultArguments={OPTION: "job-bookmark-enable"})
    first = site.start()
    site.work(first)
    entry = {**EMPTY, "Version": 1, "Run": 1, "RunId": first}
    assert mark(site) == entry
    site.fail(start(site))
    site.work(start(site), TimedOut("late"))
    stopped = start(site)
    site.begin(stopped)
    site.client.batch_stop_job_run(JobName=JOB, JobRunIds=[stopped])
    site.end(stopped)
    succeed(site, "pause")
    succeed(site, "disable")
    assert mark(site) == entry
    second = succeed(site)
    assert mark(site) == {**EMPTY, "Version": 2, "Run": 2, "RunId": second, "PreviousRunId": first}
    assert mark(site, RunId=first) == entry


def test_the_attempt_that_succeeded_is_named(site: Site) -> None:
    site.job(MaxRetries=2)
    first = succeed(site)
    second = start(site)
    site.fail(second)
    again = f"{second}_attempt_1"
    site.work(again)
    assert mark(site) == {**EMPTY, "Version": 2, "Run": 2, "Attempt": 1, "RunId": again, "PreviousRunId": first}
    assert mark(site, RunId=again) == mark(site)
    assert succeed(site)
    assert mark(site)["PreviousRunId"] == again


def test_a_reset_to_nothing_and_to_the_end_of_a_run(site: Site) -> None:
    site.job(Command={"Name": "ingest"})
    first, second = start(site), start(site)
    commit(site, first, {"segments": [{"key": "a", "count": 1}]}, from_version=0)
    commit(site, second, {"segments": []}, from_version=1, ordinal=2, previous_run_id=site.stored(first).run_id)
    text = '{"segments":[{"key":"a","count":1}]}'
    assert mark(site, RunId=first) == {**EMPTY, "Version": 1, "Run": 1, "RunId": first, "JobBookmark": text}
    assert reset(site) == mark(site) == {**EMPTY, "Version": 3}
    after_first = {**EMPTY, "Version": 4, "Run": 1, "RunId": first, "JobBookmark": text}
    assert reset(site, RunId=first) == mark(site) == after_first
    third = start(site)
    commit(site, third, {}, from_version=4, ordinal=2)
    assert mark(site) == {**EMPTY, "Version": 5, "Run": 2, "RunId": third}
    assert mark(site, RunId=second)["Version"] == 2


@pytest.mark.parametrize("operation", ["get_job_bookmark", "reset_job_bookmark"])
def test_what_is_not_there(site: Site, operation: str) -> None:
    call = getattr(site.client, operation)
    site.job()
    site.job("other")
    moved = succeed(site)
    unmoved, theirs = succeed(site, "disable"), site.start("other")
    for members in (
        {"JobName": "gone"},
        {"JobName": ""},
        {"JobName": "x" * 3000},
        {"JobName": "🚀" * 256},
        {"JobName": JOB, "RunId": "x"},
        {"JobName": JOB, "RunId": "x" * 3000},
        {"JobName": JOB, "RunId": "jr_" + "0" * 64},
        {"JobName": JOB, "RunId": unmoved},
        {"JobName": JOB, "RunId": theirs},
        {"JobName": "gone", "RunId": moved},
    ):
        assert refusal(call, **members)[0] == "EntityNotFoundException", members
    assert mark(site, RunId="")["RunId"] == moved


def test_a_deleted_job_takes_its_bookmark_with_it(site: Site) -> None:
    site.job()
    run_id = succeed(site)
    site.client.delete_job(JobName=JOB)
    assert refusal(site.client.get_job_bookmark, JobName=JOB)[0] == "EntityNotFoundException"
    site.job()
    assert refusal(site.client.get_job_bookmark, JobName=JOB)[0] == "EntityNotFoundException"
    assert refusal(site.client.reset_job_bookmark, JobName=JOB, RunId=run_id)[0] == "EntityNotFoundException"
    assert reset(site) == EMPTY
