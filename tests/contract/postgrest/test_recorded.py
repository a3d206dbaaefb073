"""Plays the recorded requests of ``events/postgrest`` in their order and compares the answers with those beside them.

They are what ``tdutils``, ``postgrest`` and ``curl`` send, in an org that has nothing yet. Each says when its run began
and ended, so that nothing in the answers differs from one time to the next.
"""

import json
from pathlib import Path
from typing import Any

from pgrest.app import handler
from tests.integration.gateway import Context
from tests.integration.pgrest.door import Cloud, cloud

__all__ = ["cloud"]

EVENTS = Path(__file__).parents[3] / "events" / "postgrest"


def show(raw: dict[str, Any]) -> dict[str, Any]:
    """Show an answer as the recordings do: JSON as what it says."""
    kind = raw["headers"].get("Content-Type", "")
    body = json.loads(raw["body"]) if "json" in kind and raw["body"] else raw["body"]
    return {"statusCode": raw["statusCode"], "headers": raw["headers"], "body": body}


def test_recorded_requests_are_answered_as_recorded(cloud: Cloud) -> None:
    door = cloud.open(org="acme")
    recorded = sorted(path for path in EVENTS.glob("*.json") if not path.name.endswith(".expected.json"))
    assert len(recorded) >= 30
    for path in recorded:
        event = json.loads(path.read_text())
        assert event["headers"].get("authorization", door.token).endswith(door.token), path.name
        expected = json.loads(path.with_suffix(".expected.json").read_text())
        assert show(handler(event, Context("postgrest"))) == expected, path.name  # type: ignore[arg-type]
