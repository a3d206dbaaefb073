"""Triggers as Glue writes them, to and from those of the core.

Actions and predicates are given back as they came. Decided here: this service has no crawlers and no workflows, so what
would wait for one or start one is refused rather than kept without effect.
"""

from collections.abc import Mapping
from typing import Any

from glue.admission import DOOR
from glue.job_documents import read_notice, read_timeout, write_arguments, write_minutes
from jobruns.errors import InvalidInputError
from jobruns.trigger import WATCHABLE, Action, Predicate, Trigger

_ECHOED = ("Actions", "EventBatchingCondition", "Predicate")
_ACTION_SETTINGS = ("NotificationProperty", "SecurityConfiguration")


def read_trigger(members: Mapping[str, Any]) -> dict[str, Any]:
    """Read the members that creating and updating share, as fields of `jobruns.trigger.Trigger`.

    Raises
    ------
    InvalidInputError
        They name what this service does not have, or contradict themselves.
    """
    predicate = members.get("Predicate")
    kept = {name: members[name] for name in _ECHOED if name in members}
    if predicate is not None:
        kept["Predicate"] = _job_parts(predicate)
    return {
        "schedule": members.get("Schedule"),
        "description": members.get("Description"),
        "predicate": None if predicate is None else _read_predicate(predicate),
        "actions": [_read_action(action, place) for place, action in enumerate(members.get("Actions", []), 1)],
        "extra": {DOOR: kept},
    }


def write_trigger(trigger: Trigger) -> dict[str, Any]:
    """Write a trigger."""
    own = trigger.extra.get(DOOR, {})
    return {
        "Actions": [_write_action(action) for action in trigger.actions],
        "Predicate": _write_predicate(trigger.predicate) if trigger.predicate else None,
        **own,
        "Name": trigger.name,
        "Type": trigger.type.value,
        "State": trigger.state.value,
        "Description": trigger.description,
        "Schedule": trigger.schedule,
    }


def _read_action(action: Mapping[str, Any], place: int) -> dict[str, Any]:
    path = f"Actions.{place}"
    if "CrawlerName" in action:
        raise InvalidInputError(f"{path}.CrawlerName: this service has no crawlers; an action starts a job by JobName")
    if "JobName" not in action:
        raise InvalidInputError(f"{path}.JobName: an action must name the job that it starts")
    return {
        "job": action["JobName"],
        "arguments": action.get("Arguments", {}),
        "timeout_seconds": read_timeout(action, f"{path}.Timeout"),
        "notify_after_seconds": read_notice(action),
        "extra": {DOOR: {name: action[name] for name in _ACTION_SETTINGS if name in action}},
    }


def _read_predicate(predicate: Mapping[str, Any]) -> dict[str, Any]:
    conditions = [_read_condition(one, place) for place, one in enumerate(predicate.get("Conditions", []), 1)]
    logical = predicate.get("Logical")
    if logical is None and len(conditions) > 1:
        raise InvalidInputError("Predicate.Logical: AND or ANY is needed with several conditions")
    return {"logical": logical, "conditions": conditions}


def _read_condition(condition: Mapping[str, Any], place: int) -> dict[str, Any]:
    path = f"Predicate.Conditions.{place}"
    if "LogicalOperator" not in condition:
        raise InvalidInputError(f"{path}.LogicalOperator: it must be EQUALS")
    if "JobName" not in condition:
        if "CrawlerName" in condition:
            raise InvalidInputError(f"{path}.CrawlerName: this service has no crawlers; watch a job by JobName")
        raise InvalidInputError(f"{path}.JobName: a condition must name the job that it watches")
    if "State" not in condition:
        raise InvalidInputError(f"{path}.State: a condition on a job must say how its run ends")
    if condition["State"] not in WATCHABLE:
        raise InvalidInputError(f"{path}.State: it must be one of {', '.join(WATCHABLE)}, not {condition['State']}")
    return {"job": condition["JobName"], "state": condition["State"]}


def _job_parts(predicate: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what a condition says of a crawler beside a job, as AWS does."""
    if "Conditions" not in predicate:
        return dict(predicate)
    conditions = [
        {name: value for name, value in condition.items() if name not in ("CrawlerName", "CrawlState")}
        for condition in predicate["Conditions"]
    ]
    return {**predicate, "Conditions": conditions}


def _write_action(action: Action) -> dict[str, Any]:
    written = {"JobName": action.job, "Arguments": write_arguments(action.arguments)}
    return {**written, "Timeout": write_minutes(action.timeout_seconds)} if action.timeout_seconds else written


def _write_predicate(predicate: Predicate) -> dict[str, Any]:
    return {
        "Logical": predicate.logical.value if predicate.logical else None,
        "Conditions": [
            {"LogicalOperator": "EQUALS", "JobName": condition.job, "State": condition.state.value}
            for condition in predicate.conditions
        ],
    }
