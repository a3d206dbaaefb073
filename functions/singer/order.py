"""What the state machine passes on from `jobruns.aws.singer.SingerExecutor`."""

from pydantic import AwareDatetime, BaseModel

from jobruns.singer import SyncWork


class RunOrder(BaseModel):
    """Which run."""

    org: str
    job: str
    run_id: str
    timeout_seconds: int
    deadline_at: AwareDatetime


class SyncOrder(BaseModel):
    """What is to be done for it; `prefix` is where its files lie in the bucket of the runs' files."""

    run: RunOrder
    job_run_id: str
    prefix: str
    work: SyncWork
