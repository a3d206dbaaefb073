"""How the local runner hands a table's stream to a function when that fails."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local import streams
from local.invoke import Invoker
from local.runtime_api import Outcome
from local.streams import Stream, StreamMapping, read_mapping


def change(number: int, sk: str = "RUN#1", *, name: str = "MODIFY", age: float = 0.0) -> dict[str, Any]:
    made_at = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=age)
    keys = {"pk": {"S": "job"}, "sk": {"S": sk}}
    described = {"Keys": keys, "SequenceNumber": str(number), "ApproximateCreationDateTime": made_at}
    return {"eventName": name, "dynamodb": described | {"NewImage": keys | {"n": {"N": str(number)}}}}


@dataclass
class Function(Invoker):
    """Takes batches, and fails as it is told to."""

    batches: list[list[int]] = field(default_factory=list)
    answers: list[Outcome] = field(default_factory=list)

    def invoke(self, function: str, payload: bytes, wait_seconds: float | None = None) -> Outcome:
        records = json.loads(payload)["Records"]
        self.batches.append([int(record["dynamodb"]["SequenceNumber"]) for record in records])
        return self.answers.pop(0) if self.answers else Outcome(b"null")


class Following:
    """A stream that is followed until the test ends."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, Any]] = []
        self.function = Function(lambda queue, body, _: self.letters.append((queue, json.loads(body))))
        self.stopping = threading.Event()

    def follow(self, records: list[dict[str, Any]], handed: int, **changed: Any) -> list[list[int]]:
        """Follow until so many records have been handed over, those that come again counted again; the batches."""
        mapping = StreamMapping("arn:stream", "function", **{"on_failure_arn": "letters"} | changed)
        stream = Stream(mapping, self.function, lambda position: (records[position:], len(records)), self.stopping)
        threading.Thread(target=stream.run, daemon=True).start()
        deadline = time.monotonic() + 10
        while sum(map(len, self.function.batches)) < handed and time.monotonic() < deadline:
            time.sleep(0.005)
        # Nothing more is to come.
        time.sleep(0.05)
        return self.function.batches


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> Iterator[Following]:
    monkeypatch.setattr(streams, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(streams, "_FIRST_RETRY_SECONDS", 0.01)
    one = Following()
    yield one
    one.stopping.set()


def failed_from(number: int | str) -> Outcome:
    return Outcome(json.dumps({"batchItemFailures": [{"itemIdentifier": str(number)}]}).encode())


def test_what_failed_comes_again_from_the_first_one_named(following: Following) -> None:
    following.function.answers += [failed_from(3), Outcome.failed("Boom", "on purpose")]
    batches = following.follow([change(number) for number in range(1, 6)], 11, report_failures=True)
    assert batches == [[1, 2, 3, 4, 5], [3, 4, 5], [3, 4, 5]]
    assert following.letters == []


@pytest.mark.parametrize("answer", [failed_from("unknown"), Outcome(b"no json")])
def test_an_answer_that_makes_no_sense_fails_all(following: Following, answer: Outcome) -> None:
    following.function.answers.append(answer)
    assert following.follow([change(1), change(2)], 4, report_failures=True) == [[1, 2], [1, 2]]


def test_a_batch_that_fails_too_often_is_given_up_and_what_comes_after_it_is_not(following: Following) -> None:
    following.function.answers += [Outcome.failed("Boom", "on purpose")] * 3
    records = [change(number) for number in range(1, 5)]
    assert following.follow(records, 8, batch_size=2, retries=2) == [[1, 2], [1, 2], [1, 2], [3, 4]]
    ((queue, letter),) = following.letters
    assert queue == "letters"
    assert letter["DDBStreamBatchInfo"] == {
        "startSequenceNumber": "1",
        "endSequenceNumber": "2",
        "batchSize": 2,
        "streamArn": "arn:stream",
    }
    assert letter["requestContext"]["condition"] == "RetryAttemptsExhausted"


def test_what_is_too_old_does_not_come_again(following: Following) -> None:
    following.function.answers.append(Outcome.failed("Boom", "on purpose"))
    assert following.follow([change(1, age=7200)], 1, max_age_seconds=3600) == [[1]]
    ((_, letter),) = following.letters
    assert letter["requestContext"]["condition"] == "RecordAgeExceeded"


def test_an_item_keeps_its_order_and_others_do_not_wait_for_it(following: Following) -> None:
    records = [change(number, f"RUN#{number % 7}") for number in range(1, 71)]
    handed = [number for batch in following.follow(records, 70, lanes=4, batch_size=5) for number in batch]
    assert sorted(handed) == list(range(1, 71))
    for run in range(7):
        mine = [number for number in handed if number % 7 == run]
        assert mine == sorted(mine)


def test_only_what_a_filter_matches_is_handed_over(following: Following) -> None:
    pattern = {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "RUN#"}]}}}}
    records = [change(1, "EVENT#1"), change(2), change(3, name="REMOVE"), change(4, name="INSERT")]
    assert following.follow(records, 2, patterns=(pattern,)) == [[2, 4]]


def test_a_filter_may_look_into_images(following: Following) -> None:
    pattern = {"dynamodb": {"NewImage": {"n": {"N": ["2"]}}}}
    assert following.follow([change(1), change(2)], 1, patterns=(pattern,)) == [[2]]


def test_mapping_is_read_as_the_template_writes_it() -> None:
    read = read_mapping(
        {
            "EventSourceArn": "arn:stream",
            "FunctionName": "function",
            "FilterCriteria": {"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]},
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "MaximumRetryAttempts": 3,
            "DestinationConfig": {"OnFailure": {"Destination": "letters"}},
        }
    )
    assert read == StreamMapping(
        "arn:stream", "function", report_failures=True, patterns=({"eventName": ["INSERT"]},), retries=3,
        on_failure_arn="letters",
    )  # fmt: skip
