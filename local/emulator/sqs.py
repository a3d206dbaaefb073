"""Queues that many senders and receivers may use at once.

moto changes a queue's list of messages without a lock: a message sent while another is deleted can be lost, and one
can be handed to two receivers. Deleting looks at every message, so that emptying a queue of ten thousand takes
minutes.
"""

import threading
import time
from typing import Any

from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Queue, SQSBackend

LOCK = threading.RLock()
"""Held by whoever reads and changes the messages of any queue."""

_LOOK_AGAIN_SECONDS = 0.05


def apply() -> None:
    """Put the lock around what reads and changes messages."""
    receive = SQSBackend.receive_message
    Queue.add_message = _locked(Queue.add_message)
    Queue.delete_message = _delete_message
    for name in ("change_message_visibility", "purge_queue", "get_queue_attributes"):
        setattr(SQSBackend, name, _locked(getattr(SQSBackend, name)))

    def receive_message(
        backend: Any,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        *args: Any,
        **kwargs: Any,
    ) -> list[Any]:
        end = time.monotonic() + wait_seconds_timeout
        while True:
            with LOCK:
                messages: list[Any] = receive(backend, queue_name, count, 0, visibility_timeout, *args, **kwargs)
            if messages or time.monotonic() >= end:
                return messages
            # Waiting holds no lock, or nobody could send.
            time.sleep(_LOOK_AGAIN_SECONDS)

    SQSBackend.receive_message = receive_message


def _locked(function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        with LOCK:
            return function(*args, **kwargs)

    return call


def _delete_message(queue: Any, receipt_handle: str) -> None:
    with LOCK:
        if receipt_handle in queue.deleted_messages:
            return
        for position, message in enumerate(queue._messages):  # noqa: SLF001 - moto keeps them nowhere else
            if message.had_receipt_handle(receipt_handle):
                del queue._messages[position]  # noqa: SLF001 - as above
                _forget(queue, message)
                return
    raise ReceiptHandleIsInvalid


def _forget(queue: Any, message: Any) -> None:
    queue.pending_messages.discard(message)
    queue.deleted_messages.update(message.all_receipt_handles)


def delete_messages(queue: Any, message_ids: set[str]) -> None:
    """Delete many messages in one pass."""
    with LOCK:
        kept = []
        for message in queue._messages:  # noqa: SLF001 - as above
            if message.id in message_ids:
                _forget(queue, message)
            else:
                kept.append(message)
        queue._messages[:] = kept  # noqa: SLF001 - as above
