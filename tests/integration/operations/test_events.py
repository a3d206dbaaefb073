"""The sample payloads of ``events/operations`` are such as the two functions take."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobruns.errors import NotFoundError
from tests.integration.operations.conftest import Stack, call

EVENTS = Path(__file__).parents[3] / "events" / "operations"
OF_RUNS = ("run", "resolve", "discard")


@pytest.fixture
def samples() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in EVENTS.glob("*.json")}


def test_each_is_answered(stack: Stack, samples: dict[str, Any]) -> None:
    answers = {name: call("run", samples[name]) for name in ("describe", "write", "search", "sql")}
    assert answers["describe"]["rows"] == 0
    assert answers["write"]["written_keys"] == [1, 2]
    assert answers["search"] == {"rows": [{"id": 1, "name": "Rex"}]}
    assert answers["sql"] == {"rows": [{"name": "Rex", "weight": 12.5}]}
    assert call("run", samples["delete"]) == {"deleted_keys": [2], "missing_keys": ["no such key"]}
    assert call("run", samples["create_attribute"]) == {"created": True}
    assert call("run", samples["drop_attribute"]) == {"dropped": True}
    after = call("run", samples["describe"])
    assert (after["attributes"], after["rows"]) == (["name", "tricks"], 1)


def test_a_run_that_is_not_there_is_not_done(stack: Stack, samples: dict[str, Any]) -> None:
    for name in OF_RUNS:
        with pytest.raises(NotFoundError):
            call("run", samples[name])
    with pytest.raises(NotFoundError):
        call("handed_over", samples["hand_over"])


def test_every_action_has_a_sample(samples: dict[str, Any]) -> None:
    from operations.records import _REQUEST

    known = set(_REQUEST.json_schema()["discriminator"]["mapping"])
    assert samples.keys() == known | {*OF_RUNS, "hand_over"}
