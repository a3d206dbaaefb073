"""The executors: what does the work of a run, and how it is begun and ended."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jobruns.aws import clients
from jobruns.aws.machine import start_execution, stop_execution
from jobruns.aws.scripts import command_line, script_location, stop_marker
from jobruns.aws.spark import spark_job
from jobruns.errors import UnavailableError
from jobruns.ids import job_run_id
from jobruns.run import Run, RunState, TriggerKind
from jobruns.service.ports import Objects


class ExternalExecutor:
    """A worker anywhere, which reports through a door. There is nothing to begin and nothing to end here."""

    def begin(self, run: Run, arguments: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the port's signature
        """Wait for reports."""
        return {}

    def stop(self, run: Run) -> None:
        """Do nothing: the worker learns of it by its next heartbeat or report."""

    def resolve(self, run: Run) -> None:
        """Do nothing: an external run does not commit."""

    def settle(self, run: Run) -> None:
        """Nothing follows."""


class NoopExecutor(ExternalExecutor):
    """No work at all: the state machine ends the run as soon as it has begun."""


class FunctionExecutor(ExternalExecutor):
    """A user's own function, invoked by the state machine, so that nothing of ours waits and pays for it."""

    def begin(self, run: Run, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Tell the state machine which function, and what the function is told."""
        return {"function_arn": run.target, "payload": {"run": _told(run), "arguments": dict(arguments)}}


class ProgramExecutor(ExternalExecutor):
    """Programs of a user's, run in processes of their own by a function of ours, which the state machine waits for.

    Parameters
    ----------
    function_arn : str
        Of the function that runs them.
    objects : Objects
        The work bucket.
    """

    def __init__(self, function_arn: str, objects: Objects) -> None:
        self._function_arn = function_arn
        self._objects = objects

    def stop(self, run: Run) -> None:
        """Have the programs killed: nobody but their function can, and the function looks for this document."""
        self._objects.put_json(stop_marker(run.run_id), {"state": str(run.state)})

    def _tell(self, run: Run, work: Mapping[str, Any]) -> dict[str, Any]:
        """Tell the state machine which function, and the function which run and what is to be done for it."""
        told = {**_told(run), "timeout_seconds": run.timeout_seconds}
        return {"function_arn": self._function_arn, "payload": {"run": told, "job_run_id": job_run_id(run), **work}}


class ScriptExecutor(ProgramExecutor):
    """A Python script, run by our own function for scripts as AWS Glue's Python shell runs it."""

    def begin(self, run: Run, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Tell the state machine which function, and the function which script.

        Raises
        ------
        InvalidInputError
            The job names no script.
        """
        work = {
            "script": script_location(run, arguments),
            "command_line": command_line(arguments),
            "libraries": arguments.get("--extra-py-files"),
        }
        return self._tell(run, work)


class SparkExecutor(ExternalExecutor):
    """A Spark job on EMR Serverless, started and waited for by the state machine, which cancels it when it is stopped.

    Parameters
    ----------
    application_id, role_arn : str
        The EMR Serverless application and the role of its jobs; empty where there is none.
    log_group : str
        Name of the log group that gets the output of drivers.
    """

    def __init__(self, application_id: str, role_arn: str, log_group: str) -> None:
        self._application_id = application_id
        self._role_arn = role_arn
        self._log_group = log_group

    def begin(self, run: Run, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Tell the state machine which job to start; see `jobruns.aws.spark.spark_job` for what it raises."""
        job = spark_job(
            run,
            arguments,
            application_id=self._application_id,
            role_arn=self._role_arn,
            log_group=self._log_group,
        )
        return {"spark": job}


class IngestExecutor:
    """The state machine Ingest. The execution's name is the run's id, its input who the run is.

    Parameters
    ----------
    machine_arn : str
        Of the state machine.
    commit_function : str
        Name of the function that commits and discards.
    requeue : callable
        Puts the files of a failed upload's run back into the upload queue.
    """

    def __init__(self, machine_arn: str, commit_function: str, requeue: Callable[[Run], None]) -> None:
        self._arn = machine_arn
        self._commit_function = commit_function
        self._requeue = requeue

    def begin(self, run: Run, arguments: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the port's signature
        """Start the run's ingest; its functions read the arguments from the ledger."""
        start_execution(self._arn, run.run_id, {"org": run.org, "job": run.job, "run_id": run.run_id})
        return {}

    def stop(self, run: Run) -> None:
        """Stop the ingest and have its data files deleted."""
        stop_execution(self._arn, run.run_id, f"the run is {run.state}")
        self._invoke_commit(run, "discard")

    def resolve(self, run: Run) -> None:
        """Have the commit done, or done again: it commits nothing twice, and reports what it finds."""
        self._invoke_commit(run, "commit")

    def settle(self, run: Run) -> None:
        """Give the files of an upload's run that failed another chance."""
        if run.trigger is TriggerKind.UPLOAD and run.state in (RunState.FAILED, RunState.TIMEOUT):
            self._requeue(run)

    def _invoke_commit(self, run: Run, action: str) -> None:
        payload = {"action": action, "org": run.org, "job": run.job, "run_id": run.run_id}
        try:
            clients.functions().invoke(
                FunctionName=self._commit_function,
                InvocationType="Event",
                Payload=json.dumps(payload).encode(),
            )
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError(f"the function {self._commit_function} could not be invoked: {error}") from error


def _told(run: Run) -> dict[str, Any]:
    return {
        "org": run.org,
        "job": run.job,
        "run_id": run.run_id,
        "attempt": run.attempt,
        "deadline_at": run.deadline_at.isoformat(),
    }
