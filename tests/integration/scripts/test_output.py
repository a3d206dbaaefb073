"""A script's output in CloudWatch Logs, and what happens where CloudWatch does not take it."""

import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from jobruns.aws import clients
from scripts import output
from scripts.output import GIVE_UP_AFTER, OutputStream
from tests.integration.scripts.conftest import GROUP, read_stream


def denied(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDeniedException"}}, operation)


def write_lines(count: int) -> int:
    """Write lines; how many were dropped."""
    with OutputStream(f"{GROUP}/output", "jr_1") as stream:
        for _ in range(count):
            stream.write("line")
    return stream.dropped


def test_lines_arrive_in_their_order_also_empty_ones() -> None:
    with OutputStream(f"{GROUP}/output", "jr_1") as stream:
        for line in ("first", "", "é {x} %s", "x" * 60_000):
            stream.write(line)
    assert read_stream("output", "jr_1") == ["first", " ", "é {x} %s", "x" * 60_000]


def test_nothing_written_is_no_stream(calls: Any) -> None:
    with OutputStream(f"{GROUP}/output", "jr_1"):
        pass
    assert calls()["CreateLogStream"] == 0


def test_lines_arrive_while_the_script_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "SEND_SECONDS", 0.2)
    with OutputStream(f"{GROUP}/output", "jr_1") as stream:
        stream.write("begun")
        deadline = time.monotonic() + 5
        while not read_stream("output", "jr_1") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert read_stream("output", "jr_1") == ["begun"]


def test_a_stream_that_is_there_is_written_to() -> None:
    for line in ("one", "two"):
        with OutputStream(f"{GROUP}/output", "jr_1") as stream:
            stream.write(line)
    assert read_stream("output", "jr_1") == ["one", "two"]


def test_no_more_than_its_bound_is_ever_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "MAX_WAITING_BYTES", 10_000)
    send = clients.logs().put_log_events
    batches: list[int] = []

    def measure(**batch: Any) -> Any:
        batches.append(sum(len(event["message"]) + 26 for event in batch["logEvents"]))
        return send(**batch)

    monkeypatch.setattr(clients.logs(), "put_log_events", measure)
    with OutputStream(f"{GROUP}/output", "jr_1") as stream:
        for _ in range(100):
            stream.write("x" * 974)
    assert len(read_stream("output", "jr_1")) == 100
    assert max(batches) <= 11_000
    assert len(batches) >= 10


def test_without_a_stream_lines_are_dropped_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with OutputStream("/no/such/group", "jr_1") as stream:
        stream.write("one")
        stream.write("two")
    assert stream.dropped == 2
    assert [record.message for record in caplog.records] == [
        "no stream for the script's output",
        "output of the script was lost",
    ]


def test_what_cloudwatch_refuses_is_given_up_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    def refuse(**_: Any) -> None:
        nonlocal tries
        tries += 1
        raise denied("PutLogEvents")

    monkeypatch.setattr(output, "MAX_WAITING_BYTES", 1)
    monkeypatch.setattr(clients.logs(), "put_log_events", refuse)
    with pytest.warns(UserWarning, match="Failed to deliver logs"):
        dropped = write_lines(50)
    assert tries == GIVE_UP_AFTER
    assert dropped == 49
    assert caplog.records[-1].message == "output of the script was lost"


def test_a_passing_failure_loses_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    send = clients.logs().put_log_events
    failures = iter([denied("PutLogEvents")])

    def fail_once(**batch: Any) -> Any:
        for failure in failures:
            raise failure
        return send(**batch)

    monkeypatch.setattr(clients.logs(), "put_log_events", fail_once)
    with pytest.warns(UserWarning, match="Failed to deliver logs"):
        assert write_lines(1) == 0
    assert read_stream("output", "jr_1") == ["line"]
    assert "output of the script was lost" not in [record.message for record in caplog.records]


def test_a_line_that_comes_too_late_is_dropped() -> None:
    with OutputStream(f"{GROUP}/output", "jr_1") as stream:
        pass
    late = threading.Thread(target=stream.write, args=("late",))
    late.start()
    late.join()
    assert stream.dropped == 1
    assert read_stream("output", "jr_1") == []
