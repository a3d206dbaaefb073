"""Many transitions at once, batches that come again, and a bus and a bucket that fail now and then."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from events.publication import publish
from jobruns.aws.event_bus import BusEntry
from jobruns.errors import UnavailableError
from jobruns.lifecycle import Begun, Delayed, Succeeded
from jobruns.run import Run
from jobruns.service.ports import Ports
from tests.integration.events.buses import RecordingBus
from tests.integration.events.streams import records
from tests.integration.run_objects import MemoryRunObjects
from tests.unit.core.runs import make_run
from tests.unit.events.histories import make_synced, reached, write

EVENTS = [Begun(), *reached("SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED"), Delayed("slow"), Succeeded()]
STAGES = ["submitted", "started", "phase", "phase", "phase", "delayed", "ended"]


class WeakBus(RecordingBus):
    """Refuses an entry of 200."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    def put(self, entries: Sequence[BusEntry]) -> None:
        self.refused = {place for place in range(len(entries)) if self.chance.random() < 0.005}
        super().put(entries)


class WeakObjects(MemoryRunObjects):
    """Does not take a file of 200."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    def put(self, key: str, content: bytes) -> None:
        if self.chance.random() < 0.005:
            raise UnavailableError("S3 asks to slow down")
        super().put(key, content)


def lanes_of(runs: Sequence[Run], number: int, chance: random.Random) -> list[list[dict[str, Any]]]:
    """Lay the records of runs into lanes, each run in one, mixed with the others and in its own order."""
    lanes: list[list[list[dict[str, Any]]]] = [[] for _ in range(number)]
    for run in runs:
        chance.choice(lanes).append(records(write(run, EVENTS)))
    mixed: list[list[dict[str, Any]]] = []
    for lane in lanes:
        queue: list[dict[str, Any]] = []
        while any(lane):
            queue.append(chance.choice([one for one in lane if one]).pop(0))
        mixed.append(queue)
    return mixed


def deliver(ports: Ports, bus: RecordingBus, lane: list[dict[str, Any]]) -> None:
    """Deliver a lane as Lambda does: from the first record that failed on, all of them come again."""
    place = 0
    for _ in range(len(lane) + 200):
        batch = lane[place : place + 100]
        if not batch:
            return
        receipt = publish(ports, bus, batch)
        assert receipt.unreadable == 0
        numbers = [one["dynamodb"]["SequenceNumber"] for one in batch]
        place += next((at for at, number in enumerate(numbers) if number in receipt.failed), len(batch))
    pytest.fail("a lane does not come to its end")


def check(ports: Ports, transitions: int, lanes: int) -> None:
    chance = random.Random(7)
    number = transitions // len(STAGES)
    ids = [f"01a1fba8-d3d3-7e99-bb70-{place:012d}" for place in range(number)]
    runs = [(make_synced if place % 2 else make_run)(run_id=one, root_run_id=one) for place, one in enumerate(ids)]
    bus, objects = WeakBus(chance), WeakObjects(chance)
    for lane in lanes_of(runs, lanes, chance):
        deliver(replace(ports, run_objects=objects), bus, lane)

    told: dict[str, dict[str, str]] = defaultdict(dict)
    for event in bus.events:
        known = told[event["runid"]].setdefault(event["sequence"], event["id"])
        assert known == event["id"], "told twice, and under another id"
    assert told.keys() == set(ids)
    kinds = {event["id"]: event["notice"] for event in bus.events}
    for run_id, stages in told.items():
        assert [kinds[stages[sequence]] for sequence in sorted(stages)] == STAGES, run_id
    assert len(kinds) == number * len(STAGES)
    assert sum(key.endswith("job_details.json") for key in objects.held) == number
    assert sum("/events/" in key for key in objects.held) == number * len(STAGES)


def test_in_a_burst_every_transition_is_told_and_none_under_two_ids(ports: Ports) -> None:
    check(ports, 350, lanes=4)


@pytest.mark.slow
def test_so_it_is_with_ten_thousand(ports: Ports) -> None:
    # Four partitions of a table that was just made, with ten lanes each.
    check(ports, 10_003, lanes=40)
