"""The function for operations: does one for the state machine, or answers about rows while a door waits."""

from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from jobruns.bootstrap import load_ports
from jobruns.operation import CallerCredentials
from jobruns.run import Run
from jobruns.service.work import load_run
from jobruns.settings import load_settings
from operations.records import answer_request
from operations.sources import Places
from operations.work import Work

RESERVE_SECONDS = 30
"""Of the function's time, so much is left for writing and committing when the last row has been read."""

logger = Logger()
tracer = Tracer()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Do what ``action`` says: ``run``, ``resolve`` or ``discard`` a run, or what `operations.records` has."""
    logger.append_keys(action=event["action"])
    if "run_id" not in event:
        return answer_request(event, load_settings().lake_bucket)
    logger.append_keys(run_id=event["run_id"], job_name=event["job"])
    run = load_run(load_ports(), event["org"], event["job"], event["run_id"])
    work = make_work(run, CallerCredentials(), context)
    match event["action"]:
        case "resolve":
            run = work.resolve(run)
        case "discard":
            run = work.discard(run)
        case _:
            run = work.do(run)
    logger.info("done", extra={"state": str(run.state), "reason": run.message})
    return {"state": str(run.state)}


def make_work(run: Run, credentials: CallerCredentials, context: LambdaContext) -> Work:
    """Make what does operations in this process."""
    settings = load_settings()
    seconds = context.get_remaining_time_in_millis() / 1000
    places = Places(
        org=run.org,
        landing_bucket=settings.landing_bucket,
        work_bucket=settings.work_bucket,
        loadable_hosts=tuple(host for host in settings.loadable_hosts.split(",") if host),
        credentials=credentials,
        seconds=max(seconds - RESERVE_SECONDS, 1.0),
    )
    return Work(load_ports(), settings.lake_bucket, places, seconds)
