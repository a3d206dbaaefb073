"""Puts everything together: a template, running.

>>> with Runner("template.yaml") as runner:  # doctest: +SKIP
...     print(runner.url, runner.env["JOBRUNS_TOKEN"])
"""

import contextlib
import json
import logging
import os
import shlex
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.cloud import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Cloud
from local.errors import LocalError
from local.faults import Faults
from local.folder import FilesFolder
from local.functions import read_functions, worker_environment
from local.gateway import Gateway, Route, read_routes, read_stages
from local.intrinsics import REGION, Resolver
from local.invoke import AsyncPolicy, Invoker
from local.pool import FunctionSpec, Pool, Worker
from local.processes import Launcher
from local.resources import create_resources
from local.runtime_api import Outcome
from local.schedules import Schedules
from local.serving import Environ, Server
from local.singer import HANDLER as SINGER_HANDLER
from local.singer import InstallingPool, with_home
from local.sources import Sources
from local.template import Template, load_template

_LOG = logging.getLogger(__name__)

_GONE_SECONDS = 3.0
_WARM_SECONDS = 60.0
_KEY_SECONDS = 30.0


class FunctionFailedError(Exception):
    """A function that a test invoked ended with an error.

    Parameters
    ----------
    outcome : Outcome
        What Lambda would have answered.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.payload.decode(errors="replace"))
        self.outcome = outcome
        error = json.loads(outcome.payload)
        self.error_type = str(error.get("errorType")) if isinstance(error, dict) else ""


class Runner:
    """A template, running on this machine, as a context manager. State is in memory and gone at the end.

    Parameters
    ----------
    template : path
        template.yaml.
    state_dir : path
        Gets ``jobruns.env`` and ``logs/``.
    port, aws_port : int
        Of the HTTP API and of the emulated AWS; 0 for any free one.
    overrides : dict
        Parameters of the template that win over samconfig.toml's.
    stage : str
        The environment of samconfig.toml.
    concurrency : int
        Events each function works on at once; by default as many as there are processors, at least 2.
    record_calls : bool
        Whether `faults` remembers every AWS call of every function.
    files : path, optional
        A folder whose files are those of the org: operations load from it and export to it.

    Raises
    ------
    LocalError
        On entering: a port is taken, the template is broken. Nothing is left behind.
    """

    url: str
    aws_endpoint: str
    env: dict[str, str]

    def __init__(
        self,
        template: str | Path = "template.yaml",
        state_dir: str | Path = ".local",
        port: int = 0,
        aws_port: int = 0,
        overrides: dict[str, str] | None = None,
        *,
        stage: str = "local",
        concurrency: int | None = None,
        record_calls: bool = True,
        files: Path | None = None,
    ) -> None:
        self._template_path = Path(template)
        self.state_dir = Path(state_dir)
        self.logs = self.state_dir / "logs"
        self._ports = port, aws_port
        self._overrides = overrides or {}
        self._stage = stage
        self._concurrency = concurrency or max(2, os.cpu_count() or 2)
        self._record_calls = record_calls
        self._files = files
        self._pools: dict[str, Pool] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            with contextlib.ExitStack() as stack:
                self._start(stack)
                self._stack = stack.pop_all()
        except OSError as error:
            raise LocalError(f"cannot start: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, stack: contextlib.ExitStack) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        self.invoker = Invoker(self._send)
        self.faults = Faults(self._find_worker)
        self.faults.recording = self._record_calls
        # The ports first: one that is taken is then told at once.
        front = Server(self._ports[0], _not_ready, "PORT")
        stack.callback(front.stop)
        self._cloud = Cloud(self._ports[1], self.invoker, self.faults)
        stack.callback(self._cloud.stop)
        self.schedules = Schedules(self._cloud.account, self.invoker)
        self.url, self.aws_endpoint = front.url, self._cloud.url

        template = load_template(self._template_path, self._overrides, self._stage)
        resolver = template.resolver(self._cloud.account, self.aws_endpoint, self.url)
        self._lifeline(stack)
        functions = read_functions(template, resolver, self._concurrency)
        stack.callback(self._kill_workers)
        for spec, policy in functions.values():
            self._add(spec, policy)
        self._start_key_maker(template, resolver, stack)
        # Workers load on the other processors while this process imports moto, and then on all of them.
        cold = iter(list(self._pools.values()))
        for _ in range(max(1, (os.cpu_count() or 2) - 1)):
            threading.Thread(target=self._warm, args=(cold,), name="warm", daemon=True).start()

        self._cloud.load()
        threading.Thread(target=self._warm, args=(cold,), name="warm", daemon=True).start()
        self._mount_files(template, resolver)
        create_resources(template, resolver, self._cloud)
        self._connect(template, resolver, stack)
        access_log = stack.enter_context((self.logs / "access.log").open("ab", buffering=0))
        routes = read_routes(template, resolver)
        front.app = Gateway(routes, self.invoker, access_log, read_stages(template, resolver))
        self.env = self._environment(template, resolver, routes) | self._admin_key()
        self._write_env()

    def _lifeline(self, stack: contextlib.ExitStack) -> None:
        # Workers wait at the read end; the write end closes with this process, however it ends.
        read, write = os.pipe()
        stack.callback(os.close, write)
        stack.callback(os.close, read)
        self._worker_environment = worker_environment(self.aws_endpoint, SECRET_ACCESS_KEY)
        self._launcher = Launcher(self._worker_environment, read)
        stack.callback(self._launcher.stop)

    def _mount_files(self, template: Template, resolver: Resolver) -> None:
        if self._files is None or self._key_maker is None or "LandingBucket" not in template.body["Resources"]:
            return
        if not self._files.is_dir():
            raise LocalError(f"{self._files} is no folder: make it, or set FILES to another")
        # As `jobruns.file_paths` has it; the runner imports nothing of what it runs.
        prefix = f"{self._org}/files/"
        bucket = resolver.name("LandingBucket")
        self._cloud.folder = FilesFolder(self._files, bucket, prefix, lambda: self._cloud.client("s3"))

    def _add(self, spec: FunctionSpec, policy: AsyncPolicy) -> Pool:
        log = self.logs / f"{spec.logical_id}.log"
        if spec.handler == SINGER_HANDLER:
            pool: Pool = InstallingPool(with_home(spec, self.state_dir / "singer"), self._launcher, log)
        else:
            pool = Pool(spec, self._launcher, log)
        self._pools[spec.logical_id] = pool
        self.invoker.add(pool, policy)
        return pool

    def _connect(self, template: Template, resolver: Resolver, stack: contextlib.ExitStack) -> None:
        from local.emulator import states

        sources = self._sources = Sources(template, resolver, self.invoker, self.schedules)
        states.on_status.append(sources.status_changed)
        stack.callback(states.on_status.remove, sources.status_changed)
        self.invoker.start()
        stack.callback(self.invoker.stop)
        sources.start()
        stack.callback(sources.stop)
        self.schedules.start()
        stack.callback(self.schedules.stop)

    def _warm(self, cold: Iterator[Pool]) -> None:
        for pool in cold:
            pool.warm()
            if not pool.wait_warm(_WARM_SECONDS) and not pool.stopped:
                _LOG.warning(
                    "%s cannot be loaded; see %s", pool.spec.logical_id, self.logs / f"{pool.spec.logical_id}.log"
                )

    def _kill_workers(self) -> None:
        for pool in self._pools.values():
            pool.kill()
        deadline = time.monotonic() + _GONE_SECONDS
        for pool in self._pools.values():
            pool.wait_gone(max(0.0, deadline - time.monotonic()))

    def _environment(self, template: Template, resolver: Resolver, routes: list[Route]) -> dict[str, str]:
        shared = {name: value for pool in self._pools.values() for name, value in pool.spec.environment.items()}
        env = {
            "JOBRUNS_URL": self.url,
            "AWS_ENDPOINT_URL": self.aws_endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION,
            **{name: value for name, value in shared.items() if not name.startswith(("AWS_", "POWERTOOLS_"))},
        }
        if "LandingBucket" in template.body["Resources"]:
            env["JOBRUNS_LANDING_BUCKET"] = resolver.name("LandingBucket")
        if any(route.path == "/glue" for route in routes):
            # For --endpoint-url and endpoint_url, with the key's id and secret; AWS_ENDPOINT_URL is the emulated AWS.
            env["JOBRUNS_GLUE_URL"] = f"{self.url}/glue"
        return env

    def _start_key_maker(self, template: Template, resolver: Resolver, stack: contextlib.ExitStack) -> None:
        """Start the process that makes the admin key, if the template has what keys need."""
        self._key_maker: subprocess.Popen[str] | None = None
        if not {"KeysSecret", "LedgerTable"} <= template.body["Resources"].keys():
            return
        self._org = str(uuid.uuid5(uuid.NAMESPACE_URL, template.stack))
        folders = {str(path) for pool in self._pools.values() for path in pool.spec.layers}
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("admin_key.py")), self._org],
            env=self._worker_environment
            | {
                "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
                "LEDGER_TABLE": resolver.name("LedgerTable"),
                "KEYS_SECRET_ID": str(resolver.ref("KeysSecret")),
                "PYTHONPATH": os.pathsep.join(sorted(folders)),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Leaving the context waits for the process and closes its pipes.
        stack.enter_context(process)
        stack.callback(process.kill)
        self._key_maker = process

    def _admin_key(self) -> dict[str, str]:
        if self._key_maker is None:
            return {}
        try:
            out, err = self._key_maker.communicate("\n", timeout=_KEY_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise LocalError(f"making the admin key took more than {_KEY_SECONDS:.0f} s") from error
        if self._key_maker.returncode != 0:
            reason = (err.strip().splitlines() or ["no reason given"])[-1]
            raise LocalError(f"cannot make the admin key: {reason}")
        made = json.loads(out)
        return {
            "JOBRUNS_ORG": self._org,
            "JOBRUNS_KEY_ID": made["key_id"],
            "JOBRUNS_SECRET": made["secret"],
            "JOBRUNS_TOKEN": made["token"],
        }

    def _write_env(self) -> None:
        path = self.state_dir / "jobruns.env"
        text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(self.env.items()))
        # Whoever waits for the file must not find half of it.
        part = path.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(text)
        part.replace(path)

    def _send(self, queue_arn: str, body: str, attributes: dict[str, str]) -> None:
        url = f"{self.aws_endpoint}/{self._cloud.account}/{queue_arn.rpartition(':')[2]}"
        described = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        self._cloud.client("sqs").send_message(QueueUrl=url, MessageBody=body, MessageAttributes=described)

    def _find_worker(self, logical_id: str, access_key_id: str) -> Worker | None:
        pool = self._pools.get(logical_id)
        return None if pool is None else pool.worker(access_key_id)

    def follow_streams(self, *, on: bool) -> None:
        """Begin to call functions with the records of streams, from now on, or do so no more."""
        self._sources.follow_streams(on=on)

    def client(self, service: str) -> Any:
        """Give a boto3 client of the emulated account; its calls are nobody's in `faults`."""
        return self._cloud.client(service)

    def invoke(self, function: str, event: Any) -> Any:
        """Invoke a function by logical id, name or ARN, and give what it returned.

        Raises
        ------
        FunctionFailedError
            It failed.
        """
        pool = self._pools.get(function)
        outcome = self.invoker.invoke(pool.spec.name if pool else function, json.dumps(event).encode())
        if outcome.error is not None:
            raise FunctionFailedError(outcome)
        return json.loads(outcome.payload)

    def add_function(
        self, name: str, code: Path, handler: str, *, timeout_seconds: float = 3.0, env: dict[str, str] | None = None
    ) -> str:
        """Add a function that is not in the template, as a user's own would be.

        Returns
        -------
        str
            Its ARN.
        """
        arn = f"arn:aws:lambda:{REGION}:{self._cloud.account}:function:{name}"
        spec = FunctionSpec(
            logical_id="".join(letter for letter in name.title() if letter.isalnum()),
            name=name,
            arn=arn,
            handler=handler,
            code=code.resolve(),
            timeout_seconds=timeout_seconds,
            environment=env or {},
            concurrency=self._concurrency,
        )
        self._add(spec, AsyncPolicy()).warm()
        return arn

    def processes(self, logical_id: str | None = None) -> list[int]:
        """List the process ids of the living workers, of one function or of all."""
        pools: Iterable[Pool] = self._pools.values() if logical_id is None else [self._pools[logical_id]]
        return [pid for pool in pools for pid in pool.processes()]

    def wait_warm(self, logical_ids: Iterable[str] | None = None, seconds: float = _WARM_SECONDS) -> bool:
        """Wait until each of these functions, or every function, has an idle worker."""
        names = self._pools if logical_ids is None else logical_ids
        return all(self._pools[name].wait_warm(seconds) for name in names)


def _not_ready(_environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("503 Service Unavailable", [("Content-Type", "application/json")])
    return [b'{"message":"Service Unavailable"}']
