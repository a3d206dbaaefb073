"""Truncates, drops, purges and sweeps tables.

For the doors, which have no PyIceberg, for loads whose table is gone, and for operations, which do not wait for it.
"""

from typing import Any, Literal

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict

from jobruns.settings import load_settings
from jobruns_data.catalog import TableTarget, open_catalog
from jobruns_data.removal import drop_database, drop_table, purge_table, truncate_table
from jobruns_data.sweeping import sweep_table

RESERVE_SECONDS = 30
"""So much of the function's time is left when it stops deleting and says what is left."""

logger = Logger()
tracer = Tracer()


class TableRequest(BaseModel):
    """What is to become of which table."""

    model_config = ConfigDict(frozen=True)

    action: Literal["truncate", "drop", "purge", "sweep", "drop_database"]
    database: str
    table: str = ""
    location: str = ""
    operation_id: str = ""


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Change one table. May be repeated: what is done already is left as it is."""
    request = TableRequest.model_validate(event)
    logger.append_keys(action=request.action, table=f"{request.database}.{request.table}")
    lake_bucket = load_settings().lake_bucket
    catalog = open_catalog(lake_bucket)
    target = TableTarget(request.database, request.table, f"s3://{lake_bucket}/{request.location}")
    match request.action:
        case "truncate":
            answer = {"data_files": truncate_table(catalog, target, request.operation_id)}
        case "drop":
            answer = {"dropped": int(drop_table(catalog, target))}
        case "purge":
            seconds = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
            answer = {"files": purge_table(catalog, target, seconds)}
        case "sweep":
            seconds = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
            answer = {"files": sweep_table(catalog, target, seconds)}
        case "drop_database":
            answer = {"dropped": int(drop_database(catalog, request.database))}
    logger.info("done", extra=answer)
    return answer
