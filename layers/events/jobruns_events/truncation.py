"""Keeps documents small enough for where they go. The whole of each lies under its run's root.

Receivers of webhooks are told what became of each record only while that is short. The bus takes events of 256 KB
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html), and what reads it need not be sent what a
caller had a run write.
"""

from collections.abc import Mapping
from typing import Any, Final

from jobruns_events.json_text import write_json

__all__ = ["MAX_BUS_BYTES", "MAX_THIN_BYTES", "cut", "thin"]

MAX_THIN_BYTES: Final = 20_000
"""What became of each record, as JSON, at most."""

MAX_BUS_BYTES: Final = 200_000
"""A document on the bus, as JSON, at most; what is around it is a few kilobytes."""

MAX_MESSAGE_CHARACTERS: Final = 1000

_DISPENSABLE: Final = (
    ("metrics", "exportDetails"),
    ("state",),
    ("override_field_map",),
    ("override_selected_tables",),
    ("override_source_config",),
    ("override_target_config",),
    ("override_connector_config",),
    ("metrics", "exportSummary"),
    ("metrics", "recordCount"),
    ("metrics",),
    ("resources_usage",),
    ("task_definition",),
    ("data_sizes",),
)
"""What is left out first comes first."""

_UNSENT: Final = "mapped_record"
"""A record as it was sent to its destination: it may hold anything about anybody."""


def thin(details: Mapping[str, Any]) -> dict[str, Any]:
    """Give a document as receivers are sent it; one that is of no run has no metrics."""
    metrics = details.get("metrics", {})
    outcomes = metrics.get("exportDetails")
    if outcomes is None:
        return dict(details)
    shown = _without_records(outcomes)
    if len(write_json(shown)) <= MAX_THIN_BYTES:
        return {**details, "metrics": {**metrics, "exportDetails": shown}}
    others = {name: value for name, value in metrics.items() if name != "exportDetails"}
    return {**details, "metrics": {**others, "exportDetails_truncated": True}}


def cut(details: Mapping[str, Any], limit: int = MAX_BUS_BYTES) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Leave out of a document what it takes for it to be short enough.

    Parameters
    ----------
    details : mapping
        The document.
    limit : int
        Bytes of it as JSON.

    Returns
    -------
    tuple of dict and tuple of str
        The document, and what was left out of it; ``state`` always is, where there is any.
    """
    shown, left_out = thin(details), []
    if "exportDetails_truncated" in shown["metrics"]:
        left_out.append("metrics.exportDetails")
    if shown["state"]:
        shown["state"] = {}
        left_out.append("state")
    for path in _DISPENSABLE:
        if len(write_json(shown)) <= limit:
            return shown, tuple(left_out)
        if _leave_out(shown, path):
            left_out.append(".".join(path))
    if len(write_json(shown)) > limit:
        shown |= {name: _shorten(value) for name, value in shown.items()}
        left_out.append("message")
    return shown, tuple(left_out)


def _without_records(outcomes: Any) -> Any:
    match outcomes:
        case dict():
            return {name: _without_records(value) for name, value in outcomes.items() if name != _UNSENT}
        case list():
            return [_without_records(one) for one in outcomes]
    return outcomes


def _leave_out(document: dict[str, Any], path: tuple[str, ...]) -> bool:
    *parents, last = path
    holder = document
    for name in parents:
        holder[name] = dict(holder[name])
        holder = holder[name]
    if not holder.get(last):
        return False
    holder[last] = {} if isinstance(holder[last], dict) else None
    return True


def _shorten(value: Any) -> Any:
    match value:
        case str():
            return value[:MAX_MESSAGE_CHARACTERS]
        case dict():
            return {name: _shorten(member) for name, member in list(value.items())[:20]}
        case list():
            return []
    return value
