"""How events get on the bus: in as few calls as it takes, and it is told which did not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from jobruns.aws import clients
from jobruns.aws.event_bus import MAX_BYTES, BusEntry, EventBus, UnsentError

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Client:
    """Stands for EventBridge: refuses an entry as often as told."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.refused: dict[str, int] = {}
        self.failure: Exception | None = None

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        if self.failure is not None:
            raise self.failure
        assert {(entry["EventBusName"], entry["Source"], entry["Time"]) for entry in Entries} == {("b", "jobruns", NOW)}
        self.calls.append([entry["DetailType"] for entry in Entries])
        return {"Entries": [self._take(entry["DetailType"]) for entry in Entries]}

    def _take(self, name: str) -> dict[str, str]:
        if self.refused.get(name, 0):
            self.refused[name] -= 1
            return {"ErrorCode": "ThrottlingException", "ErrorMessage": "slowly"}
        return {"EventId": name}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    monkeypatch.setattr(clients, "events", lambda: client)
    return client


def entries(*sizes: int) -> list[BusEntry]:
    return [BusEntry("jobruns", str(place), "x" * size, NOW) for place, size in enumerate(sizes)]


def test_a_call_takes_ten_entries_and_so_many_bytes(client: Client) -> None:
    EventBus("b").put([])
    EventBus("b").put(entries(*[2] * 23))
    assert [len(call) for call in client.calls] == [10, 10, 3]
    client.calls.clear()
    half = MAX_BYTES // 2
    EventBus("b").put(entries(half, half, half - 200, 10, 10))
    assert client.calls == [["0"], ["1", "2", "3", "4"]]
    assert sum(entry.size for entry in entries(half, half)) > MAX_BYTES


def test_what_is_refused_is_sent_again_and_then_told(client: Client) -> None:
    client.refused = {"3": 2, "12": 99}
    with pytest.raises(UnsentError, match="ThrottlingException: slowly") as refusal:
        EventBus("b").put(entries(*[2] * 15))
    assert refusal.value.unsent == (12,)
    assert client.calls[1:3] == [["3"], ["3"]]


def test_a_bus_that_does_not_answer_has_taken_nothing(client: Client) -> None:
    client.failure = ClientError({"Error": {"Code": "InternalException", "Message": "later"}}, "PutEvents")
    with pytest.raises(UnsentError, match="later") as refusal:
        EventBus("b").put(entries(2, 2))
    assert refusal.value.unsent == (0, 1)
