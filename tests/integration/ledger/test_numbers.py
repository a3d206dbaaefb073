"""Numbers of runs: one counter, no number twice, found by two reads."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobruns.access import Principal
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.lifecycle import Failed
from jobruns.run import Run, RunState
from jobruns.service.definitions import define_job
from jobruns.service.lookups import find_run
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.starts import StartRequest, record_refused, start_run
from jobruns.service.stops import stop_run
from jobruns.service.views import find_numbered_run, find_numbered_runs, list_numbered_runs

Calls = Callable[[], Counter[str]]


def started(ports: Ports, admin: Principal, **fields: Any) -> Run:
    define_job(ports, admin, name="nightly", door="test", repeatable=True, **fields)
    return start_run(ports, admin, StartRequest(job="nightly", door="test"))


def begun(ports: Ports, admin: Principal) -> Run:
    run = started(ports, admin)
    dispatch_run(ports, run.org, run.job, run.run_id, "token")
    return find_run(ports, admin, run.run_id)


def test_a_run_gets_its_number_when_it_begins_and_keeps_it(ports: Ports, admin: Principal) -> None:
    run = started(ports, admin)
    assert run.number is None
    dispatch_run(ports, run.org, run.job, run.run_id, "token")
    assert find_run(ports, admin, run.run_id).number == 1
    dispatch_run(ports, run.org, run.job, run.run_id, "another try of the dispatcher")
    report_run(ports, admin, find_run(ports, admin, run.run_id), RunState.SUCCEEDED)
    settle_run(ports, run.org, run.job, run.run_id, Failed("unused"))
    assert find_run(ports, admin, run.run_id).number == 1
    assert find_numbered_run(ports, admin, 1).run_id == run.run_id
    assert begun(ports, admin).number == 2


def test_a_run_whose_report_overtakes_the_dispatcher_has_begun_by_that(ports: Ports, admin: Principal) -> None:
    run = started(ports, admin)
    assert report_run(ports, admin, run, RunState.SUCCEEDED).number == 1
    dispatch_run(ports, run.org, run.job, run.run_id, "late")
    assert find_numbered_run(ports, admin, 1).state is RunState.SUCCEEDED


def test_a_run_that_never_began_has_no_number(ports: Ports, admin: Principal) -> None:
    holder = started(ports, admin, max_concurrent_runs=1, queueing=True)
    assert holder.state is RunState.STARTING
    waiting = start_run(ports, admin, StartRequest(job="nightly", door="test"))
    assert stop_run(ports, admin, waiting).number is None
    assert record_refused(ports, admin, StartRequest(job="x", door="test"), "Code", "why").number is None


def test_no_number_is_given_out_twice_nor_seen_by_another_org(
    ports: Ports, admin: Principal, stranger: Principal
) -> None:
    with ThreadPoolExecutor(8) as pool:
        firsts = list(pool.map(lambda count: ports.runs.reserve_numbers("acme", count), [1, 3] * 10))
    taken = [first + place for first, count in zip(firsts, [1, 3] * 10, strict=True) for place in range(count)]
    assert sorted(taken) == list(range(1, 41))
    assert ports.runs.reserve_numbers("other") == 1


def test_runs_begun_at_once_have_different_numbers(ports: Ports, admin: Principal) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: begun(ports, admin), range(12)))
    assert sorted(run.number or 0 for run in runs) == list(range(1, 13))


def test_a_number_is_two_reads_and_many_are_two_batches(
    ports: Ports, admin: Principal, stranger: Principal, calls: Calls
) -> None:
    runs = {run.number: run for run in (begun(ports, admin) for _ in range(4))}
    calls()
    assert find_numbered_run(ports, admin, 3) == runs[3]
    assert calls() == {"GetItem": 2}
    assert find_numbered_runs(ports, admin, [4, 9, 1, 4, -1]) == {1: runs[1], 4: runs[4]}
    assert calls() == {"BatchGetItem": 2}
    assert find_numbered_runs(ports, admin, []) == {}
    assert calls() == {}
    for number in (0, 5, -1, 10**12):
        with pytest.raises(NotFoundError):
            find_numbered_run(ports, admin, number)
    with pytest.raises(NotFoundError):
        find_numbered_run(ports, stranger, 3)


@pytest.mark.parametrize("ascending", [True, False])
def test_runs_are_paged_in_the_order_of_their_numbers(
    ports: Ports, admin: Principal, calls: Calls, ascending: bool
) -> None:
    for _ in range(7):
        begun(ports, admin)
    calls()
    seen: list[int | None] = []
    position, pages = None, 0
    while pages == 0 or position is not None:
        page = list_numbered_runs(ports, admin, low=2, high=6, ascending=ascending, limit=2, position=position)
        seen += [run.number for run in page.runs]
        position, pages = page.next_token, pages + 1
    assert seen == ([2, 3, 4, 5, 6] if ascending else [6, 5, 4, 3, 2])
    assert calls() == {"Query": pages, "BatchGetItem": pages}
    assert list_numbered_runs(ports, admin, low=5, high=4).runs == []


def test_a_position_of_another_list_is_refused(ports: Ports, admin: Principal) -> None:
    begun(ports, admin)
    begun(ports, admin)
    position = list_numbered_runs(ports, admin, limit=1).next_token
    for wrong in ("", "nonsense", "e30=", "W10=", "WzFd", "\u00e9"):
        with pytest.raises(InvalidInputError, match="begin again"):
            list_numbered_runs(ports, admin, limit=1, position=wrong)
    with pytest.raises(InvalidInputError):
        list_numbered_runs(ports, admin, limit=1, ascending=False, position=position)
    with pytest.raises(InvalidInputError, match="1 to 1000"):
        list_numbered_runs(ports, admin, limit=0)
