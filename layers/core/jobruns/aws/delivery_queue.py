"""The deliveries' queue, by SQS, and by EventBridge Scheduler for what waits longer than SQS lets a message wait."""

import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jobruns.aws import clients
from jobruns.aws.machine import error_code
from jobruns.errors import UnavailableError
from jobruns.service.event_ports import DeliveryMessage

BATCH = 10
"""What one SendMessageBatch takes."""

MAX_DELAY_SECONDS = 900
"""For so long SQS keeps a message back at most."""

_SENDERS = 8
_TRIES = 3
_LOG_CHARACTERS = 200_000


class DeliveryQueue:
    """Sends messages about deliveries.

    Parameters
    ----------
    url, dead_letter_url : str
        The queues' URLs.
    arn : str
        Of the queue, for EventBridge Scheduler; empty where nobody waits for long.
    group : str
        The stack's schedule group for deliveries.
    role_arn : str
        Of the role in which EventBridge Scheduler sends.
    lost_arn : str
        Of the queue for what EventBridge Scheduler could not send.
    """

    def __init__(
        self,
        url: str,
        dead_letter_url: str = "",
        arn: str = "",
        *,
        group: str = "",
        role_arn: str = "",
        lost_arn: str = "",
    ) -> None:
        self._url = url
        self._dead_letter_url = dead_letter_url
        self._arn = arn
        self._group = group
        self._role_arn = role_arn
        self._lost_arn = lost_arn

    def send(self, messages: Sequence[DeliveryMessage]) -> None:
        """Have deliveries tried now.

        Raises
        ------
        UnavailableError
            SQS did not take them all; some may have been sent.
        """
        batches = [messages[start : start + BATCH] for start in range(0, len(messages), BATCH)]
        if not batches:
            return
        with ThreadPoolExecutor(min(_SENDERS, len(batches))) as senders:
            for _ in senders.map(self._send_batch, batches):
                pass

    def send_later(self, message: DeliveryMessage, now: datetime) -> None:
        """Have a delivery tried when its message is due.

        What waits for long is left to EventBridge Scheduler, by a schedule that is named after the attempt. Where that
        takes no more now, the message comes back after as long as SQS lets it wait, and is sent on from there.

        Raises
        ------
        UnavailableError
            SQS did not take it.
        """
        due_at = message.due_at or now
        wait = (due_at - now).total_seconds()
        if wait <= MAX_DELAY_SECONDS or not self._schedule(message, due_at):
            self._send(self._url, message, min(max(math.ceil(wait), 0), MAX_DELAY_SECONDS))

    def bury(self, message: DeliveryMessage, told: Mapping[str, Any]) -> None:
        """Put a delivery that nobody took into the dead-letter queue, with what is to be told of it.

        Raises
        ------
        UnavailableError
            SQS did not take it.
        """
        body = json.dumps({**json.loads(message.model_dump_json(exclude_none=True)), "told": told})
        if len(body) > _LOG_CHARACTERS:
            body = message.model_dump_json(exclude_none=True)
        try:
            clients.sqs().send_message(QueueUrl=self._dead_letter_url, MessageBody=body)
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError(f"the delivery could not be put aside: {error}") from error

    def _send(self, url: str, message: DeliveryMessage, delay_seconds: int) -> None:
        try:
            clients.sqs().send_message(
                QueueUrl=url,
                MessageBody=message.model_dump_json(exclude_none=True),
                DelaySeconds=delay_seconds,
                MessageGroupId=message.endpoint_id,
            )
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError(f"the delivery could not be put into the queue: {error}") from error

    def _send_batch(self, messages: Sequence[DeliveryMessage]) -> None:
        # Of a group, which is an endpoint here, SQS hands out less while much of it is being tried: one that is slow
        # does not keep the others waiting.
        left: dict[str, Any] = {
            str(number): {
                "Id": str(number),
                "MessageBody": message.model_dump_json(exclude_none=True),
                "MessageGroupId": message.endpoint_id,
            }
            for number, message in enumerate(messages)
        }
        refused: list[Any] = []
        for _ in range(_TRIES):
            try:
                answer = clients.sqs().send_message_batch(QueueUrl=self._url, Entries=list(left.values()))
            except (ClientError, BotoCoreError) as error:
                raise UnavailableError(f"deliveries could not be put into the queue: {error}") from error
            refused = list(answer.get("Failed", []))
            left = {entry["Id"]: left[entry["Id"]] for entry in refused}
            if not left:
                return
        raise UnavailableError(f"the queue did not take {len(left)} deliveries: {refused[0].get('Message')}")

    def _schedule(self, message: DeliveryMessage, due_at: datetime) -> bool:
        """Make a schedule that sends the message once; gives whether there is one."""
        if not self._arn:
            return False
        at = due_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        target: Any = {
            "Arn": self._arn,
            "RoleArn": self._role_arn,
            "Input": message.model_dump_json(exclude_none=True),
            "RetryPolicy": {"MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": 3600},
        }
        if self._lost_arn:
            target["DeadLetterConfig"] = {"Arn": self._lost_arn}
        try:
            clients.scheduler().create_schedule(
                GroupName=self._group,
                Name=f"{message.delivery_id}-{message.attempt}",
                ScheduleExpression=f"at({at})",
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                State="ENABLED",
                Target=target,
            )
        except ClientError as error:
            return error_code(error) == "ConflictException"
        except BotoCoreError:
            return False
        return True
