"""Plays the recorded requests of ``events/hotglue`` in their order and compares the answers with those beside them.

They are what clients, workers and settings tools send, in an org that has nothing yet. The ids of jobs are given in
order; what differs from one time to the next besides is written there as ``<time>``, ``<task>``, ``<name>`` and such.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hotglue import starting
from hotglue.app import handler
from tests.integration.gateway import Context
from tests.integration.hotglue.door import Cloud, cloud

__all__ = ["cloud"]

EVENTS = Path(__file__).parents[3] / "events" / "hotglue"
PATTERNS = {
    "<time>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"),
    "<task>": re.compile(r"[0-9a-f]{32}"),
    "<uuid>": re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    "<name>": re.compile(r"Kp3vWm-aQ-ledgerly-20261121-12\d{4}"),
    "<token>": re.compile(r"[\w-]+=*"),
    "<secret>": re.compile(r"whsec_[A-Za-z0-9+/]{43}="),
}


def blank(answered: Any, expected: Any) -> Any:
    """Write the placeholders of `expected` in place of what matches them."""
    if isinstance(answered, dict) and isinstance(expected, dict):
        return {name: blank(value, expected.get(name)) for name, value in answered.items()}
    if isinstance(answered, list) and isinstance(expected, list) and len(answered) == len(expected):
        return [blank(one, other) for one, other in zip(answered, expected, strict=True)]
    pattern = PATTERNS.get(expected) if isinstance(expected, str) else None
    return expected if pattern and isinstance(answered, str) and pattern.fullmatch(answered) else answered


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs with ids in order."""
    drawn = iter(f"job{number:03d}" for number in range(1, 1000))
    monkeypatch.setattr(starting, "draw_job_id", lambda: next(drawn))


def test_recorded_requests_are_answered_as_recorded(cloud: Cloud, ids: None) -> None:
    door = cloud.open(org="acme")
    recorded = sorted(path for path in EVENTS.glob("*.json") if not path.name.endswith(".expected.json"))
    assert len(recorded) >= 25
    for path in recorded:
        event = json.loads(path.read_text())
        assert event["headers"].get("x-api-key", door.token) in (door.token, "JRAKNOBODY.x"), path.name
        expected = json.loads(path.with_suffix(".expected.json").read_text())
        raw = handler(event, Context("hotglue"))  # type: ignore[arg-type]
        kind = raw["headers"]["Content-Type"]
        body = json.loads(raw["body"]) if kind == "application/json" and raw["body"] else raw["body"]
        answered = {"statusCode": raw["statusCode"], "headers": raw["headers"], "body": body}
        assert blank(answered, expected) == expected, path.name
