"""Many small files: exactly their rows, and no more goes through Step Functions and Lambda than for a few."""

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from jobruns.service.lookups import list_job_runs
from jobruns.service.ports import Ports
from local.invoke import Invoker
from local.runner import Runner
from tests.bench.many import RATIO_GOAL, Files, ManyFiles
from tests.e2e.door import Door, rows_csv
from tests.e2e.ledger import admin_of, wait_for

MAX_BYTES = 256 * 1024
"""What Step Functions lets through: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

FILES, ROWS = 200, 10


@pytest.fixture(scope="module")
def door(runner: Runner) -> Door:
    runner.wait_warm()
    door = Door(runner)
    door.landing = "many-small-files"  # nobody watches it
    door.s3.create_bucket(Bucket=door.landing)
    for number in range(FILES):
        key = f"all/{number // 20:02d}/part number {number:04d}, with a rather long name.csv"
        door.s3.put_object(Bucket=door.landing, Key=key, Body=rows_csv(number * ROWS, ROWS))
    return door


@dataclass
class Invocations:
    """What functions were invoked with, and what they gave."""

    seen: list[tuple[str, bytes, bytes]] = field(default_factory=list)

    def largest(self, run_id: str) -> dict[str, int]:
        """Give the bytes of the largest event or answer of each function that worked for a run."""
        largest: Counter[str] = Counter()
        for function, event, answer in self.seen:
            if run_id.encode() in event:
                largest[function] = max(largest[function], len(event), len(answer))
        return largest


@pytest.fixture
def invocations(monkeypatch: pytest.MonkeyPatch) -> Invocations:
    noted, invoke = Invocations(), Invoker.invoke

    def note(invoker: Invoker, function: str, payload: bytes, *args: Any, **kwargs: Any) -> Any:
        outcome = invoke(invoker, function, payload, *args, **kwargs)
        noted.seen.append((function.rpartition(":")[2], payload, outcome.payload))
        return outcome

    monkeypatch.setattr(Invoker, "invoke", note)
    return noted


def ended_execution(states: Any, arn: str) -> dict[str, Any] | None:
    told: dict[str, Any] = states.describe_execution(executionArn=arn)
    return None if told["status"] == "RUNNING" else told


def largest_events(runner: Runner, run_id: str) -> dict[str, int]:
    """Give the bytes of what went into and out of a run's machines, and of the largest event of each kind."""
    states = runner.client("stepfunctions")
    largest: Counter[str] = Counter()
    for machine in states.list_state_machines()["stateMachines"]:
        found = states.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
        for arn in (execution["executionArn"] for execution in found if execution["name"] == run_id):
            # The run may have ended a moment before the machine that settles it.
            told = wait_for(partial(ended_execution, states, arn))
            label = machine["name"].rpartition("-")[2]
            largest[f"{label} input"], largest[f"{label} output"] = len(told["input"]), len(told["output"])
            pages = states.get_paginator("get_execution_history").paginate(executionArn=arn)
            for event in (event for page in pages for event in page["events"]):
                kind = f"{label} {event['type']}"
                largest[kind] = max(largest[kind], len(json.dumps(event, default=str)))
    return largest


def test_no_more_goes_through_the_machines_for_many_files_and_many_units_than_for_few(
    door: Door, ports: Ports, runner: Runner, invocations: Invocations
) -> None:
    sizes = {}
    for table, prefix, aggregation, files, units in (
        ("few", "all/00/", 10**9, 20, range(1, 2)),
        ("many", "all/", 10**9, FILES, range(1, 2)),
        ("units", "all/", 6000, FILES, range(12, 25)),
    ):
        door.make_table(f"small_{table}", "rows")
        job = door.load(f"small_{table}.rows", prefix, f"small {table}", input_aggregation=aggregation)
        ended = door.wait(job)
        assert ended["status"] == "done", ended
        assert ended["details"]["status_detail"]["tasks"]["INDEX"]["DONE"] in units
        assert door.ids(ports, f"small_{table}.rows") == list(range(files * ROWS))
        (run,) = list_job_runs(ports, admin_of(runner), f"small_{table}.rows").runs
        sizes[table] = invocations.largest(run.run_id) | largest_events(runner, run.run_id)
    few = sizes.pop("few")
    assert {name.partition(" ")[0] for name in few if " " in name} == {"ingest", "lifecycle"}
    for many in sizes.values():
        # Numbers have more digits, and that is all.
        assert {name: size for name, size in many.items() if size > few.get(name, 0) + 40} == {}
        assert max(many.values()) < MAX_BYTES / 10


@pytest.mark.slow  # some minutes: it writes 10,010 objects first
def test_ten_thousand_files_load_exactly_and_in_at_most_five_times_the_seconds_of_ten(
    runner: Runner, ports: Ports
) -> None:
    loads = ManyFiles(runner)
    few, many = Files(10, 100_000), Files(10_000, 100)
    for shape in (few, many):
        loads.put(shape)
    ratio = loads.ratio(many, few, 3)
    assert ratio <= RATIO_GOAL
    ids = Counter(loads.door.ids(ports, "many.rows"))
    assert ids == dict.fromkeys(range(1, 1_000_001), 8)
