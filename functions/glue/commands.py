"""Which executor does the work that a job's ``Command`` names: the one table of it.

Decided here, as Glue's own names of commands leave it open:

* ``Name`` chooses, by `RUNNERS`. A job without one, or one whose runner needs a script and is given none, is external:
  a worker anywhere does the work and reports how it ended.
* ``glueetl`` and ``gluestreaming`` have a runner where the stack was given a Spark application.
* What becomes of a name that has no runner is the stack's to say (``UnknownCommands``). It is refused when the job is
  defined, which is when somebody looks; or its runs succeed at once, so that a team can try its tools on one machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobruns.errors import InvalidInputError
from jobruns.run import Executor
from jobruns.settings import Settings


@dataclass(frozen=True, slots=True)
class Runner:
    """What runs a command; `takes` says how its ``ScriptLocation`` must begin, nothing where it has no use for one."""

    executor: Executor
    takes: str | None = None


RUNNERS: Mapping[str, Runner] = {
    "external": Runner(Executor.EXTERNAL),
    "noop": Runner(Executor.NOOP),
    "ingest": Runner(Executor.INGEST),
    "operation": Runner(Executor.OPERATION),
    "singer": Runner(Executor.SINGER),
    "lambda": Runner(Executor.LAMBDA, "arn:"),
    "pythonshell": Runner(Executor.PYTHON_SCRIPT, "s3://"),
    "glueetl": Runner(Executor.SPARK, "s3://"),
    "gluestreaming": Runner(Executor.SPARK, "s3://"),
}

_NAMES = {runner.executor: name for name, runner in reversed(tuple(RUNNERS.items()))}


def choose_executor(command: Mapping[str, Any], settings: Settings) -> tuple[Executor, str | None]:
    """Choose what does the work of a job.

    Returns
    -------
    tuple of Executor and str or None
        With what the executor needs to find the work.

    Raises
    ------
    InvalidInputError
        The name has no runner here and such are refused, or the script is no place where the runner finds one.
    """
    name, script = command.get("Name"), command.get("ScriptLocation")
    if not name:
        return Executor.EXTERNAL, None
    runner = _find_runner(name, settings)
    if runner.takes is None:
        return runner.executor, None
    if not script:
        return Executor.EXTERNAL, None
    if not script.startswith(runner.takes):
        raise InvalidInputError(
            f"Command.ScriptLocation: a job of the command {name!r} needs one that begins with {runner.takes}"
        )
    return runner.executor, script


def describe_command(executor: Executor, target: str | None) -> dict[str, Any]:
    """Give the ``Command`` of a job that another door has defined."""
    runner = RUNNERS[_NAMES[executor]]
    script = target if target and runner.takes and target.startswith(runner.takes) else None
    return {"Name": _NAMES[executor], "ScriptLocation": script}


def _find_runner(name: str, settings: Settings) -> Runner:
    runner = RUNNERS.get(name)
    if runner is not None and (runner.executor is not Executor.SPARK or settings.spark_application_id):
        return runner
    if settings.unknown_commands == "succeed":
        return Runner(Executor.NOOP)
    reason = (
        "this stack was deployed without a Spark application (its parameter SparkApplicationId)"
        if runner
        else f"it knows {', '.join(sorted(RUNNERS))}"
    )
    raise InvalidInputError(f"Command.Name: nothing here runs the command {name[:64]!r}; {reason}")
