"""The one place that reads the environment."""

import os
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict

from jobruns.trigger import Watched


class Settings(BaseModel):
    """What a function is told by the template; a function that is not told a thing does not use it."""

    model_config = ConfigDict(frozen=True)

    stage: str = "dev"
    aws_region: str = ""
    ledger_table: str
    landing_bucket: str = ""
    lake_bucket: str = ""
    work_bucket: str = ""
    runs_bucket: str = ""
    lifecycle_arn: str = ""
    ingest_arn: str = ""
    commit_function: str = ""
    tables_function: str = ""
    operations_function: str = ""
    handed_over_function: str = ""
    loadable_hosts: str = ""
    upload_queue_url: str = ""
    upload_dlq_url: str = ""
    keys_secret_id: str = ""
    conditional_triggers: Watched = Watched.TRIGGERED
    schedule_group: str = ""
    scheduler_role_arn: str = ""
    fire_function_arn: str = ""
    async_dlq_arn: str = ""
    script_function_arn: str = ""
    run_log_group: str = ""
    spark_application_id: str = ""
    spark_job_role_arn: str = ""
    run_retention_days: int = 0
    unknown_commands: Literal["refuse", "succeed"] = "refuse"
    event_bus: str = ""
    deliveries_queue_url: str = ""
    deliveries_queue_arn: str = ""
    deliveries_dlq_url: str = ""
    delivery_schedule_group: str = ""
    webhook_hosts: str = ""
    webhooks_secret_id: str = ""
    endpoint_secret_prefix: str = ""
    flow_secret_prefix: str = ""
    singer_function_arn: str = ""
    singer_home: str = "/opt/singer"


@cache
def load_settings() -> Settings:
    """Read the environment once.

    Raises
    ------
    pydantic.ValidationError
        ``LEDGER_TABLE`` is not set: the function was deployed without its template.
    """
    names = {name: os.environ.get(name.upper()) for name in Settings.model_fields}
    return Settings.model_validate({name: value for name, value in names.items() if value is not None})
