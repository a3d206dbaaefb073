"""The upload queue and its dead-letter queue, by SQS."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from jobruns.aws import clients
from jobruns.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

BATCH = 10
"""What one SendMessageBatch takes."""

_SENDERS = 8
_TRIES = 3


class UploadQueue:
    """Sends messages about uploads.

    Parameters
    ----------
    url, dead_letter_url : str
        The queues' URLs.
    """

    def __init__(self, url: str, dead_letter_url: str) -> None:
        self._url = url
        self._dead_letter_url = dead_letter_url

    def send(self, bodies: Sequence[str], delay_seconds: int) -> None:
        """Send messages to be handled after a delay.

        Raises
        ------
        UnavailableError
            SQS did not take them all; some may have been sent.
        """
        _send(self._url, [{"MessageBody": body, "DelaySeconds": delay_seconds} for body in bodies])

    def bury(self, bodies: Sequence[str], attributes: Mapping[str, str]) -> None:
        """Put messages into the dead-letter queue, with attributes for whoever looks at them.

        Raises
        ------
        UnavailableError
            SQS did not take them all; some may have been sent.
        """
        told: dict[str, MessageAttributeValueTypeDef] = {
            name: {"DataType": "String", "StringValue": _printable(value)} for name, value in attributes.items()
        }
        _send(self._dead_letter_url, [{"MessageBody": body, "MessageAttributes": told} for body in bodies])


def _send(url: str, entries: Sequence[dict[str, Any]]) -> None:
    batches = [entries[start : start + BATCH] for start in range(0, len(entries), BATCH)]
    if not batches:
        return
    with ThreadPoolExecutor(min(_SENDERS, len(batches))) as senders:
        for _ in senders.map(lambda batch: _send_batch(url, batch), batches):
            pass


def _send_batch(url: str, entries: Sequence[dict[str, Any]]) -> None:
    left: dict[str, Any] = {str(number): {"Id": str(number), **entry} for number, entry in enumerate(entries)}
    refused: list[Any] = []
    for _ in range(_TRIES):
        try:
            answer = clients.sqs().send_message_batch(QueueUrl=url, Entries=list(left.values()))
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError(f"uploads could not be put into the queue {url}: {error}") from error
        refused = list(answer.get("Failed", []))
        left = {entry["Id"]: left[entry["Id"]] for entry in refused}
        if not left:
            return
    raise UnavailableError(f"the queue {url} did not take {len(left)} uploads: {refused[0].get('Message')}")


def _printable(text: str) -> str:
    """Keep what SQS takes: it refuses control characters and an empty value."""
    return "".join(character if character.isprintable() else " " for character in text) or "-"
