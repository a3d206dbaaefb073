"""What EventBridge Scheduler refuses, and a state that an update leaves out.

moto stores whatever it is given. A name, an expression or a group that AWS would not take must not work here either.
"""

import re
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.scheduler import models
from moto.scheduler.exceptions import ScheduleGroupNotFound, ValidationException

from local.schedules import check_expression

_NAME = re.compile(r"[0-9a-zA-Z\-_.]{1,64}")


def apply() -> None:
    """Replace what makes and changes schedules."""
    create, update = models.EventBridgeSchedulerBackend.create_schedule, models.Schedule.update
    create_group = models.EventBridgeSchedulerBackend.create_schedule_group

    def create_schedule(backend: Any, **given: Any) -> Any:
        _check_name(given["name"])
        group = given["group_name"] or "default"
        if group not in backend.schedule_groups:
            raise ScheduleGroupNotFound(group)
        _check_timing(given)
        return create(backend, **given)

    def update_schedule(schedule: Any, **given: Any) -> None:
        _check_timing(given)
        # UpdateSchedule replaces: what is left out gets its default, and moto would make that None.
        update(schedule, **given | {"state": given["state"] or "ENABLED"})

    def create_schedule_group(backend: Any, name: str, tags: Any) -> Any:
        _check_name(name)
        if name in backend.schedule_groups:
            raise JsonRESTError("ConflictException", f"Schedule group {name} already exists.")
        return create_group(backend, name, tags)

    models.EventBridgeSchedulerBackend.create_schedule = create_schedule
    models.EventBridgeSchedulerBackend.create_schedule_group = create_schedule_group
    models.Schedule.update = update_schedule


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise ValidationException(f"Value '{name}' at 'name' failed to satisfy constraint: {_NAME.pattern}")


def _check_timing(given: dict[str, Any]) -> None:
    expression = given["schedule_expression"]
    try:
        check_expression(expression)
    except ValueError as error:
        raise ValidationException(f"Invalid Schedule Expression {expression}: {error}") from error
    if (given["schedule_expression_timezone"] or "UTC") != "UTC":
        raise ValidationException("only UTC is known to the local runner")
