"""Schedules of triggers, by EventBridge Scheduler: one for each activation, which it calls the fire function for.

A schedule is named by its activation's id, which no other ever has, so that nothing here replaces or deletes what a
later activation made.
"""

import json

from botocore.exceptions import BotoCoreError, ClientError

from jobruns.aws import clients
from jobruns.aws.machine import error_code
from jobruns.errors import InvalidInputError, UnavailableError
from jobruns.trigger import Trigger

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""EventBridge Scheduler puts the time that was meant in place of this."""

MAX_AGE_SECONDS = 3600
"""Older calls are of no use any more: they go to the dead-letter queue."""

_DESCRIPTION_CHARACTERS = 512


class EventSchedules:
    """Makes and deletes schedules.

    Parameters
    ----------
    group : str
        The stack's schedule group.
    function_arn : str
        Of the function that fires triggers.
    role_arn : str
        Of the role in which EventBridge Scheduler invokes it.
    dead_letter_arn : str
        Of the queue for calls that did not reach it.
    """

    def __init__(self, group: str, function_arn: str, role_arn: str, dead_letter_arn: str) -> None:
        self._group = group
        self._function_arn = function_arn
        self._role_arn = role_arn
        self._dead_letter_arn = dead_letter_arn

    def put(self, trigger: Trigger) -> None:
        """Make the schedule of a trigger's present activation; one that is there stays as it is.

        Raises
        ------
        InvalidInputError
            EventBridge Scheduler does not take the expression.
        UnavailableError
            It could not be made now.
        """
        told = {
            "org": trigger.org,
            "trigger": trigger.name,
            "activation_id": trigger.activation_id,
            "scheduled_at": SCHEDULED_TIME,
        }
        try:
            clients.scheduler().create_schedule(
                GroupName=self._group,
                Name=str(trigger.activation_id),
                Description=f"Fires the trigger {trigger.name} of {trigger.org}."[:_DESCRIPTION_CHARACTERS],
                ScheduleExpression=str(trigger.schedule),
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow={"Mode": "OFF"},
                State="ENABLED",
                Target={
                    "Arn": self._function_arn,
                    "RoleArn": self._role_arn,
                    "Input": json.dumps(told),
                    "RetryPolicy": {"MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": MAX_AGE_SECONDS},
                    "DeadLetterConfig": {"Arn": self._dead_letter_arn},
                },
            )
        except ClientError as error:
            if error_code(error) == "ConflictException":
                return
            if error_code(error) == "ValidationException" and "expression" in str(error).lower():
                raise InvalidInputError(
                    f"schedule: EventBridge Scheduler does not take {trigger.schedule!r}", field="schedule"
                ) from error
            raise UnavailableError(f"the schedule could not be made: {error}") from error
        except BotoCoreError as error:
            raise UnavailableError(f"the schedule could not be made: {error}") from error

    def remove(self, activation_id: str) -> None:
        """Delete the schedule of an activation; one that is gone counts as deleted.

        Raises
        ------
        UnavailableError
            It could not be deleted now.
        """
        try:
            clients.scheduler().delete_schedule(GroupName=self._group, Name=activation_id)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise UnavailableError(f"the schedule could not be deleted: {error}") from error
        except BotoCoreError as error:
            raise UnavailableError(f"the schedule could not be deleted: {error}") from error
