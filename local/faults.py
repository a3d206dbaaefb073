"""Counts the AWS calls of each function, and kills a worker at the call a test names.

Every worker signs its calls with an access key id of its own, whether they are made by botocore or by Arrow's S3
client in C++, so the emulated AWS can tell who calls.
"""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs

from local.pool import Worker
from local.serving import Environ

When = Literal["before", "after"]

_CREDENTIAL = re.compile(r"(?:Credential=|^AWS )(?P<key>LOCAL(?P<function>\w+)X\d+)[/:]")
_PRESIGNED = re.compile(r"X-Amz-Credential=(?P<key>LOCAL(?P<function>\w+)X\d+)(?:%2F|/)", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """One AWS call of a function.

    Parameters
    ----------
    function : str
        Logical id.
    access_key_id : str
        The worker's.
    service, operation : str
        Such as ``dynamodb`` and ``TransactWriteItems``.
    at : float
        Seconds of `time.time`.
    path : str
        Of the request; names the bucket and the object where S3 is called.
    """

    function: str
    access_key_id: str
    service: str
    operation: str
    at: float
    path: str = ""


@dataclass
class Fault:
    """A kill that waits for its call.

    Parameters
    ----------
    function : str
        Logical id.
    nth : int
        Which call from now on, counting from 1.
    when : {"before", "after"}
        Before the call has any effect, or after it has had it, when the worker does not learn the answer.
    """

    function: str
    nth: int
    when: When
    seen: int = 0
    call: Call | None = None
    fired: threading.Event = field(default_factory=threading.Event)


class Faults:
    """The record of calls, and the faults armed.

    Parameters
    ----------
    find_worker : callable
        From a function's logical id and an access key id to the living worker, or ``None``.
    """

    def __init__(self, find_worker: Callable[[str, str], Worker | None]) -> None:
        self._find_worker = find_worker
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._armed: list[Fault] = []
        self.recording = True

    def arm(self, function: str, nth: int, when: When = "before") -> Fault:
        """Kill the worker that makes the `nth` AWS call of `function` from now on, once.

        Returns
        -------
        Fault
            Its ``fired`` is set and its ``call`` known once it has struck.

        Raises
        ------
        ValueError
            `nth` is less than 1.
        """
        if nth < 1:
            raise ValueError("calls are counted from 1")
        fault = Fault(function, nth, when)
        with self._lock:
            self._armed.append(fault)
        return fault

    def disarm(self) -> None:
        """Forget the faults that have not struck."""
        with self._lock:
            self._armed.clear()

    def calls(self, function: str | None = None) -> list[Call]:
        """List the calls recorded since `forget`, in order, of one function or of all."""
        with self._lock:
            return [call for call in self._calls if function is None or call.function == function]

    def forget(self) -> None:
        """Begin the record anew."""
        with self._lock:
            self._calls.clear()

    def enter(self, environ: Environ, service: str, operation: str) -> tuple[Fault | None, Call | None]:
        """Note a call that arrives; the fault, if any, that is to strike at it."""
        found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", "")) or _PRESIGNED.search(
            environ.get("QUERY_STRING", "")
        )
        if found is None:
            return None, None
        call = Call(found["function"], found["key"], service, operation, time.time(), environ["PATH_INFO"])
        with self._lock:
            if self.recording:
                self._calls.append(call)
            for fault in self._armed:
                if fault.function != call.function:
                    continue
                fault.seen += 1
                if fault.seen == fault.nth:
                    self._armed.remove(fault)
                    return fault, call
        return None, call

    def strike(self, fault: Fault, call: Call) -> None:
        """Kill the worker that made the call."""
        worker = self._find_worker(call.function, call.access_key_id)
        if worker is not None:
            worker.kill()
        fault.call = call
        fault.fired.set()


def operation_of(environ: Environ) -> tuple[str, str]:
    """Name the service and the operation of a request to AWS.

    Exact where the protocol says it (JSON and query protocols); for S3, EventBridge Scheduler and Lambda's Invoke read
    off method and path.
    """
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    service = scope[1] if scope else "s3"
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return service, target.rpartition(".")[2]
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if "Action" in query:
        return service, query["Action"][0]
    if service == "lambda" and environ["PATH_INFO"].endswith("/invocations"):
        return service, "Invoke"
    if service == "s3":
        return service, _s3_operation(environ, query)
    if service == "scheduler":
        return service, _scheduler_operation(environ)
    return service, f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"


def _scheduler_operation(environ: Environ) -> str:
    collection, _, name = environ["PATH_INFO"].strip("/").partition("/")
    noun = {"schedules": "Schedule", "schedule-groups": "ScheduleGroup"}.get(collection, "Tag")
    if not name:
        return f"List{noun}s"
    verb = {"POST": "Create", "PUT": "Update", "DELETE": "Delete"}.get(environ["REQUEST_METHOD"], "Get")
    return f"{verb}{noun}"


def _s3_operation(environ: Environ, query: dict[str, list[str]]) -> str:
    method = environ["REQUEST_METHOD"]
    on_object = "/" in environ["PATH_INFO"].strip("/")
    if on_object and "uploadId" in query:
        return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}.get(
            method, "ListParts"
        )
    if on_object and "uploads" in query:
        return "CreateMultipartUpload"
    if on_object and method == "PUT" and "HTTP_X_AMZ_COPY_SOURCE" in environ:
        return "CopyObject"
    if not on_object and method == "POST" and "delete" in query:
        return "DeleteObjects"
    if not on_object and method == "GET" and environ["PATH_INFO"].strip("/"):
        return "ListObjectsV2" if query.get("list-type") == ["2"] else "ListObjects"
    return f"{method.capitalize()}{'Object' if on_object else 'Bucket'}"
