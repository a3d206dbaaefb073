"""Commits the rows of a load in one step, or says why not and clears away behind it: the last task of Ingest."""

from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from ingest.conclusion import Conclusion
from ingest.load import find_table_id, open_load
from jobruns.aws.objects import WorkObjects
from jobruns.bootstrap import load_ports, load_work_objects
from jobruns.errors import InvalidInputError, JobrunsError, NotFoundError
from jobruns.run import Run
from jobruns.service.ports import Ports
from jobruns.service.tables import purge_dropped
from jobruns.service.work import conclude_work, load_run
from jobruns.settings import load_settings

logger = Logger()
tracer = Tracer()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """End a load as ``action`` says: commit, fail (with ``failure``), discard."""
    logger.append_keys(run_id=event["run_id"], job_name=event["job"], action=event["action"])
    ports, work, lake_bucket = load_ports(), load_work_objects(), load_settings().lake_bucket
    try:
        load = open_load(ports, work, lake_bucket, event["org"], event["job"], event["run_id"])
    except (NotFoundError, InvalidInputError) as error:
        run = _give_up(ports, work, load_run(ports, event["org"], event["job"], event["run_id"]), error)
    else:
        remaining_seconds = context.get_remaining_time_in_millis() / 1000
        run = _conclude(Conclusion(ports, work, lake_bucket, load, remaining_seconds), event)
    logger.info("concluded", extra={"state": str(run.state), "reason": run.message})
    return {"state": str(run.state)}


def _conclude(conclusion: Conclusion, event: dict[str, Any]) -> Run:
    match event["action"]:
        case "commit":
            return conclusion.commit()
        case "fail":
            failure = event["failure"]
            return conclusion.fail(str(failure.get("Error", "")), str(failure.get("Cause", "")))
        case "discard":
            return conclusion.discard()
    raise InvalidInputError(f"there is no action {event['action']!r}", field="action")


def _give_up(ports: Ports, work: WorkObjects, run: Run, error: JobrunsError) -> Run:
    """End a run that has no table to load any more, and have deleted what it wrote for the one that was dropped."""
    logger.warning("the run has no table any more", extra={"reason": error.message})
    if not run.state.terminal:
        run = conclude_work(ports, run, error=error.message, error_code=type(error).__name__)
    table_id = find_table_id(ports, work, run)
    if table_id is not None:
        purge_dropped(ports, run.org, table_id)
    return run
