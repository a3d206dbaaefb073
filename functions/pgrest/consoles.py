"""Where AWS's console shows what became of a run."""

from urllib.parse import quote

from jobruns.ids import job_run_id
from jobruns.run import Executor, Run, RunState
from jobruns.settings import Settings

_DOMAINS = {"aws-cn": "amazonaws.cn", "aws-us-gov": "amazonaws-us-gov.com"}
"""Of the consoles of AWS's other partitions."""


def find_consoles(run: Run, settings: Settings) -> dict[str, str]:
    """Find the pages of a run: its execution, that of its load, and its logs; those there are.

    Parameters
    ----------
    run : Run
        The run.
    settings : Settings
        Names the state machines and the group of the logs, as far as the function is told of them.
    """
    # What never got a slot has no execution, nor has what was over when it was told of.
    if run.state is RunState.WAITING or (run.state.terminal and run.version == 1):
        return {}
    pages = {}
    if settings.lifecycle_arn:
        pages["execution"] = _execution(settings.lifecycle_arn, run.run_id)
    if run.executor is Executor.INGEST and settings.ingest_arn:
        pages["load"] = _execution(settings.ingest_arn, run.run_id)
    return {**pages, **_find_logs(run, settings)}


def _find_logs(run: Run, settings: Settings) -> dict[str, str]:
    place = settings.lifecycle_arn.split(":")
    if len(place) < 4:
        return {}
    if run.executor is Executor.LAMBDA and run.target:
        # arn:aws:lambda:region:account:function:name, with a version or an alias behind it
        target = run.target.split(":")
        return {"output": _log(target, f"/aws/lambda/{target[6]}")} if len(target) > 6 else {}
    if not settings.run_log_group:
        return {}
    group, stream = settings.run_log_group, job_run_id(run)
    match run.executor:
        case Executor.PYTHON_SCRIPT:
            return {"output": _log(place, f"{group}/output", stream), "errors": _log(place, f"{group}/error", stream)}
        case Executor.SPARK:  # its driver has several streams, whose names begin so
            return {"output": f"{_log(place, f'{group}/output')}$3FlogStreamNameFilter$3D{_twice(stream)}"}
    return {}


def _execution(machine_arn: str, name: str) -> str:
    arn = f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
    return f"{_console(machine_arn.split(':'), 'states')}#/v2/executions/details/{arn}"


def _log(place: list[str], group: str, stream: str | None = None) -> str:
    events = "" if stream is None else f"/log-events/{_twice(stream)}"
    return f"{_console(place, 'cloudwatch')}#logsV2:log-groups/log-group/{_twice(group)}{events}"


def _console(arn: list[str], service: str) -> str:
    partition, region = arn[1], arn[3]
    domain = _DOMAINS.get(partition, "aws.amazon.com")
    return f"https://{region}.console.{domain}/{service}/home?region={region}"


def _twice(text: str) -> str:
    """Encode a name as this console's addresses have it: percent-encoded twice, with dollar signs."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")
