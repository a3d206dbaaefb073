"""Runs of one job in any order, dying at any step and going on later: between two resets each object is taken once."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.bookmarks import LoadBookmark, TakenMeanwhileError
from jobruns.access import Principal
from jobruns.bookmark import BOOKMARK_CONFLICT, OPTION_ARGUMENT
from jobruns.errors import BookmarkConflictError, NotFoundError
from jobruns.ids import new_id
from jobruns.lifecycle import COMMIT_UNKNOWN, Failed
from jobruns.listing import FoundFile
from jobruns.run import BookmarkStep, Run
from jobruns.service.bookmarks import reset_bookmark
from jobruns.service.definitions import define_job
from jobruns.service.ports import Ports
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.work import begin_commit, conclude_work


class Documents:
    """The work bucket."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def put(self, key: str, content: bytes) -> None:
        assert key not in self.held, "a segment is never changed"
        self.held[key] = content

    def get(self, key: str) -> bytes:
        return self.held[key]


@dataclass
class Life:
    """One run, and how far it has come: each step is the next of `World.STEPS`."""

    run: Run
    files: list[str]
    step: int = 0
    proposed: BookmarkStep | None = None
    epoch: int = -1
    view: set[str] = field(default_factory=set)
    over: bool = False


@dataclass
class Epoch:
    """What happened from one reset to the next, by the time of the claims."""

    base: set[str]
    loaded: list[str] = field(default_factory=list)


class World:
    """A job, its source, its table, and what they must be."""

    STEPS = ("propose", "claim", "commit", "conclude", "settle")

    def __init__(self, ports: Ports, admin: Principal) -> None:
        self.ports, self.admin = ports, admin
        self.job = f"hourly-{new_id(ports.clock())}"
        self.work = Documents()
        self.objects: list[str] = []
        self.table: set[str] = set()
        self.lives: list[Life] = []
        self.epochs = [Epoch(set())]
        self.conflicts: list[tuple[set[str], set[str]]] = []
        define_job(ports, admin, name=self.job, executor="ingest", door="test")

    def drop(self) -> None:
        self.objects.append(f"in/{len(self.objects)}.csv")

    def begin(self) -> None:
        """Start a run, and let it look for files."""
        arguments = {OPTION_ARGUMENT: "job-bookmark-enable"}
        request = StartRequest(job=self.job, door="test", arguments=arguments)
        run = start_run(self.ports, self.admin, request)
        dispatch_run(self.ports, run.org, run.job, run.run_id, "token")
        life = Life(self.read(run), [])
        self.lives.append(life)
        try:
            found = self.bookmark(life).leave_out_taken(FoundFile("drops", key, 1, '"e"') for key in self.objects)
            life.files = [file.key for file in found]
        except BookmarkConflictError:
            self.fail(life, BOOKMARK_CONFLICT)
            return
        assert not set(life.files) & self.remembered()

    def advance(self, which: int, how: str) -> None:
        """Let a run do its next step ``once``, or ``twice`` as after a lost answer; or ``fail`` or get ``lost``."""
        going = [life for life in self.lives if not life.over]
        if not going:
            return
        life = going[which % len(going)]
        step = self.STEPS[life.step]
        if how in ("fail", "lost") and step != "settle":
            # Once it holds the bookmark and has committed, nobody says that it failed; but nobody may know.
            if how == "lost" and life.epoch >= 0:
                self.fail(life, COMMIT_UNKNOWN)
            elif life.run.run_id not in self.table:
                self.fail(life, "Failed")
            return
        for _ in range(2 if how == "twice" else 1):
            getattr(self, step)(life)
            if life.over:
                return
        life.step += 1
        life.over = life.step == len(self.STEPS)

    def propose(self, life: Life) -> None:
        try:
            life.proposed = self.bookmark(life).propose_step(len(life.files))
        except BookmarkConflictError as conflict:
            if isinstance(conflict, TakenMeanwhileError):
                self.conflicts.append((set(life.files), self.remembered()))
            self.fail(life, BOOKMARK_CONFLICT)

    def claim(self, life: Life) -> None:
        try:
            life.run = begin_commit(self.ports, life.run, 60, life.proposed)
        except BookmarkConflictError:
            life.step = self.STEPS.index("propose") - 1  # as the machine does, which calls again
            return
        if life.epoch < 0:
            life.epoch = len(self.epochs) - 1
            life.view = self.remembered() | set(life.files)

    def commit(self, life: Life) -> None:
        if life.run.run_id not in self.table:
            self.table.add(life.run.run_id)
            self.epochs[life.epoch].loaded += life.files

    def conclude(self, life: Life) -> None:
        life.run = conclude_work(self.ports, life.run)

    def settle(self, life: Life) -> None:
        settle_run(self.ports, life.run.org, life.run.job, life.run.run_id, Failed("it ended by itself"))

    def fail(self, life: Life, code: str) -> None:
        life.run = conclude_work(self.ports, life.run, error="?", error_code=code, conclusive=True)
        self.settle(life)
        life.over = True

    def reset(self, to: int | None) -> None:
        if to is None or not self.lives:
            reset_bookmark(self.ports, self.admin, self.job)
            self.epochs.append(Epoch(set()))
            return
        life = self.lives[to % len(self.lives)]
        try:
            reset_bookmark(self.ports, self.admin, self.job, life.run.run_id)
        except NotFoundError:
            assert life.run.state != "SUCCEEDED", "what succeeded can be gone back to"
        else:
            assert life.run.run_id in self.table or not life.files
            self.epochs.append(Epoch(set(life.view)))

    def remembered(self) -> set[str]:
        """What must not be loaded by who claims now."""
        return self.epochs[-1].base | set(self.epochs[-1].loaded)

    def check(self) -> None:
        assert all(files & remembered for files, remembered in self.conflicts), "nobody is refused without a reason"
        for epoch in self.epochs:
            assert len(epoch.loaded) == len(set(epoch.loaded)), "no object is taken twice"
            assert not epoch.base & set(epoch.loaded), "nor one from before the run that was gone back to"

    def end(self) -> None:
        """Let every run go to its end, and one more take what is left."""
        while any(not life.over for life in self.lives):
            self.advance(0, "once")
        self.begin()
        while not self.lives[-1].over:
            self.advance(-1, "once")
        assert self.lives[-1].run.state == "SUCCEEDED"
        self.check()
        assert self.remembered() == set(self.objects), "none is left out"

    def read(self, run: Run) -> Run:
        found = self.ports.runs.get(run.org, run.job, run.run_id)
        assert found is not None
        return found

    def bookmark(self, life: Life) -> LoadBookmark:
        work: Any = self.work
        load: Any = life
        return _Bookmark(self.ports, work, json.dumps(sorted(self.table)), load)


class _Bookmark(LoadBookmark):
    """A load's bookmark whose units and table are those of the world; the name of the lake says what has committed."""

    def _files(self) -> Iterator[FoundFile]:
        life: Any = self.load
        files: Iterable[str] = life.files
        return (FoundFile("drops", key, 1, '"e"') for key in files)

    def _has_committed(self, run: Run) -> bool:
        return run.run_id in json.loads(self.lake_bucket)


STEPS = st.one_of(
    st.just(("drop",)),
    st.just(("begin",)),
    st.tuples(st.just("advance"), st.integers(0, 3), st.sampled_from([*["once"] * 3, "twice", "fail", "lost"])),
    st.tuples(st.just("reset"), st.none() | st.integers(0, 5)),
)


# Each example has a job of its own in the same ledger, so what the fixtures give may be shared.
@settings(
    max_examples=7,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=8, max_size=25))
def test_each_object_is_taken_once_between_resets(ports: Ports, admin: Principal, steps: list[tuple[Any, ...]]) -> None:
    world = World(ports, admin)
    for name, *arguments in steps:
        getattr(world, name)(*arguments)
        world.check()
    world.end()
