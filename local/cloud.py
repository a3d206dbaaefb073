"""The emulated AWS: moto behind one port, with functions that really run.

Each service is served one request at a time. moto's stores are plain objects, not made for threads; its work is
Python under one interpreter lock anyway, so nothing is lost, and a conditional write is then as atomic as DynamoDB's.
"""

import gc
import io
import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.config import Config

from local.faults import Faults, operation_of
from local.folder import FilesFolder
from local.intrinsics import REGION
from local.invoke import Invoker, PayloadTooLargeError, UnknownFunctionError
from local.pool import NoWorkerError
from local.serving import DropConnectionError, Environ, KeepAliveHandler, Server

ACCESS_KEY_ID = "local"
SECRET_ACCESS_KEY = "local"  # noqa: S105 - the emulator checks no signature

_UNLOCKED = frozenset({"sqs", "states", "stepfunctions"})
"""Services whose requests may wait for one another; `local.emulator` puts the locks where they are needed."""


_FIRST_ACCOUNT = 100_000_000_001
"""moto's own default, which tests with ``mock_aws`` use, is another."""

_accounts = itertools.count()
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def service_lock(service: str) -> threading.Lock:
    """Give the lock under which requests to a service are served, for whoever looks at what moto stores for it."""
    return _locks[service]


class Cloud:
    """The port on which AWS is played.

    Parameters
    ----------
    port : int
        0 for any free one.
    invoker : Invoker
        Runs functions for Lambda's Invoke.
    faults : Faults
        Counts the calls of functions.

    Raises
    ------
    PortTakenError
        Something else listens there.

    Attributes
    ----------
    account : str
        The id of the account that is played; another for each runner of a process, so that they share nothing.
    folder : FilesFolder or None
        A folder of this machine that plays a part of a bucket.
    """

    def __init__(self, port: int, invoker: Invoker, faults: Faults) -> None:
        self._invoker = invoker
        self._faults = faults
        self.account = f"{_FIRST_ACCOUNT + next(_accounts)}"
        self._clients: dict[str, Any] = {}
        self._clients_lock = threading.Lock()
        self._loaded = threading.Event()
        self._moto: Any = None
        self.folder: FilesFolder | None = None
        self._server = Server(port, self, "AWS_PORT")
        self.url = self._server.url

    def load(self) -> None:
        """Import moto, which takes a second or two, and put right what it does differently. Requests wait for it.

        What is imported stays for good, and is much: were the garbage collector left to look through it, one request in
        some hundreds would wait a quarter of a second.
        """
        gc.disable()
        try:
            self._import()
        finally:
            gc.freeze()
            gc.enable()
        self._loaded.set()

    def _import(self) -> None:
        from moto.core.config import default_user_config
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

        from local import emulator

        class Handler(KeepAliveHandler, MotoRequestHandler):  # type: ignore[misc]
            """Keeps the spelling of metadata headers, as moto's own does."""

        default_user_config["stepfunctions"] = {"execute_state_machine": True}
        emulator.apply()
        emulator.accounts.keep(self.account)
        emulator.states.connect(self.account, self._invoker, self.client)
        emulator.events.connect(self.account, self._invoker)
        self._server.RequestHandlerClass = Handler
        self._moto = DomainDispatcherApplication(create_backend_app)

    def client(self, service: str) -> Any:
        """Give a boto3 client of the emulated account, the same one each time."""
        with self._clients_lock:
            if service not in self._clients:
                make: Any = boto3.session.Session().client
                self._clients[service] = make(
                    service,
                    region_name=REGION,
                    endpoint_url=self.url,
                    aws_access_key_id=ACCESS_KEY_ID,
                    aws_secret_access_key=SECRET_ACCESS_KEY,
                    config=Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 2}),
                )
            return self._clients[service]

    def stop(self) -> None:
        """Stop listening."""
        self._loaded.set()
        self._server.stop()
        with self._clients_lock:
            for client in self._clients.values():
                client.close()
        if self._moto is not None:
            from local import emulator

            emulator.states.disconnect(self.account)
            emulator.events.disconnect(self.account)
            emulator.accounts.forget(self.account)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request to AWS."""
        self._loaded.wait()
        if self._moto is None:
            raise DropConnectionError
        service, operation = operation_of(environ)
        fault, call = self._faults.enter(environ, service, operation)
        if fault is not None and call is not None and fault.when == "before":
            self._faults.strike(fault, call)
            raise DropConnectionError
        body = environ["wsgi.input"].read()
        # What functions ask for; the runner's own client, which fills the folder's prefix, is none.
        folder = self.folder if service == "s3" and call is not None else None
        if folder is not None:
            folder.before(environ, operation)
        answer: Iterable[bytes] | None = None
        if (service, operation) == ("lambda", "Invoke"):
            answer = self._invoke(environ, body, start_response)
        elif (service, operation) == ("s3", "GetObject"):
            answer = self._give_object(environ, start_response)
        if answer is None:
            answer = self._ask_moto(environ, body, service, start_response)
        if folder is not None:
            folder.after(environ, operation)
        if fault is not None and call is not None:
            self._faults.strike(fault, call)
            raise DropConnectionError
        return answer

    def _ask_moto(
        self, environ: Environ, body: bytes, service: str, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        # Read before the lock is taken: a slow sender must not hold up the others.
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.account
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        if service in _UNLOCKED:
            return list(self._moto(environ, start_response))
        with _locks[service]:
            return list(self._moto(environ, start_response))

    def _give_object(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes] | None:
        from local.emulator.objects import give_object

        with _locks["s3"]:
            return give_object(self.account, environ, start_response)

    def _invoke(self, environ: Environ, body: bytes, start_response: Callable[..., Any]) -> Iterable[bytes]:
        function = unquote(environ["PATH_INFO"].split("/")[-2])
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST")]
        try:
            match environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse"):
                case "DryRun":
                    self._invoker.pool(function)
                    start_response("204 No Content", headers)
                    return []
                case "Event":
                    self._invoker.submit(function, body or b"{}")
                    start_response("202 Accepted", headers)
                    return []
            outcome = self._invoker.invoke(function, body or b"{}")
        except UnknownFunctionError:
            return _refuse(
                start_response, "404 Not Found", "ResourceNotFoundException", f"Function not found: {function}"
            )
        except PayloadTooLargeError as error:
            return _refuse(start_response, "413 Content Too Large", "RequestTooLargeException", str(error))
        except NoWorkerError:
            return _refuse(start_response, "429 Too Many Requests", "TooManyRequestsException", "Rate Exceeded.")
        if outcome.error is not None:
            headers.append(("X-Amz-Function-Error", outcome.error))
        start_response("200 OK", headers)
        return [outcome.payload]


def _refuse(start_response: Callable[..., Any], status: str, kind: str, message: str) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "application/json"), ("X-Amzn-ErrorType", kind)])
    return [json.dumps({"Type": "User", "Message": message}).encode()]
