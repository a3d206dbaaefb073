"""Turns runs into items of the ledger table and back, with the keys of its indexes."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from jobruns.run import Run, RunSummary
from jobruns.store import keys
from jobruns.store.items import PROGRESS_COUNTERS, SUMMARY_FIELDS, RunItem


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
