"""The worker processes of one function.

A worker holds one event at a time. One worker beyond those at work is kept ready, so that an event does not wait for
imports and a killed worker is replaced at once. A worker that outlives its time limit is killed, as Lambda does.
"""

import contextlib
import itertools
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from local.processes import Launcher, WorkerProcess
from local.runtime_api import Invocation, Outcome, RuntimeApi
from local.worker import kill_session

_INIT_SECONDS = 60.0
"""Lambda gives a function 10 seconds to load, on a machine of its own; here others load at the same time."""


@dataclass(frozen=True)
class FunctionSpec:
    """What the template says about one function.

    Parameters
    ----------
    logical_id, name, arn : str
        Its names in the template, and in the emulated account.
    handler : str
        ``module.function``.
    code : Path
        The folder that is its ``CodeUri``.
    layers : tuple of Path
        Folders whose packages it can import.
    timeout_seconds : float
        When a worker is killed.
    memory_mb : int
        Told to the function; not enforced.
    environment : dict
        As in the template, resolved.
    concurrency : int
        How many events are worked on at once.
    """

    logical_id: str
    name: str
    arn: str
    handler: str
    code: Path
    layers: tuple[Path, ...] = ()
    timeout_seconds: float = 3.0
    memory_mb: int = 128
    environment: dict[str, str] = field(default_factory=dict)
    concurrency: int = 2


class NoWorkerError(Exception):
    """No worker became free in the time the caller had."""


class InitError(Exception):
    """The handler's module cannot be loaded; holds what the runtime client reported."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.payload.decode(errors="replace"))
        self.outcome = outcome


class Worker:
    """One process.

    Parameters
    ----------
    pool : Pool
        Told when the worker is ready and when it has gone.
    number : int
        Unique in the pool; part of the worker's access key id.
    """

    def __init__(self, pool: "Pool", number: int) -> None:
        self.pool = pool
        self.number = number
        self.ready = False
        self.init_error: Outcome | None = None
        self.invocation: Invocation | None = None
        self._lock = threading.Lock()
        self.api = RuntimeApi(lambda: pool.worker_ready(self), self._init_failed)
        self.process = pool.spawn(self)
        threading.Thread(target=self._watch, name=f"watch-{pool.spec.logical_id}-{number}", daemon=True).start()

    @property
    def access_key_id(self) -> str:
        """The access key id whose calls are this worker's."""
        return f"{self.pool.access_key_prefix}X{self.number}"

    def run(self, invocation: Invocation) -> Outcome:
        """Work on one event until it is done, the time is up, or the process is gone."""
        with self._lock:
            self.invocation = invocation
            if self.process.returncode is not None:
                return Outcome.failed("Runtime.ExitError", f"RequestId: {invocation.request_id} Error: Runtime exited")
            self.api.deliver(invocation)
        if not invocation.done.wait(invocation.timeout_seconds):
            after = f"{invocation.timeout_seconds:.2f} seconds"
            message = f"RequestId: {invocation.request_id} Error: Task timed out after {after}"
            invocation.finish(Outcome.failed("Sandbox.Timedout", message))
            self.pool.log(message)
            self.kill()
        return invocation.result()

    def kill(self) -> None:
        """End the process and whatever it started, at once."""
        kill_session(self.process.pid)

    def _init_failed(self, error: bytes) -> None:
        self.init_error = Outcome(error, "Unhandled")

    def _watch(self) -> None:
        status = self.process.wait()
        # Whatever the process started must not outlive it.
        self.kill()
        with self._lock:
            invocation = self.invocation
        if invocation is not None and not invocation.done.is_set():
            how = f"signal: {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
            message = f"RequestId: {invocation.request_id} Error: Runtime exited with error: {how}"
            self.pool.log(message)
            invocation.finish(Outcome.failed("Runtime.ExitError", message))
        self.api.close()
        self.pool.worker_gone(self)


class Pool:
    """Workers of one function, made as they are needed.

    Parameters
    ----------
    spec : FunctionSpec
        The function.
    launcher : Launcher
        Starts the workers.
    log : Path
        Where the function's output goes.
    """

    def __init__(self, spec: FunctionSpec, launcher: Launcher, log: Path) -> None:
        self.spec = spec
        self.access_key_prefix = f"LOCAL{spec.logical_id}"
        self._launcher = launcher
        self._log_path = log
        self._log_file = log.open("ab", buffering=0)
        self._numbers = itertools.count(1)
        self._slots = threading.Semaphore(spec.concurrency)
        self._changed = threading.Condition()
        self._workers: set[Worker] = set()
        self._idle: deque[Worker] = deque()
        self._waiting = 0
        self._stopped = False
        self._failed: Outcome | None = None

    def run(self, payload: bytes, wait_seconds: float | None = None) -> Outcome:
        """Have one worker work on one event.

        Parameters
        ----------
        payload : bytes
            The event as JSON.
        wait_seconds : float or None
            How long to wait for a free worker; ``None``: until there is one.

        Raises
        ------
        NoWorkerError
            None became free in that time, or the pool is stopped.
        """
        invocation = Invocation(payload, self.spec.arn, self.spec.timeout_seconds)
        deadline = None if wait_seconds is None else time.monotonic() + wait_seconds
        if not self._slots.acquire(timeout=wait_seconds):
            raise NoWorkerError(self.spec.logical_id)
        try:
            return self._take(deadline).run(invocation)
        except InitError as error:
            return error.outcome
        finally:
            self._slots.release()

    def warm(self) -> None:
        """Start a worker ahead of the first event, unless one is there."""
        with self._changed:
            self._refill()

    def wait_warm(self, seconds: float) -> bool:
        """Wait until a worker is idle; False if that takes longer, or the handler cannot be loaded."""
        with self._changed:
            return self._changed.wait_for(lambda: self._idle or self._failed or self._stopped, seconds) and bool(
                self._idle
            )

    @property
    def stopped(self) -> bool:
        """Whether the pool takes no event any more."""
        return self._stopped

    def worker(self, access_key_id: str) -> Worker | None:
        """Find the worker that signs with `access_key_id`."""
        with self._changed:
            return next((worker for worker in self._workers if worker.access_key_id == access_key_id), None)

    def processes(self) -> list[int]:
        """List the ids of the living workers' processes."""
        with self._changed:
            return [worker.process.pid for worker in self._workers]

    def log(self, line: str) -> None:
        """Write a line of the platform's own to the function's log."""
        with contextlib.suppress(OSError, ValueError):
            self._log_file.write(f"{line}\n".encode())

    def kill(self) -> None:
        """Stop for good: no event is taken any more and every worker is killed."""
        with self._changed:
            self._stopped = True
            workers = list(self._workers)
            self._changed.notify_all()
        for worker in workers:
            worker.kill()

    def wait_gone(self, seconds: float) -> None:
        """Wait until the killed workers are gone, then close the log."""
        with self._changed:
            self._changed.wait_for(lambda: not self._workers, seconds)
        self._log_file.close()

    def spawn(self, worker: Worker) -> WorkerProcess:
        """Start the process of a new worker."""
        spec = self.spec
        environment = {
            "AWS_LAMBDA_RUNTIME_API": worker.api.address,
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"local/{worker.number}",
            "AWS_ACCESS_KEY_ID": worker.access_key_id,
            "LAMBDA_TASK_ROOT": str(spec.code),
            "_HANDLER": spec.handler,
        }
        folders = (spec.code, *spec.layers)
        return self._launcher.launch(spec.handler, folders, environment | spec.environment, self._log_file.fileno())

    def worker_ready(self, worker: Worker) -> None:
        """Take a worker that asks for an event into the idle ones."""
        with self._changed:
            worker.ready = True
            worker.invocation = None
            self._failed = None
            self._idle.append(worker)
            self._changed.notify_all()

    def worker_gone(self, worker: Worker) -> None:
        """Forget a worker whose process ended, and make sure that the next event need not wait for a new one."""
        with self._changed:
            self._workers.discard(worker)
            if worker in self._idle:
                self._idle.remove(worker)
            if not worker.ready:
                self._failed = worker.init_error or Outcome.failed(
                    "Runtime.ExitError", f"the runtime exited while loading {self.spec.handler}; see {self._log_path}"
                )
            elif not self._stopped:
                self._refill()
            self._changed.notify_all()

    def _take(self, deadline: float | None) -> Worker:
        limit = time.monotonic() + _INIT_SECONDS
        if deadline is not None:
            limit = min(limit, deadline)
        with self._changed:
            # A handler that could not be loaded is tried again with every event, as Lambda does.
            self._failed = None
            while True:
                if self._stopped:
                    raise NoWorkerError(self.spec.logical_id)
                if self._idle:
                    worker = self._idle.pop()
                    self._refill()
                    return worker
                if self._failed is not None:
                    raise InitError(self._failed)
                if time.monotonic() >= limit:
                    raise NoWorkerError(self.spec.logical_id)
                self._waiting += 1
                self._refill()
                self._changed.wait(limit - time.monotonic())
                self._waiting -= 1

    def _refill(self) -> None:
        """Start workers for those who wait, and one to spare. The caller holds the lock."""
        if self._stopped:
            return
        loading = sum(not worker.ready for worker in self._workers)
        wanted = self._waiting + 1 - loading - len(self._idle)
        room = self.spec.concurrency + 1 - len(self._workers)
        for _ in range(min(wanted, room)):
            self._workers.add(Worker(self, next(self._numbers)))
