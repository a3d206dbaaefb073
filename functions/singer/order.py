"""What the state machine passes on from `jobruns.aws.singer.SingerExecutor`."""

from pydantic import BaseModel

from jobruns.singer import SyncWork
from scripts.order import RunOrder


class SyncOrder(BaseModel):
    """What is to be done for it; `prefix` is where its files lie in the bucket of the runs' files."""

    run: RunOrder
    job_run_id: str
    prefix: str
    work: SyncWork
