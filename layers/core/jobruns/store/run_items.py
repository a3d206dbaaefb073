"""Runs as items of the ledger table: their PynamoDB model, the keys of its indexes, and the way there and back."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)

from jobruns.run import Progress, Run, RunSummary
from jobruns.store import keys
from jobruns.store.indexes import SUMMARY_FIELDS, DueIndex, EndIndex, StartIndex, StateIndex, TimeIndex
from jobruns.store.items import LedgerItem

PROGRESS_COUNTERS = tuple(name for name in Progress.model_fields if name != "listing")


class RunItem(LedgerItem):
    """A run. Attributes are named as the fields of `jobruns.run.Run`; progress lies flat, to be added to."""

    gsi_due = DueIndex()
    gsi_time = TimeIndex()
    gsi_state = StateIndex()
    due_pk = UnicodeAttribute(null=True)
    due_sk = UnicodeAttribute(null=True)
    time_pk = UnicodeAttribute()
    time_sk = UnicodeAttribute()
    state_pk = UnicodeAttribute()
    state_sk = UnicodeAttribute()
    lsi_start = StartIndex()
    lsi_end = EndIndex()
    start_sk = UnicodeAttribute(null=True)
    end_sk = UnicodeAttribute(null=True)

    org = UnicodeAttribute()
    job = UnicodeAttribute()
    run_id = UnicodeAttribute()
    executor = UnicodeAttribute()
    state = UnicodeAttribute()
    number = NumberAttribute(null=True)
    counts = BooleanAttribute(null=True)
    look_back_seconds = NumberAttribute(null=True)
    source = UnicodeAttribute(null=True)
    destination = UnicodeAttribute(null=True)
    records = NumberAttribute(null=True)
    reported_start_at = UTCDateTimeAttribute(null=True)
    reported_end_at = UTCDateTimeAttribute(null=True)
    expires_at = TTLAttribute(null=True)
    version = NumberAttribute()
    door = UnicodeAttribute()
    trigger = UnicodeAttribute()
    trigger_name = UnicodeAttribute(null=True)
    predecessors = JSONAttribute(null=True)
    started_by = UnicodeAttribute()
    attempt = NumberAttribute()
    previous_run_id = UnicodeAttribute(null=True)
    root_run_id = UnicodeAttribute()
    max_retries = NumberAttribute()
    limited = BooleanAttribute()
    arguments = JSONAttribute(null=True)
    arguments_key = UnicodeAttribute(null=True)
    target = UnicodeAttribute(null=True)
    root = JSONAttribute(null=True)
    sync_state = JSONAttribute(null=True)
    timeout_seconds = NumberAttribute()
    heartbeat_seconds = NumberAttribute(null=True)
    notify_after_seconds = NumberAttribute(null=True)
    bookmark_option = UnicodeAttribute(null=True)
    bookmark = JSONAttribute(null=True)
    submitted_at = UTCDateTimeAttribute()
    started_at = UTCDateTimeAttribute(null=True)
    ended_at = UTCDateTimeAttribute(null=True)
    modified_at = UTCDateTimeAttribute()
    heartbeat_at = UTCDateTimeAttribute(null=True)
    notified_at = UTCDateTimeAttribute(null=True)
    warned_at = UTCDateTimeAttribute(null=True)
    deadline_at = UTCDateTimeAttribute()
    stop_by_at = UTCDateTimeAttribute(null=True)
    committing_until_at = UTCDateTimeAttribute(null=True)
    phase = UnicodeAttribute(null=True)
    phase_rank = NumberAttribute(null=True)
    task_token = UnicodeAttribute(null=True)
    message = UnicodeAttribute(null=True)
    error_code = UnicodeAttribute(null=True)
    metrics = JSONAttribute(null=True)
    tags = JSONAttribute(null=True)
    extra = JSONAttribute(null=True)
    settled = BooleanAttribute()

    listing = UnicodeAttribute(null=True)
    units_total = NumberAttribute(default=0)
    units_running = NumberAttribute(default=0)
    units_done = NumberAttribute(default=0)
    units_failed = NumberAttribute(default=0)
    rows_loaded = NumberAttribute(default=0)
    rows_rejected = NumberAttribute(default=0)
    bytes_read = NumberAttribute(default=0)
    work_milliseconds = NumberAttribute(default=0)


def attribute_value(value: Any) -> Any:
    """Turn a field of a run into what its attribute takes; ``None`` where there is nothing to keep."""
    match value:
        case StrEnum():
            return str(value)
        case BaseModel():
            return value.model_dump(mode="json")
        case tuple():
            return [attribute_value(part) for part in value] or None
        case dict():
            return value or None
    return value


def run_keys(run: Run, due: str | None) -> dict[str, str | None]:
    """Compose the index keys that move with a run's state and with what is told of it."""
    return {
        "due_pk": keys.due_pk(run.run_id) if due else None,
        "due_sk": f"{due}#{run.run_id}" if due else None,
        "state_pk": keys.state_pk(run.org, run.state),
        **course_keys(run),
    }


def course_keys(run: RunSummary) -> dict[str, str | None]:
    """Compose the keys of a job's own indexes: where a run is among the others of its job, once it has a number."""
    if run.number is None:
        return {"start_sk": None, "end_sk": None}
    course = keys.course(run.outcome, counts=run.counts)
    return {
        "start_sk": keys.course_sk(course, run.start_at, run.number),
        "end_sk": keys.course_sk(course, run.end_at, run.number),
    }


def start_keys(run: Run) -> dict[str, str]:
    """Compose the index keys that move with a run's start alone, and not when it gets its number."""
    moment = keys.moment_sk(run.start_at, run.number, run.run_id)
    return {"time_sk": moment, "state_sk": moment}


def read_summary(item: RunItem) -> RunSummary:
    """Turn what a local index keeps of a run into its summary."""
    fields = {name: getattr(item, name) for name in SUMMARY_FIELDS}
    return RunSummary.model_validate({name: value for name, value in fields.items() if value is not None})


def read_run(item: RunItem) -> Run:
    """Turn an item into a run."""
    fields = {name: getattr(item, name) for name in Run.model_fields if name != "progress"}
    fields = {name: value for name, value in fields.items() if value is not None}
    # A worker killed before it was counted as running is counted as done all the same, until the recount.
    progress = {name: max(int(getattr(item, name) or 0), 0) for name in PROGRESS_COUNTERS}
    return Run.model_validate({**fields, "progress": {"listing": item.listing, **progress}})


def write_run(run: Run, due: str | None) -> RunItem:
    """Turn a new run into an item."""
    fields = {name: attribute_value(getattr(run, name)) for name in Run.model_fields if name != "progress"}
    attributes: dict[str, Any] = {**run_keys(run, due), **start_keys(run), **fields, **run.progress.model_dump()}
    return RunItem(
        pk=keys.job_pk(run.org, run.job),
        sk=keys.run_sk(run.run_id),
        kind="run",
        time_pk=keys.time_pk(run.org),
        **attributes,
    )
