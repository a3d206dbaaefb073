"""A run's arguments, as spark-submit and the script are given them."""

import shlex
from typing import Any

import pytest

from jobruns.aws.spark import MAX_ENTRY_ARGUMENTS, spark_job
from jobruns.errors import InvalidInputError
from jobruns.ids import job_run_id
from jobruns.run import Executor, Run
from tests.unit.core.runs import make_run

RUN = make_run(executor=Executor.SPARK, target="s3://code/day.py", timeout_seconds=90)


def compose(arguments: dict[str, Any], run: Run = RUN, **fields: Any) -> dict[str, Any]:
    given = {"application_id": "00f1", "role_arn": "arn:aws:iam::123456789012:role/spark", "log_group": "/runs/output"}
    return spark_job(run, arguments, **{**given, **fields})


def submitted(arguments: dict[str, Any]) -> list[str]:
    submit = compose(arguments)["JobDriver"]["SparkSubmit"]
    return shlex.split(submit.get("SparkSubmitParameters", ""))


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({}, []),
        ({"--extra-py-files": "s3://b/a.py, s3://b/b.zip"}, ["--py-files", "s3://b/a.py,s3://b/b.zip"]),
        ({"--extra-jars": "s3://b/a.jar"}, ["--jars", "s3://b/a.jar"]),
        ({"--extra-files": "s3://b/a.json"}, ["--files", "s3://b/a.json"]),
        ({"--class": "org.example.Main$"}, ["--class", "org.example.Main$"]),
        ({"--conf": "spark.a=1"}, ["--conf", "spark.a=1"]),
        (
            {"--conf": "spark.a=1 --conf spark.b=-Dx=y -Dz --conf spark.c="},
            ["--conf", "spark.a=1", "--conf", "spark.b=-Dx=y -Dz", "--conf", "spark.c="],
        ),
        # What would be parameters of their own stays inside the value.
        ({"--extra-jars": "s3://b/a.jar --class Evil"}, ["--jars", "s3://b/a.jar --class Evil"]),
        ({"--conf": "", "--class": None}, []),
    ],
)
def test_options_for_spark_submit(arguments: dict[str, Any], parameters: list[str]) -> None:
    assert submitted(arguments) == parameters


@pytest.mark.parametrize(
    "arguments",
    [
        {"--conf": "spark.a"},
        {"--conf": "spark.a=1 --conf nothing"},
        {"--class": "a b"},
        {"--extra-jars": "s3://b/a.jar,,s3://b/b.jar"},
    ],
)
def test_an_option_that_cannot_be_used_is_named(arguments: dict[str, Any]) -> None:
    [option] = arguments
    with pytest.raises(InvalidInputError, match=f"^{option} must be"):
        compose(arguments)


def test_all_other_arguments_are_the_scripts_after_what_glue_tells_it() -> None:
    submit = compose({"--day": "2026-11-21", "--class": "a.B", "--empty": "", "--count": 3})["JobDriver"]["SparkSubmit"]
    assert submit["EntryPoint"] == "s3://code/day.py"
    assert submit["EntryPointArguments"] == [
        *("--JOB_NAME", "nightly", "--JOB_RUN_ID", job_run_id(RUN)),
        *("--day", "2026-11-21", "--empty", "--count", "3"),
    ]


def test_callers_job_name_goes_before_the_jobs_own() -> None:
    words = compose({"--JOB_NAME": "mine"})["JobDriver"]["SparkSubmit"]["EntryPointArguments"]
    assert words[:2] == ["--JOB_NAME", "mine"]
    assert words.count("--JOB_NAME") == 1


def test_emr_gives_up_after_step_functions_does() -> None:
    assert compose({})["ExecutionTimeoutMinutes"] == 3


def test_a_repeated_request_starts_nothing_twice_and_logs_under_the_runs_id() -> None:
    job = compose({})
    assert job["ClientToken"] == RUN.run_id
    logging = job["ConfigurationOverrides"]["MonitoringConfiguration"]["CloudWatchLoggingConfiguration"]
    assert logging["LogGroupName"] == "/runs/output"
    assert logging["LogStreamNamePrefix"] == job_run_id(RUN)


def test_without_an_application_there_are_no_spark_jobs() -> None:
    with pytest.raises(InvalidInputError, match="SparkApplicationId"):
        compose({}, application_id="")


def test_more_arguments_than_emr_takes_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=str(MAX_ENTRY_ARGUMENTS)):
        compose({f"--a{number}": "x" for number in range(MAX_ENTRY_ARGUMENTS // 2 + 1)})
