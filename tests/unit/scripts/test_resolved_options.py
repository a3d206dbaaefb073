"""What a script gets of its arguments by ``awsglue.utils``, imported as a script imports it."""

import runpy
import sys
from collections.abc import Callable
from typing import Any

import pytest

from scripts.surroundings import IMPORTABLE

_utils = runpy.run_path(str(IMPORTABLE / "awsglue" / "utils.py"))
resolve: Callable[[list[str], list[str]], dict[str, Any]] = _utils["getResolvedOptions"]
GlueArgumentError: type[Exception] = _utils["GlueArgumentError"]

ABSENT = dict.fromkeys([
    *("JOB_ID", "JOB_RUN_ID", "SECURITY_CONFIGURATION", "encryption_type", "job_bookmark_from", "job_bookmark_to"),
    *("TempDir", "RedshiftTempDir"),
])  # fmt: skip


def argv(*words: str) -> list[str]:
    return ["/tmp/script-1/work/day.py", *words]


def test_named_arguments_are_given_by_name_beside_glues_own() -> None:
    found = resolve(argv("--day", "2026-11-21", "--other", "x", "--my-key", "v"), ["day", "my-key"])
    assert found == {**ABSENT, "day": "2026-11-21", "my_key": "v", "job_bookmark_option": "job-bookmark-disable"}


def test_a_missing_argument_is_named() -> None:
    with pytest.raises(GlueArgumentError, match="--day"):
        resolve(argv("--days", "3"), ["day"])


def test_an_argument_without_a_value_is_an_error_not_an_exit() -> None:
    with pytest.raises(GlueArgumentError, match="expected one argument"):
        resolve(argv("--day"), ["day"])


@pytest.mark.parametrize("name", ["JOB_RUN_ID", "job-bookmark-option", "job_bookmark_option", "encryption-type"])
def test_glues_own_names_may_not_be_asked_for(name: str) -> None:
    with pytest.raises(RuntimeError, match=f"reserved arguments --{name}"):
        resolve(argv(), [name])


def test_glues_own_arguments_are_read() -> None:
    found = resolve(
        argv("--job-bookmark-option", "job-bookmark-enable", "--TempDir", "s3://t/", "--JOB_RUN_ID", "jr_1"), []
    )
    assert found["job_bookmark_option"] == "job-bookmark-enable"
    assert found["TempDir"] == found["RedshiftTempDir"] == "s3://t/"
    assert found["JOB_RUN_ID"] == "jr_1"
    with pytest.raises(GlueArgumentError, match="job-bookmark-sometimes"):
        resolve(argv("--job-bookmark-option", "job-bookmark-sometimes"), [])


def test_a_temporary_place_need_not_be_there() -> None:
    assert resolve(argv(), ["TempDir"])["TempDir"] is None


def test_a_range_of_bookmarks_is_whole_and_only_with_pause() -> None:
    pause, both = (
        ("--job-bookmark-option", "job-bookmark-pause"),
        ("--job-bookmark-from", "a", "--job-bookmark-to", "b"),
    )
    assert resolve(argv(*pause, *both), [])["job_bookmark_to"] == "b"
    with pytest.raises(RuntimeError, match="job-bookmark-to"):
        resolve(argv(*pause, *both[:2]), [])
    with pytest.raises(RuntimeError, match="job-bookmark-pause"):
        resolve(argv(*both), [])


def test_the_jobs_name_is_known_without_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOB_NAME", raising=False)
    with pytest.raises(GlueArgumentError, match="--JOB_NAME"):
        resolve(argv(), ["JOB_NAME"])
    monkeypatch.setenv("JOB_NAME", "nightly")
    assert resolve(argv(), ["JOB_NAME"])["JOB_NAME"] == "nightly"
    assert resolve(argv("--JOB_NAME", "other"), ["JOB_NAME"])["JOB_NAME"] == "other"


def test_reads_what_python_gives_a_script() -> None:
    assert resolve(sys.argv[:1], [])["job_bookmark_option"] == "job-bookmark-disable"
