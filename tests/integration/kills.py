"""A process that dies at a call of AWS."""

from dataclasses import dataclass, field
from typing import Any

import botocore.client
import pytest


class KilledError(BaseException):
    """The process dies: nothing of ours catches this."""


@dataclass
class Kill:
    """Kills at the `nth` AWS call from now on, before it has an effect or after it."""

    nth: int = 0
    when: str = "before"
    seen: int = 0
    paused: bool = False
    calls: list[str] = field(default_factory=list)

    def arm(self, nth: int, when: str) -> None:
        self.nth, self.when, self.seen = nth, when, 0
        self.calls.clear()

    def disarm(self) -> None:
        self.nth = 0
        self.paused = False


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Kill:
    armed = Kill()
    send = botocore.client.BaseClient._make_api_call

    def call(self: Any, operation: str, parameters: Any) -> Any:
        if armed.paused:
            return send(self, operation, parameters)
        armed.seen += 1
        armed.calls.append(operation)
        strikes = armed.nth == armed.seen
        if strikes and armed.when == "before":
            raise KilledError(operation)
        answer = send(self, operation, parameters)
        if strikes:
            raise KilledError(operation)
        return answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return armed
