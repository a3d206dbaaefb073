"""Spark jobs on EMR Serverless: what a run's options become in StartJobRun.

The options are AWS Glue's, so that a job defined for Glue runs as it is. Step Functions' integration starts the job and
waits for it; this module only composes the request.
https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_StartJobRun.html
"""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from jobruns.aws.scripts import command_line, script_location
from jobruns.errors import InvalidInputError
from jobruns.ids import job_run_id
from jobruns.run import Run

MAX_ENTRY_ARGUMENTS = 1024
MAX_SUBMIT_PARAMETERS_CHARACTERS = 102400
SPARE_MINUTES = 1
"""EMR's own limit comes this much after the run's, so that it is always Step Functions that says TIMEOUT."""

_NEXT_CONF = re.compile(r"\s+--conf\s+")
_CONF = re.compile(r"[^\s=]+=.*", re.DOTALL)
_CLASS = re.compile(r"[\w$]+(\.[\w$]+)*")


def _files(parameter: str) -> Callable[[str, str], list[str]]:
    def write(option: str, value: str) -> list[str]:
        urls = [url.strip() for url in value.split(",")]
        if not all(urls):
            raise InvalidInputError(f"{option} must be URLs with commas between them", field="arguments")
        return [parameter, ",".join(urls)]

    return write


def _settings(option: str, value: str) -> list[str]:
    # Glue has one argument for all settings, and whoever needs two writes "a=1 --conf b=2" into it.
    words: list[str] = []
    for setting in _NEXT_CONF.split(value.strip()):
        if not _CONF.fullmatch(setting):
            raise InvalidInputError(f"{option} must be name=value, and more after ' --conf '", field="arguments")
        words += ["--conf", setting]
    return words


def _main_class(option: str, value: str) -> list[str]:
    if not _CLASS.fullmatch(value.strip()):
        raise InvalidInputError(f"{option} must be the name of a class", field="arguments")
    return ["--class", value.strip()]


SUBMIT_PARAMETERS: Mapping[str, Callable[[str, str], list[str]]] = {
    "--extra-py-files": _files("--py-files"),
    "--extra-jars": _files("--jars"),
    "--extra-files": _files("--files"),
    "--conf": _settings,
    "--class": _main_class,
}
"""The options that are for ``spark-submit``. Every other argument is for the script."""


def spark_job(
    run: Run, arguments: Mapping[str, Any], *, application_id: str, role_arn: str, log_group: str
) -> dict[str, Any]:
    """Compose the parameters of StartJobRun, spelled as Step Functions takes them.

    Parameters
    ----------
    run : Run
        The run.
    arguments : mapping
        Its arguments.
    application_id, role_arn : str
        The EMR Serverless application, and the role that the job has there.
    log_group : str
        Name of the log group that gets the driver's output, in streams that begin with the job run's id.

    Raises
    ------
    InvalidInputError
        There is no application to run it on, or an option cannot be used; the message says which.
    """
    if not (application_id and role_arn):
        raise InvalidInputError(
            "this service runs no Spark jobs: its stack's parameters SparkApplicationId and SparkJobRoleArn are not set"
        )
    submit: dict[str, Any] = {
        "EntryPoint": script_location(run, arguments),
        "EntryPointArguments": _entry_arguments(run, arguments),
    }
    parameters = _submit_parameters(arguments)
    if parameters:
        submit["SparkSubmitParameters"] = parameters
    logging = {
        "Enabled": True,
        "LogGroupName": log_group,
        "LogStreamNamePrefix": job_run_id(run),
        "LogTypes": {"SPARK_DRIVER": ["STDOUT", "STDERR"]},
    }
    return {
        "ApplicationId": application_id,
        "ExecutionRoleArn": role_arn,
        # The same for a repeated request, which then starts nothing twice.
        "ClientToken": run.run_id,
        "Name": f"{run.job[:200]} {run.run_id}",
        "ExecutionTimeoutMinutes": -(-run.timeout_seconds // 60) + SPARE_MINUTES,
        "JobDriver": {"SparkSubmit": submit},
        "ConfigurationOverrides": {"MonitoringConfiguration": {"CloudWatchLoggingConfiguration": logging}},
    }


def _submit_parameters(arguments: Mapping[str, Any]) -> str:
    words = [
        word
        for option, write in SUBMIT_PARAMETERS.items()
        if arguments.get(option)
        for word in write(option, str(arguments[option]))
    ]
    text = shlex.join(words)
    if len(text) > MAX_SUBMIT_PARAMETERS_CHARACTERS:
        raise InvalidInputError("the options for spark-submit are too long", field="arguments")
    return text


def _entry_arguments(run: Run, arguments: Mapping[str, Any]) -> list[str]:
    # Glue tells its Spark scripts these two; what the caller says of them goes before.
    own = {"--JOB_NAME": run.job, "--JOB_RUN_ID": job_run_id(run)}
    told = {**own, **{key: value for key, value in arguments.items() if key not in SUBMIT_PARAMETERS}}
    words = command_line(told)
    if len(words) > MAX_ENTRY_ARGUMENTS:
        raise InvalidInputError(
            f"a Spark job takes at most {MAX_ENTRY_ARGUMENTS} words of arguments", field="arguments"
        )
    return words
