"""A script's output, to CloudWatch Logs: one stream for each run in each of two groups, where AWS Glue has them.

Whatever becomes of the output, the run goes on: what cannot be delivered is dropped, as the function's own log says.
"""

import logging
import threading
from types import TracebackType
from typing import Any, Self

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError
from watchtower import CloudWatchLogHandler

from jobruns.aws import clients
from jobruns.aws.machine import error_code

SEND_SECONDS = 2
"""How long a line waits for others to be sent with it."""

MAX_WAITING_BYTES = 1024 * 1024
"""Of lines on their way; the script waits where it writes faster than CloudWatch takes it."""

FLUSH_SECONDS = 8
GIVE_UP_AFTER = 5
"""Calls without success in a row: as often as the handler tries to send one batch."""

_EXTRA_BYTES = 26  # what CloudWatch and the handler add to each line when they count

logger = Logger(child=True)


class OutputStream:
    """The stream of one run in one group, made with the first line. Leaving it, as a context manager, sends the rest.

    Parameters
    ----------
    group : str
        Name of the log group, which is there.
    stream : str
        Name of the stream.

    Attributes
    ----------
    dropped : int
        Lines that were not even tried to be sent.
    """

    def __init__(self, group: str, stream: str) -> None:
        self.group = group
        self.stream = stream
        self.dropped = 0
        self._waiting_bytes = 0
        self._delivery = _Delivery()
        self._handler: CloudWatchLogHandler | None = None
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            # A line that comes too late must not make the stream anew.
            self._closed = True
        if self._handler is not None:
            self._handler.close()
        if self.dropped or self._delivery.failures:
            logger.error("output of the script was lost", extra={**self._names(), "lines_dropped": self.dropped})

    def write(self, line: str) -> None:
        """Send a line, soon. Never raises for what AWS does; waits while too much is on its way."""
        with self._lock:
            handler = None if self._closed or self._delivery.hopeless else self._open()
        if handler is None:
            self.dropped += 1
            return
        # CloudWatch takes no empty line.
        handler.handle(logging.LogRecord("script", logging.INFO, "", 0, line or " ", None, None))
        self._waiting_bytes += len(line.encode()) + _EXTRA_BYTES
        if self._waiting_bytes >= MAX_WAITING_BYTES:
            handler.flush()
            self._waiting_bytes = 0

    def _open(self) -> CloudWatchLogHandler | None:
        if self._handler is None:
            try:
                clients.logs().create_log_stream(logGroupName=self.group, logStreamName=self.stream)
            except (ClientError, BotoCoreError) as error:
                if not isinstance(error, ClientError) or error_code(error) != "ResourceAlreadyExistsException":
                    logger.exception("no stream for the script's output", extra=self._names())
                    self._delivery.failures = GIVE_UP_AFTER
                    return None
            sender: Any = self._delivery
            self._handler = CloudWatchLogHandler(
                log_group_name=self.group,
                log_stream_name=self.stream,
                boto3_client=sender,
                create_log_group=False,
                # Made above: the handler would drop what it is given while it makes one.
                create_log_stream=False,
                send_interval=SEND_SECONDS,
            )
            self._handler.FLUSH_TIMEOUT = FLUSH_SECONDS
        return self._handler

    def _names(self) -> dict[str, str]:
        return {"log_group": self.group, "log_stream": self.stream}


class _Delivery:
    """What the handler sends with: the client, and a count of the failures, of which the handler only warns.

    Attributes
    ----------
    failures : int
        Calls without success since the last one with.
    """

    def __init__(self) -> None:
        self.failures = 0

    @property
    def exceptions(self) -> Any:
        """The client's classes of errors, by which the handler tells them apart."""
        return clients.logs().exceptions

    @property
    def hopeless(self) -> bool:
        """Whether nothing more is to be tried."""
        return self.failures >= GIVE_UP_AFTER

    def put_log_events(self, **batch: Any) -> Any:
        """Send a batch, and count."""
        try:
            answer = clients.logs().put_log_events(**batch)
        except (ClientError, BotoCoreError):
            self.failures += 1
            logger.warning("output of the script is not delivered", exc_info=self.failures == 1)
            raise
        self.failures = 0
        return answer
