"""The upload service's outside in memory, where each call is a step that a test may hold back or kill at."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from jobruns.documents import Document
from jobruns.errors import AlreadyExistsError
from jobruns.job import Job
from jobruns.run import Executor, Run, RunEvent, RunState
from jobruns.service.ports import Ports
from jobruns.service.store_ports import RunRef
from jobruns.service.uploads import Claim, UploadPorts
from jobruns.uploads import UploadedObject

STEP_SECONDS = 20
CLAIMS_AT_ONCE = 2
"""Few, so that a claimer dies between two transactions too."""


class KilledError(BaseException):
    """The process dies."""


class Gate:
    """Lets invocations run one step at a time, each in a thread of its own."""

    def run(self, act: Callable[[], Any]) -> Any:
        """Do one step of the invocation whose thread this is; others do theirs at once."""
        invocation = getattr(threading.current_thread(), "invocation", None)
        return act() if invocation is None else invocation.step(act)


class Invocation:
    """A function at work, which goes on when it is told to.

    Parameters
    ----------
    work : callable
        What it does; its result is kept.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self._go = threading.Semaphore(0)
        self._paused = threading.Semaphore(0)
        self._order = "go"
        self.result: Any = None
        self.error: BaseException | None = None
        self.over = False
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.invocation = self  # type: ignore[attr-defined]
        self._thread.start()
        self._wait()

    def advance(self, order: str = "go") -> None:
        """Do the next step; or die ``before`` or ``after`` it."""
        self._order = order
        self._go.release()
        self._wait()

    def step(self, act: Callable[[], Any]) -> Any:
        """Wait to be told to go on, then act."""
        self._paused.release()
        self._go.acquire(timeout=STEP_SECONDS)
        if self._order == "before":
            raise KilledError
        done = act()
        if self._order == "after":
            raise KilledError
        return done

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self.result = work()
        except (KilledError, Exception) as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        self.over = True
        self._paused.release()

    def _wait(self) -> None:
        assert self._paused.acquire(timeout=STEP_SECONDS), "an invocation hangs"


@dataclass
class World:
    """Everything outside the upload service."""

    now: datetime = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    gate: Gate = field(default_factory=Gate)
    docs: dict[tuple[str, str, str], Document] = field(default_factory=dict)
    defined: dict[tuple[str, str], Job] = field(default_factory=dict)
    runs_by_id: dict[str, Run] = field(default_factory=dict)
    abandoned: set[str] = field(default_factory=set)
    claimed: dict[tuple[str, str, str], Claim] = field(default_factory=dict)
    held: dict[str, bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    buried: list[str] = field(default_factory=list)
    transactions: int = 0

    def ports(self) -> Ports:
        outside: Any = self
        executors: dict[Executor, Any] = {}
        return Ports(
            runs=_Runs(outside),  # type: ignore[arg-type]
            jobs=_Jobs(outside),  # type: ignore[arg-type]
            bookmarks=outside,
            documents=_Documents(outside),  # type: ignore[arg-type]
            units=outside,
            machine=_Machine(),  # type: ignore[arg-type]
            executors=executors,
            objects=outside,
            triggers=outside,
            schedules=outside,
            lake=outside,
            records=outside,
            files=outside,
            run_files=outside,
            run_objects=outside,
            sync_states=outside,
            clock=lambda: self.now,
        )

    def upload_ports(self) -> UploadPorts:
        return UploadPorts(_Claims(self), _Queue(self), _Files(self))

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class _Claims:
    world: World

    def claim(
        self,
        org: str,
        table_id: str,
        run_id: str,
        objects: Sequence[UploadedObject],
        at: datetime,
        taken_from: Mapping[str, str] | None = None,
    ) -> dict[str, Claim]:
        refused: dict[str, Claim] = {}
        for start in range(0, len(objects), CLAIMS_AT_ONCE):
            some = objects[start : start + CLAIMS_AT_ONCE]
            act = partial(self._try, org, table_id, run_id, some, at, taken_from or {})
            refused |= self.world.gate.run(act)
        return refused

    def _try(
        self,
        org: str,
        table_id: str,
        run_id: str,
        objects: Sequence[UploadedObject],
        at: datetime,
        taken_from: Mapping[str, str],
    ) -> dict[str, Claim]:
        self.world.transactions += 1
        refused: dict[str, Claim] = {}
        for found in objects:
            key = (org, table_id, found.identity)
            met = self.world.claimed.get(key)
            wanted = taken_from.get(found.identity)
            free = met is None if wanted is None else met is not None and met.run_id == wanted
            if free:
                self.world.claimed[key] = Claim(run_id, at)
            else:
                refused[found.identity] = met or Claim(run_id, at)
        return refused


@dataclass
class _Queue:
    world: World

    def send(self, bodies: Sequence[str], delay_seconds: int) -> None:
        if bodies:
            self.world.gate.run(lambda: self.world.sent.extend(bodies))

    def bury(self, bodies: Sequence[str], attributes: Mapping[str, str]) -> None:
        assert {"run_id", "reason"} <= attributes.keys()
        if bodies:
            self.world.gate.run(lambda: self.world.buried.extend(bodies))


@dataclass
class _Files:
    world: World

    def put(self, key: str, content: bytes) -> None:
        self.world.gate.run(lambda: self.world.held.__setitem__(key, content))

    def get(self, key: str) -> bytes:
        return self.world.held[key]

    def get_json(self, key: str) -> object:
        raise AssertionError(f"no run of these tests names failed files: {key}")


@dataclass
class _Runs:
    world: World

    def ref(self, org: str, run_id: str) -> RunRef | None:
        def look() -> RunRef | None:
            if run_id in self.world.abandoned:
                return RunRef(None)
            run = self.world.runs_by_id.get(run_id)
            return RunRef(run.job) if run else None

        found: RunRef | None = self.world.gate.run(look)
        return found

    def get(self, org: str, job: str, run_id: str) -> Run | None:
        found: Run | None = self.world.gate.run(lambda: self.world.runs_by_id.get(run_id))
        return found

    def abandon(self, org: str, run_id: str) -> bool:
        def mark() -> bool:
            if run_id in self.world.runs_by_id:
                return False
            self.world.abandoned.add(run_id)
            return True

        return bool(self.world.gate.run(mark))

    def create(self, run: Run, event: RunEvent, **_: Any) -> None:
        def write() -> None:
            if run.run_id in self.world.abandoned or run.run_id in self.world.runs_by_id:
                raise AlreadyExistsError("taken")
            self.world.runs_by_id[run.run_id] = run

        self.world.gate.run(write)

    def end(self, run_id: str, state: RunState, **fields: Any) -> None:
        self.world.runs_by_id[run_id] = self.world.runs_by_id[run_id].model_copy(update={"state": state, **fields})


@dataclass
class _Jobs:
    world: World

    def add(self, job: Job) -> None:
        self.world.defined[job.org, job.name] = job

    def get(self, org: str, name: str) -> Job | None:
        return self.world.defined.get((org, name))


@dataclass
class _Documents:
    world: World

    def add(self, document: Document) -> None:
        self.world.docs[document.org, document.collection, document.document_id] = document

    def change(self, document: Document, *, was: Document) -> None:
        self.add(document)

    def get(self, org: str, collection: str, document_id: str) -> Document | None:
        return self.world.docs.get((org, collection, document_id))

    def page(self, org: str, collection: str, **_: Any) -> list[Document]:
        return [document for key, document in sorted(self.world.docs.items()) if key[:2] == (org, collection)]


class _Machine:
    def start(self, run: Run) -> None:
        """Nothing starts here: the test says how a run ends."""
