"""Stands for the bus where EventBridge itself is not the point."""

import json
from collections.abc import Sequence
from typing import Any

from jobruns.aws.event_bus import BusEntry, UnsentError
from jobruns_events.cloud_events import TYPE_PREFIX


class RecordingBus:
    """Keeps what is put on it, in order; refuses what it is told to."""

    def __init__(self) -> None:
        self.entries: list[BusEntry] = []
        self.refused: set[int] = set()
        """Places in the next call that are refused."""

    def put(self, entries: Sequence[BusEntry]) -> None:
        refused, self.refused = sorted(place for place in self.refused if place < len(entries)), set()
        self.entries += [entry for place, entry in enumerate(entries) if place not in refused]
        if refused:
            raise UnsentError("the bus is full", refused)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The CloudEvents, without what is told as AWS Glue tells it."""
        return [json.loads(entry.detail) for entry in self.entries if entry.detail_type.startswith(TYPE_PREFIX)]

    def told(self, run_id: str) -> list[str]:
        """What was told of a run, in words."""
        return [event["notice"] for event in self.events if event["runid"] == run_id]
