"""Plays the recorded requests of ``events/harperdb`` in their order and compares the answers with those beside them.

They are what the client from PyPI, browsers and ``curl`` send, in an org that has one empty table, and nothing in their
answers differs from one time to the next.
"""

import json
from pathlib import Path
from typing import Any

from hdb.app import handler
from tests.integration.gateway import Context
from tests.integration.hdb.door import Door, door

__all__ = ["door"]

EVENTS = Path(__file__).parents[3] / "events" / "harperdb"


def show(raw: dict[str, Any]) -> dict[str, Any]:
    """Show an answer as the recordings do: JSON as what it says."""
    kind = raw["headers"].get("Content-Type", "")
    body = json.loads(raw["body"]) if "json" in kind and raw["body"] else raw["body"]
    return {"statusCode": raw["statusCode"], "headers": raw["headers"], "body": body}


def test_recorded_requests_are_answered_as_recorded(door: Door) -> None:
    recorded = sorted(path for path in EVENTS.glob("*.json") if not path.name.endswith(".expected.json"))
    assert len(recorded) >= 20
    for path in recorded:
        event = json.loads(path.read_text())
        assert event["headers"].get("authorization", door.admin) in (door.admin, "Basic bm9ib2R5Ong="), path.name
        expected = json.loads(path.with_suffix(".expected.json").read_text())
        assert show(handler(event, Context("harperdb"))) == expected, path.name  # type: ignore[arg-type]
