"""Which run a function is to work for, as `jobruns.aws.executors.ProgramExecutor` tells it."""

from pydantic import AwareDatetime, BaseModel


class RunOrder(BaseModel):
    """Which run."""

    org: str
    job: str
    run_id: str
    timeout_seconds: int
    deadline_at: AwareDatetime
