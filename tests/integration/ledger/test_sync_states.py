"""The states of taps: handed to a run that begins, moved by its success, set and cleared by people."""

import json
from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.errors import AccessDeniedError, InvalidInputError
from jobruns.lifecycle import Failed, PhaseReached, Succeeded
from jobruns.run import Executor, Run, RunFolder, RunRoot, RunState, SyncStateUse, TriggerKind
from jobruns.run_file import files_prefix
from jobruns.service import sync_states
from jobruns.service.definitions import define_job
from jobruns.service.lookups import find_run
from jobruns.service.ports import Ports
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.stops import stop_run
from jobruns.service.sync_states import clear_sync_state, find_sync_state, set_sync_state

KEY = "e.x/f1/t/tap-rows"
SEEN: list[Run] = []


@pytest.fixture(autouse=True)
def flow(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name="e.x/f1/t", door="test", executor=Executor.EXTERNAL)
    SEEN.clear()


def begin(ports: Ports, admin: Principal, *, given: bool = True) -> Run:
    name = f"job{len(SEEN)}"
    root = RunRoot(scope="e.x/f1/t", name=name, path=f"e.x/t/flows/f1/jobs/{name}")
    use = SyncStateUse(key=KEY, given=given)
    run = start_run(ports, admin, StartRequest(job="e.x/f1/t", door="test", root=root, sync_state=use))
    SEEN.append(run)
    dispatch_run(ports, run.org, run.job, run.run_id, None)
    return run


def end(ports: Ports, run: Run, left: str | None, path: str = "sync-output/state.json") -> RunState:
    if left is not None:
        ports.run_objects.put(files_prefix(run) + path, left.encode())
    settled = settle_run(ports, run.org, run.job, run.run_id, Succeeded())
    assert settled is not None
    return settled.state


def kept(ports: Ports, admin: Principal) -> Any:
    state = find_sync_state(ports, admin, KEY)
    return None if state is None else state.value


def given_to(ports: Ports, run: Run) -> Any:
    held = ports.run_objects.held.get(f"{files_prefix(run)}state.json")  # type: ignore[attr-defined]
    return None if held is None else json.loads(held)


def test_a_success_moves_the_state_and_the_next_run_is_handed_it(ports: Ports, admin: Principal) -> None:
    first = begin(ports, admin)
    assert given_to(ports, first) is None
    end(ports, first, '{"rows": 1}')
    second = begin(ports, admin)
    assert given_to(ports, second) == {"rows": 1}
    end(ports, second, '{"rows": 2}')
    state = find_sync_state(ports, admin, KEY)
    assert state is not None
    assert (state.value, state.version, state.run_id) == ({"rows": 2}, 2, second.run_id)


def test_settling_again_moves_nothing_again(ports: Ports, admin: Principal) -> None:
    first = begin(ports, admin)
    end(ports, first, '{"rows": 1}')
    sync_states.conclude_sync_state(ports, find_run(ports, admin, first.run_id))
    second = begin(ports, admin)
    end(ports, second, '{"rows": 2}')
    sync_states.conclude_sync_state(ports, find_run(ports, admin, first.run_id))
    assert kept(ports, admin) == {"rows": 2}


@pytest.mark.parametrize(
    "left", [None, "", "  \n", "{}", "null", "not json", '{"bookmarks": {"a": []}, "summary": {}}']
)
def test_a_run_that_left_no_state_of_a_tap_keeps_what_was_there(
    left: str | None, ports: Ports, admin: Principal
) -> None:
    set_sync_state(ports, admin, KEY, {"rows": 1})
    assert end(ports, begin(ports, admin), left) is RunState.SUCCEEDED
    assert kept(ports, admin) == {"rows": 1}


@pytest.mark.parametrize(
    ("left", "value"),
    [
        ('{"bookmarks": {"a": {"replication_key_value": 3}}}', {"bookmarks": {"a": {"replication_key_value": 3}}}),
        ('{"rows": 1}\n{"rows": 2}\n', {"rows": 2}),
        ('{"tap": {"rows": 5}, "target": {"bookmarks": {"a": []}, "summary": {}}}', {"rows": 5}),
        ("17", 17),
        ('["any", {"json": null}]', ["any", {"json": None}]),
    ],
)
def test_where_the_tap_left_none_the_targets_word_counts(left: str, value: Any, ports: Ports, admin: Principal) -> None:
    end(ports, begin(ports, admin), left, "target-state.json")
    assert kept(ports, admin) == value


def test_no_other_end_than_success_moves_the_state(ports: Ports, admin: Principal) -> None:
    failed, stopped = begin(ports, admin), begin(ports, admin)
    for run in (failed, stopped):
        ports.run_objects.put(files_prefix(run) + "sync-output/state.json", b'{"rows": 9}')
    settle_run(ports, failed.org, failed.job, failed.run_id, Failed("broken"))
    stop_run(ports, admin, stopped)
    settle_run(ports, stopped.org, stopped.job, stopped.run_id, Succeeded())
    assert find_run(ports, admin, stopped.run_id).state is RunState.STOPPED
    assert kept(ports, admin) is None


def test_of_two_runs_beside_one_another_the_later_success_does_not_overwrite_the_first(
    ports: Ports, admin: Principal
) -> None:
    older, newer = begin(ports, admin), begin(ports, admin)
    end(ports, newer, '{"rows": 20}')
    assert end(ports, older, '{"rows": 10}') is RunState.SUCCEEDED
    assert kept(ports, admin) == {"rows": 20}


def test_what_a_person_set_or_cleared_meanwhile_stays(ports: Ports, admin: Principal) -> None:
    run = begin(ports, admin)
    set_sync_state(ports, admin, KEY, {"rows": 3})
    end(ports, run, '{"rows": 9}')
    assert kept(ports, admin) == {"rows": 3}
    run = begin(ports, admin)
    clear_sync_state(ports, admin, KEY)
    end(ports, run, '{"rows": 9}')
    assert find_sync_state(ports, admin, KEY) is None


def test_a_run_that_begins_anew_is_handed_nothing_and_moves_the_state(ports: Ports, admin: Principal) -> None:
    set_sync_state(ports, admin, KEY, {"rows": 1})
    run = begin(ports, admin, given=False)
    assert given_to(ports, run) is None
    end(ports, run, '{"rows": 7}')
    assert kept(ports, admin) == {"rows": 7}


def test_a_dispatcher_that_is_tried_again_hands_over_what_it_did_before(ports: Ports, admin: Principal) -> None:
    set_sync_state(ports, admin, KEY, {"rows": 1})
    run = begin(ports, admin)
    set_sync_state(ports, admin, KEY, {"rows": 2})
    dispatch_run(ports, run.org, run.job, run.run_id, None)
    assert given_to(ports, run) == {"rows": 1}
    # It began by what was there before somebody set another.
    end(ports, run, '{"rows": 9}')
    assert kept(ports, admin) == {"rows": 2}


def test_a_large_state_is_kept_and_handed_over_whole(ports: Ports, admin: Principal) -> None:
    large = {f"stream{number}": "x" * 100 for number in range(200)}
    end(ports, begin(ports, admin), json.dumps(large))
    assert kept(ports, admin) == large
    run = begin(ports, admin)
    assert given_to(ports, run) == large


def test_too_large_a_state_is_refused_and_not_taken(
    ports: Ports, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_states, "MAX_STATE_BYTES", 5000)
    with pytest.raises(InvalidInputError):
        set_sync_state(ports, admin, KEY, "x" * 6000)
    end(ports, begin(ports, admin), json.dumps("x" * 6000))
    assert kept(ports, admin) is None


def test_a_state_is_its_orgs_and_is_moved_by_who_may_stop_runs(
    ports: Ports, admin: Principal, stranger: Principal
) -> None:
    set_sync_state(ports, admin, KEY, {"rows": 1})
    assert find_sync_state(ports, stranger, KEY) is None
    reader = replace_role(admin, Role.READER)
    assert kept(ports, reader) == {"rows": 1}
    for move in (lambda: set_sync_state(ports, reader, KEY, {}), lambda: clear_sync_state(ports, reader, KEY)):
        with pytest.raises(AccessDeniedError):
            move()


def replace_role(principal: Principal, role: Role) -> Principal:
    return principal.model_copy(update={"role": role})


def test_phases_that_were_not_told_yet_come_before_the_end(ports: Ports, admin: Principal) -> None:
    run = begin(ports, admin)
    phases = [PhaseReached("SYNC_STARTED", 20), PhaseReached("SYNC_SUCCESS", 30), PhaseReached("EXPORT_STARTED", 60)]
    for _ in range(2):
        settle_run(ports, run.org, run.job, run.run_id, Succeeded(), phases)
    events = [event for event in ports.runs.events(run.org, run.run_id) if event.applied]
    assert [event.kind for event in events] == ["Submitted", "Begun", *["PhaseReached"] * 3, "Succeeded"]
    ended = find_run(ports, admin, run.run_id)
    assert (ended.phase, ended.settled) == ("EXPORT_STARTED", True)


def test_a_run_that_somebody_else_starts_takes_up_the_state_of_its_job(ports: Ports, admin: Principal) -> None:
    folder = RunFolder(scope="e.x/f2/t", path="e.x/t/flows/f2/jobs")
    define_job(ports, admin, name="e.x/f2/t", door="test", run_folder=folder, sync_state_key=KEY)

    def fire() -> Run:
        return start_run(ports, admin, StartRequest(job="e.x/f2/t", door="other", trigger=TriggerKind.SCHEDULE))

    first = fire()
    assert first.root == RunRoot(
        scope="e.x/f2/t", name=first.run_id.replace("-", ""), path=f"{folder.path}/{first.run_id.replace('-', '')}"
    )
    assert first.sync_state == SyncStateUse(key=KEY, given=False)
    dispatch_run(ports, first.org, first.job, first.run_id, None)
    end(ports, first, '{"rows": 1}')
    second = fire()
    assert second.sync_state == SyncStateUse(key=KEY, given=True)
    dispatch_run(ports, second.org, second.job, second.run_id, None)
    assert given_to(ports, second) == {"rows": 1}
    end(ports, second, '{"rows": 2}')
    assert kept(ports, admin) == {"rows": 2}
    # Whoever says where its files lie says what it takes up as well.
    root = RunRoot(scope="e.x/f2/t", name="own", path="e.x/t/flows/f2/jobs/own")
    own = start_run(ports, admin, StartRequest(job="e.x/f2/t", door="test", root=root))
    assert (own.root, own.sync_state) == (root, None)


def test_a_job_may_have_a_folder_and_no_state(ports: Ports, admin: Principal) -> None:
    folder = RunFolder(scope="e.x/f3/t", path="e.x/t/flows/f3/jobs")
    define_job(ports, admin, name="e.x/f3/t", door="test", run_folder=folder)
    run = start_run(ports, admin, StartRequest(job="e.x/f3/t", door="other"))
    assert (run.root is not None, run.sync_state) == (True, None)


def test_that_there_is_a_state_is_known_without_reading_a_large_one(ports: Ports, admin: Principal) -> None:
    assert not sync_states.has_sync_state(ports, admin.org, KEY)
    set_sync_state(ports, admin, KEY, {"rows": "x" * 10_000})
    ports.objects.held.clear()  # type: ignore[attr-defined]
    assert sync_states.has_sync_state(ports, admin.org, KEY)
