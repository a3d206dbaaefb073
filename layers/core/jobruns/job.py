"""The job: the definition whose executions are runs."""

import re
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from jobruns.lifecycle import DEFAULT_TIMEOUT_SECONDS
from jobruns.run import Executor, RunFolder

MAX_TIMEOUT_SECONDS = 30 * 86400
"""A Standard execution lives a year; Glue allows a batch job 7 days and this ledger more, but bounded."""

MAX_CONCURRENT_RUNS = 1000
"""The unfinished runs of a limited job are named in one item, and an item holds 400 KB."""

MAX_LOOK_BACK_SECONDS = 366 * 86400
"""A year: whoever reads further back than that reads everything."""

NAME = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]{1,255}\Z")
"""What names a job or a trigger: one line of text."""


class Job(BaseModel):
    """Name, executor, defaults and limits of a piece of work.

    ``max_concurrent_runs`` of ``None`` is no limit. With ``queueing`` a run over the limit waits for a slot instead of
    being refused. ``target`` is what the executor needs to find the work: the function's ARN for ``lambda``, the
    table's id for ``ingest``, the script's ``s3://`` URL for ``python_script`` and ``spark``. ``fixed_arguments`` win
    over what the caller of a run says; ``arguments`` do not. ``look_back_seconds`` is how long before the start of its
    last success a run begins to read, so that what was written late is read too; each run has it from its start on.
    ``run_folder`` is where its runs have their files and ``sync_state_key`` the state of a tap that they take up and
    move on, unless who starts one says where its files lie, and then of the state too.
    ``extra`` is a door's own, by the door's name; what its
    runs have of it is in ``run_extra``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    org: str
    name: str = Field(min_length=1, max_length=255)
    executor: Executor = Executor.EXTERNAL
    target: str | None = None
    description: str | None = Field(default=None, max_length=2048)
    arguments: dict[str, Any] = Field(default_factory=dict)
    fixed_arguments: dict[str, Any] = Field(default_factory=dict)
    timeout_seconds: int = Field(default=DEFAULT_TIMEOUT_SECONDS, ge=1, le=MAX_TIMEOUT_SECONDS)
    heartbeat_seconds: int | None = Field(default=None, ge=1)
    notify_after_seconds: int | None = Field(default=None, ge=1)
    max_retries: int = Field(default=0, ge=0, le=10)
    max_concurrent_runs: int | None = Field(default=None, ge=1, le=MAX_CONCURRENT_RUNS)
    queueing: bool = False
    look_back_seconds: int = Field(default=0, ge=0, le=MAX_LOOK_BACK_SECONDS)
    run_folder: RunFolder | None = None
    sync_state_key: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    extra: dict[str, Any] = Field(default_factory=dict)
    run_extra: dict[str, dict[str, Any]] = Field(default_factory=dict)
    door: str
    created_at: AwareDatetime
    modified_at: AwareDatetime
    version: int = 1

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str) -> str:
        if not NAME.match(name):
            raise ValueError("must be one line of text without control characters")
        return name

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.heartbeat_seconds is not None and self.heartbeat_seconds >= self.timeout_seconds:
            raise ValueError("heartbeat_seconds must be smaller than timeout_seconds")
        if self.executor is Executor.LAMBDA and not (self.target or "").startswith("arn:"):
            raise ValueError("target must be the ARN of the function that does the work")
        return self
