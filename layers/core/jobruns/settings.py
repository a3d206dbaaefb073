"""The one place that reads the environment."""

import os
from functools import cache

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """What a function is told by the template; a function that is not told a thing does not use it."""

    model_config = ConfigDict(frozen=True)

    stage: str = "dev"
    ledger_table: str
    landing_bucket: str = ""
    lake_bucket: str = ""
    work_bucket: str = ""
    lifecycle_arn: str = ""
    ingest_arn: str = ""
    commit_function: str = ""
    upload_queue_url: str = ""
    upload_dlq_url: str = ""
    keys_secret_id: str = ""


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
