"""Plays the recorded requests of ``events/hydrolix`` in their order and compares the answers with those beside them.

What differs from one time to the next is written there as ``<time>``, ``<uuid>`` and ``<token>``.
"""

import json
import re
from pathlib import Path
from typing import Any

from hydrolix.app import handler
from tests.integration.gateway import Context
from tests.integration.hydrolix.client import Client

EVENTS = Path(__file__).parents[3] / "events" / "hydrolix"
PATTERNS = {
    "<time>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
    "<uuid>": re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    "<token>": re.compile(r"[\w-]+\.[\w-]+\.[\w-]+"),
}


def blank(answered: Any, expected: Any) -> Any:
    """Write the placeholders of `expected` in place of what matches them."""
    if isinstance(answered, dict) and isinstance(expected, dict):
        return {name: blank(value, expected.get(name)) for name, value in answered.items()}
    if isinstance(answered, list) and isinstance(expected, list) and len(answered) == len(expected):
        return [blank(one, other) for one, other in zip(answered, expected, strict=True)]
    pattern = PATTERNS.get(expected) if isinstance(expected, str) else None
    return expected if pattern and isinstance(answered, str) and pattern.fullmatch(answered) else answered


def test_recorded_requests_are_answered_as_recorded(door: Client) -> None:
    recorded = sorted(path for path in EVENTS.glob("*.json") if not path.name.endswith(".expected.json"))
    assert len(recorded) >= 20
    for path in recorded:
        event = json.loads(path.read_text())
        assert event["headers"].get("authorization", f"Bearer {door.token}") == f"Bearer {door.token}", path.name
        expected = json.loads(path.with_suffix(".expected.json").read_text())
        raw = handler(event, Context("hydrolix"))
        body = json.loads(raw["body"]) if raw.get("body") else None
        answered = {"statusCode": raw["statusCode"], "headers": raw["headers"], "body": body}
        assert blank(answered, expected) == expected, path.name
