"""Exactly once out of at least once, whatever order things happen in and whoever dies where."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobruns.access import Principal, Role
from jobruns.lifecycle import COMMIT_UNKNOWN
from jobruns.run import Run, RunState
from jobruns.service.tables import define_project, define_table, define_transform
from jobruns.service.uploads import (
    CLAIM_PATIENCE_SECONDS,
    QueueMessage,
    Receipt,
    receive_uploads,
    requeue_uploads,
)
from jobruns.service.watches import watch_table
from jobruns.table import LoadSpec, Table, Watch
from jobruns.transform import Column, ColumnType, Transform
from jobruns.uploads import MAX_ATTEMPTS, UploadedObject, parse_notification, read_manifest, write_notification
from tests.unit.ingest.memory import Invocation, KilledError, World

ADMIN = Principal(org="acme", name="key", role=Role.ADMIN)
TRANSFORM = Transform(name="t", columns=(Column(name="at", type=ColumnType.TIMESTAMP, primary=True),))
MAX_ROUNDS = 60


def a_table(world: World, name: str = "trips", pattern: str = "", org: str = "acme") -> Table:
    admin, ports = ADMIN.model_copy(update={"org": org}), world.ports()
    project = define_project(ports, admin, f"project-{name}")
    table = define_table(ports, admin, project, name, door="tests")
    define_transform(ports, admin, table, TRANSFORM, default=True)
    watch_table(ports, admin, table, [Watch(org=org, table_id=table.table_id, pattern=pattern)])
    return table


def an_object(key: str = "a.csv", **fields: Any) -> UploadedObject:
    return UploadedObject(bucket="landing", key=key, etag=f"etag-{key}", size=10, **fields)


def receive(world: World, *objects: UploadedObject) -> Receipt:
    messages = [QueueMessage(str(number), write_notification(found)) for number, found in enumerate(objects)]
    return receive_uploads(world.ports(), world.upload_ports(), messages)


def manifest(world: World, run: Run) -> list[UploadedObject]:
    key = LoadSpec.model_validate(run.arguments).uploads_key
    assert key is not None
    return read_manifest(world.held[key])


def end(world: World, run_id: str, state: RunState, **fields: Any) -> Run:
    ended = world.runs_by_id[run_id].model_copy(update={"state": state, **fields})
    world.runs_by_id[run_id] = ended
    return ended


def test_what_arrives_together_is_one_run_for_each_table() -> None:
    world = World()
    first, second = a_table(world, "first", r"\.csv$"), a_table(world, "second", r"\.json$")
    receipt = receive(world, an_object("a.csv"), an_object("b.json"), an_object("c.csv"), an_object("d.txt"))
    assert (receipt.failed, receipt.claimed, receipt.unwatched) == (set(), 3, 1)
    loaded = {run.job: sorted(found.key for found in manifest(world, run)) for run in world.runs_by_id.values()}
    assert loaded == {first.full_name: ["a.csv", "c.csv"], second.full_name: ["b.json"]}


def test_a_key_below_an_orgs_id_is_for_that_org_alone() -> None:
    org, other = "0192f0c1-2222-7aaa-8aaa-00000000000a", "0192f0c1-2222-7aaa-8aaa-00000000000b"
    world = World()
    a_table(world, "everything", "", org=other)
    mine = a_table(world, "mine", "", org=org)
    receipt = receive(world, an_object(f"{org}/a.csv"), an_object("0192f0c1-2222-7aaa-8aaa-00000000000c/b.csv"))
    assert (receipt.claimed, receipt.unwatched) == (1, 1)
    assert [run.job for run in world.runs_by_id.values()] == [mine.full_name]


def test_duplicates_in_a_batch_and_after_it_are_loaded_once() -> None:
    world = World()
    a_table(world)
    assert receive(world, an_object(), an_object()).claimed == 1
    for state in (RunState.STARTING, RunState.RUNNING, RunState.SUCCEEDED):
        (run_id,) = world.runs_by_id
        end(world, run_id, state)
        assert receive(world, an_object()) == Receipt(duplicates=1)


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.TIMEOUT, RunState.STOPPED])
def test_what_a_run_did_not_load_may_be_loaded_by_another(state: RunState) -> None:
    world = World()
    a_table(world)
    (first,) = receive(world, an_object()).runs
    end(world, first, state)
    (second,) = receive(world, an_object()).runs
    assert first != second
    assert receive(world, an_object()).duplicates == 1


def test_an_undecided_commit_is_only_tried_again_by_who_redrives_it() -> None:
    world = World()
    a_table(world)
    (first,) = receive(world, an_object()).runs
    run = end(world, first, RunState.FAILED, error_code=COMMIT_UNKNOWN, message="look for the snapshot")
    requeue_uploads(world.ports(), world.upload_ports(), run)
    assert world.sent == []
    assert receive(world, an_object()).duplicates == 1
    (redriven,) = parse_notification(world.buried[0])
    assert (redriven.attempt, redriven.redriven) == (1, True)
    assert receive(world, redriven).claimed == 1


def test_a_claimer_that_may_be_alive_is_left_alone_for_a_while() -> None:
    world = World()
    a_table(world)
    dead = Invocation(lambda: receive(world, an_object()))
    dead.advance("after")
    assert isinstance(dead.error, KilledError)
    assert receive(world, an_object()).failed == {"0"}
    world.tick(CLAIM_PATIENCE_SECONDS)
    receipt = receive(world, an_object())
    assert (receipt.failed, receipt.claimed) == (set(), 1)


def test_a_claimer_taken_for_dead_starts_no_run() -> None:
    world = World()
    a_table(world)
    slow = Invocation(lambda: receive(world, an_object("a.csv"), an_object("b.csv")))
    slow.advance()
    world.tick(CLAIM_PATIENCE_SECONDS)
    (run_id,) = receive(world, an_object("a.csv")).runs
    while not slow.over:
        slow.advance()
    assert slow.result.failed == {"0", "1"}
    assert list(world.runs_by_id) == [run_id]
    receipt = receive(world, an_object("a.csv"), an_object("b.csv"))
    assert (receipt.duplicates, receipt.claimed, receipt.failed) == (1, 1, set())


def test_an_unreadable_message_fails_alone() -> None:
    world = World()
    a_table(world)
    bodies = [
        "{",
        "[]",
        json.dumps({"Records": [{}]}),
        json.dumps({"Event": "s3:TestEvent"}),
        write_notification(an_object()),
    ]
    messages = [QueueMessage(str(number), body) for number, body in enumerate(bodies)]
    receipt = receive_uploads(world.ports(), world.upload_ports(), messages)
    assert (receipt.failed, receipt.claimed) == ({"0", "1", "2"}, 1)


def test_a_table_without_a_transform_fails_its_own_uploads_only() -> None:
    world = World()
    broken = a_table(world, "broken", r"^s3://landing/broken/")
    a_table(world, "whole", r"^s3://landing/whole/")
    for key in [key for key in world.docs if key[1] == f"transforms/{broken.table_id}"]:
        del world.docs[key]
    receipt = receive(world, an_object("broken/a"), an_object("whole/a"))
    assert (receipt.failed, receipt.claimed) == ({"0"}, 1)
    assert not world.claimed.keys() & {("acme", broken.table_id, an_object("broken/a").identity)}


def test_files_are_tried_three_times_then_put_aside() -> None:
    world = World()
    a_table(world)
    found = an_object()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert found.attempt == attempt
        (run_id,) = receive(world, found).runs
        run = end(world, run_id, RunState.FAILED, message="it is bad")
        for _ in range(2):
            requeue_uploads(world.ports(), world.upload_ports(), run)
        if attempt < MAX_ATTEMPTS:
            assert len(set(world.sent)) == 1
            (found,) = parse_notification(world.sent[0])
            world.sent.clear()
    assert world.sent == []
    (dead,) = dict.fromkeys(world.buried)
    assert parse_notification(dead) == [an_object(redriven=True)]


def test_files_that_failed_before_do_not_take_fresh_ones_with_them() -> None:
    world = World()
    a_table(world)
    receipt = receive(world, an_object("new.csv"), an_object("old.csv", attempt=2), an_object("other.csv"))
    loaded = [{found.key for found in manifest(world, run)} for run in world.runs_by_id.values()]
    assert sorted(loaded, key=len) == [{"old.csv"}, {"new.csv", "other.csv"}]
    assert len(receipt.runs) == 2


def test_ten_thousand_uploads_are_one_run() -> None:
    world = World()
    a_table(world)
    receipt = receive(world, *(an_object(f"{number}.csv") for number in range(10_000)))
    assert (len(receipt.runs), receipt.claimed, receipt.failed) == (1, 10_000, set())


class History:
    """A queue that delivers again and again, functions that die anywhere, and runs that end as drawn."""

    def __init__(self, data: st.DataObject, count: int) -> None:
        self.data = data
        self.world = World()
        a_table(self.world)
        self.objects = [an_object(f"{number}.csv") for number in range(count)]
        self.messages: dict[str, str] = {}
        self.added = 0
        self.working: list[tuple[Invocation, list[str]]] = []
        self.settling: dict[str, Invocation] = {}
        self.unsettled: set[str] = set()
        self.loaded: list[str] = []
        for found in self.objects:
            for _ in range(data.draw(st.integers(1, 2), label="copies")):
                self.add(write_notification(found))

    def add(self, body: str) -> None:
        self.added += 1
        self.messages[f"{self.data.draw(st.integers(0, 9), label='place')}-{self.added}"] = body

    def deliver(self, ids: list[str]) -> None:
        batch = [QueueMessage(message_id, self.messages[message_id]) for message_id in ids]
        work = Invocation(lambda: receive_uploads(self.world.ports(), self.world.upload_ports(), batch))
        self.working.append((work, ids))
        self.reap()

    def reap(self) -> None:
        """Take what ended: acknowledge messages, see runs as settled, put what was sent into the queue."""
        for work, ids in [entry for entry in self.working if entry[0].over]:
            self.working.remove((work, ids))
            if work.error is None:
                for message_id in set(ids) - work.result.failed:
                    self.messages.pop(message_id, None)
            else:
                assert isinstance(work.error, KilledError), work.error
        for run_id, work in [entry for entry in self.settling.items() if entry[1].over]:
            del self.settling[run_id]
            if work.error is None:
                self.unsettled.discard(run_id)
        while self.world.sent:
            self.add(self.world.sent.pop())

    def finish(self, run: Run, state: RunState) -> None:
        ended = end(self.world, run.run_id, state)
        if state is RunState.SUCCEEDED:
            self.loaded += [found.key for found in manifest(self.world, ended)]
        else:
            self.unsettled.add(run.run_id)

    def settle(self, run_id: str) -> None:
        if run_id not in self.settling:
            run = self.world.runs_by_id[run_id]
            ports, uploads = self.world.ports(), self.world.upload_ports()
            self.settling[run_id] = Invocation(lambda: requeue_uploads(ports, uploads, run))
        self.reap()

    def going(self) -> list[Invocation]:
        return [work for work, _ in self.working] + list(self.settling.values())

    def unfinished(self) -> list[Run]:
        return [run for run in self.world.runs_by_id.values() if not run.state.terminal]

    def step(self) -> None:
        """Something happens."""
        draw = self.data.draw
        kind = draw(st.sampled_from(["deliver", "go", "go", "go", "before", "after", "end", "settle", "wait"]))
        if kind == "deliver" and self.messages and len(self.working) < 3:
            self.deliver(draw(st.lists(st.sampled_from(sorted(self.messages)), min_size=1, unique=True)))
        elif kind in ("go", "before", "after") and self.going():
            draw(st.sampled_from(self.going())).advance(kind)
            self.reap()
        elif kind == "end" and self.unfinished():
            states = [RunState.SUCCEEDED, RunState.FAILED, RunState.TIMEOUT]
            self.finish(draw(st.sampled_from(self.unfinished())), draw(st.sampled_from(states)))
        elif kind == "settle" and self.unsettled:
            self.settle(draw(st.sampled_from(sorted(self.unsettled))))
        elif kind == "wait":
            self.world.tick(CLAIM_PATIENCE_SECONDS)

    def drain(self) -> None:
        """Let everything go on without further accidents, until nothing is left to do."""
        for _ in range(MAX_ROUNDS):
            while self.going():
                self.going()[0].advance()
                self.reap()
            for run in self.unfinished():
                self.finish(run, RunState.SUCCEEDED)
            for run_id in sorted(self.unsettled):
                self.settle(run_id)
            if not (self.messages or self.going() or self.unsettled):
                return
            self.world.tick(CLAIM_PATIENCE_SECONDS)
            if self.messages:
                self.deliver(sorted(self.messages))
        raise AssertionError(f"it does not come to an end: {self.messages}")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_every_upload_is_loaded_once_or_put_aside(data: st.DataObject) -> None:
    history = History(data, data.draw(st.integers(1, 4), label="objects"))
    for _ in range(data.draw(st.integers(0, 60), label="steps")):
        history.step()
        assert len(history.loaded) == len(set(history.loaded)), "loaded twice"
    history.drain()
    assert len(history.loaded) == len(set(history.loaded)), "loaded twice"
    dead = {found.key for body in history.world.buried for found in parse_notification(body)}
    assert set(history.loaded) | dead == {found.key for found in history.objects}
