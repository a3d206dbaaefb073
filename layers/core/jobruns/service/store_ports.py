"""What the use cases need of the ledger, in their own words. `jobruns.store` implements it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from jobruns.bookmark import Bookmark
from jobruns.documents import Document
from jobruns.job import Job
from jobruns.lifecycle import Decision
from jobruns.run import Progress, Run, RunEvent, RunRoot, RunState, RunSummary
from jobruns.run_file import RunFile
from jobruns.run_order import RunOrder
from jobruns.sync_state import SyncState
from jobruns.trigger import Trigger


@dataclass(frozen=True, slots=True)
class RunRef:
    """What a run id stands for: a job's run, or (``job`` is ``None``) an id that no run will ever have."""

    job: str | None


@dataclass(frozen=True, slots=True)
class StartToken:
    """What a caller marks its wish for a run with, so that repeating the wish starts no second one."""

    digest: str
    expires_at: datetime
    runs: int = 1


class TokenSpentError(Exception):
    """The token has started a run already.

    Parameters
    ----------
    run_id : str
        Which; the first of several.
    runs : int
        How many it stands for.
    """

    def __init__(self, run_id: str, runs: int = 1) -> None:
        super().__init__(f"the token has started the run {run_id}")
        self.run_id = run_id
        self.runs = runs


@dataclass(frozen=True, slots=True)
class Page:
    """Some runs, and the token that asks for the next ones; ``None`` at the end."""

    runs: list[Run]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class SummaryPage:
    """What became of some runs, and the position that asks for the next ones; ``None`` at the end."""

    summaries: list[RunSummary]
    position: str | None


MAX_CREATED = 19
"""Runs created together: five parts of a transaction each (run, ref, number, event, its job's slots), and a token, of
the 100 that DynamoDB takes."""


class UnitRecord(BaseModel):
    """How one unit of a run's work went. ``state`` is RUNNING, DONE or FAILED."""

    model_config = ConfigDict(frozen=True)

    number: int
    state: str
    rows_loaded: int = 0
    rows_rejected: int = 0
    bytes_read: int = 0
    work_milliseconds: int = 0


class RunStore(Protocol):
    """Runs; see `jobruns.store.runs` and `jobruns.store.queries` for what each promises."""

    def create(
        self,
        run: Run,
        event: RunEvent,
        *,
        slots: int | None = None,
        token: StartToken | None = None,
        new_documents: Sequence[Document] = (),
        changed_documents: Sequence[Document] = (),
    ) -> None: ...

    def create_all(
        self, runs: Sequence[tuple[Run, RunEvent]], *, limits: Mapping[str, int], token: StartToken | None = None
    ) -> None: ...

    def transition(self, decision: Decision, event: RunEvent, *, slots: int | None = None) -> Run | None: ...
    def record_ignored(self, event: RunEvent, mark: str) -> None: ...
    def abandon(self, org: str, run_id: str) -> bool: ...
    def beat(self, run: Run, at: datetime) -> bool: ...
    def add_progress(
        self, run: Run, at: datetime, deltas: Mapping[str, int], *, listing: str | None = None
    ) -> bool: ...
    def set_progress(self, run: Run, at: datetime, progress: Progress) -> bool: ...
    def defer(self, run: Run, until: datetime) -> None: ...

    def mark_settled(
        self, run: Run, *, expires_at: datetime | None = None, outlived_by: Sequence[RunSummary] = ()
    ) -> bool: ...

    def expire(self, run: RunSummary, expires_at: datetime, *, outlived_by: Sequence[RunSummary] = ()) -> bool: ...
    def keep(self, run: RunSummary) -> bool: ...
    def delete(self, run: Run, event: RunEvent) -> Run | None: ...
    def queued(self, org: str, job: str, limit: int) -> list[str]: ...
    def get(self, org: str, job: str, run_id: str) -> Run | None: ...
    def ref(self, org: str, run_id: str) -> RunRef | None: ...
    def find(self, org: str, run_id: str) -> Run | None: ...
    def attempt(self, org: str, job: str, root_run_id: str, attempt: int) -> Run | None: ...
    def rooted(self, org: str, root: RunRoot) -> Run | None: ...
    def named(self, org: str, scope: str, name: str, limit: int) -> list[Run]: ...
    def of_job(self, org: str, job: str, *, limit: int, token: str | None = None) -> Page: ...

    def of_org(
        self,
        org: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        state: RunState | None = None,
        limit: int,
        token: str | None = None,
    ) -> Page: ...

    def due(self, now: datetime, limit: int) -> Iterator[Run]: ...
    def many(self, org: str, refs: Iterable[tuple[str, str]]) -> dict[str, Run]: ...
    def events(self, org: str, run_id: str, *, after: int = 0, limit: int = 1000) -> list[RunEvent]: ...
    def reserve_numbers(self, org: str, count: int = 1) -> int: ...
    def by_number(self, org: str, number: int) -> Run | None: ...
    def by_numbers(self, org: str, numbers: Iterable[int]) -> dict[int, Run]: ...

    def number_range(
        self, org: str, *, low: int, high: int, ascending: bool, limit: int, position: str | None = None
    ) -> Page: ...

    def summaries(
        self, org: str, job: str, order: RunOrder, *, limit: int, position: str | None = None
    ) -> SummaryPage: ...

    def count_summaries(self, org: str, job: str, order: RunOrder) -> int | None: ...
    def last_success(self, org: str, job: str, *, by_end: bool) -> RunSummary | None: ...
    def org_runs(self, org: str, order: RunOrder, *, limit: int, position: str | None = None) -> Page: ...


class JobStore(Protocol):
    """Definitions of jobs; see `jobruns.store.jobs`."""

    def add(self, job: Job) -> None: ...
    def change(self, job: Job) -> None: ...
    def remove(self, job: Job) -> None: ...
    def get(self, org: str, name: str) -> Job | None: ...
    def many(self, org: str, names: Iterable[str]) -> dict[str, Job]: ...
    def page(self, org: str, *, after: str | None = None, limit: int = 1000) -> list[Job]: ...


class BookmarkStore(Protocol):
    """Bookmarks of jobs; see `jobruns.store.bookmarks`."""

    def get(self, org: str, job: str) -> Bookmark | None: ...
    def of_run(self, org: str, job: str, run_id: str) -> Bookmark | None: ...
    def advance(self, entry: Bookmark, *, claimed: bool) -> bool: ...
    def release(self, org: str, job: str, run_id: str) -> None: ...
    def replace(self, bookmark: Bookmark) -> bool: ...


class DocumentStore(Protocol):
    """Documents of the doors; see `jobruns.store.documents`."""

    def add(self, document: Document) -> None: ...
    def change(self, document: Document, *, was: Document) -> None: ...
    def remove(self, document: Document, *, unchanged: bool = False) -> None: ...
    def get(self, org: str, collection: str, document_id: str) -> Document | None: ...
    def find(self, org: str, collection: str, name: str, *, scope: str | None = None) -> Document | None: ...

    def page(
        self,
        org: str,
        collection: str,
        *,
        after: str | None = None,
        limit: int = 1000,
        newest_first: bool = False,
    ) -> list[Document]: ...


class TriggerStore(Protocol):
    """Triggers; see `jobruns.store.triggers` for what each promises."""

    def add(self, trigger: Trigger) -> None: ...
    def change(self, trigger: Trigger) -> None: ...
    def remember(self, trigger: Trigger, run: Run) -> bool: ...
    def remove(self, trigger: Trigger) -> None: ...
    def get(self, org: str, name: str) -> Trigger | None: ...
    def many(self, org: str, names: Iterable[str]) -> dict[str, Trigger]: ...
    def page(self, org: str, *, after: str | None = None, limit: int = 1000) -> list[Trigger]: ...
    def due(self, now: datetime, limit: int) -> list[Trigger]: ...
    def watch(self, trigger: Trigger, jobs: Iterable[str]) -> None: ...
    def unwatch(self, trigger: Trigger, jobs: Iterable[str]) -> None: ...
    def watching(self, org: str, job: str) -> list[str]: ...


class UnitStore(Protocol):
    """Units of work; see `jobruns.store.units`."""

    def begin(self, org: str, run_id: str, number: int, at: datetime) -> bool: ...
    def end(self, org: str, run_id: str, record: UnitRecord) -> bool: ...
    def all(self, org: str, run_id: str) -> list[UnitRecord]: ...


@dataclass(frozen=True, slots=True)
class StoredSyncState:
    """The state of a tap as the ledger has it: a large value is in a document, and not in the state."""

    state: SyncState
    document_key: str | None = None


class SyncStateStore(Protocol):
    """States of taps; see `jobruns.store.sync_states`."""

    def get(self, org: str, key: str) -> StoredSyncState | None: ...
    def replace(self, stored: StoredSyncState) -> bool: ...


class RunFileStore(Protocol):
    """What is known of the files of runs; see `jobruns.store.run_files`."""

    def note(self, org: str, run_id: str, file: RunFile) -> bool: ...
    def all(self, org: str, run_id: str) -> list[RunFile]: ...
