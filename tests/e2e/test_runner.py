"""The runner itself: functions and their errors, what calls them, machines, faults."""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.runner import FunctionFailedError, Runner
from tests.e2e.tiny import Seen, eventually, queue_url

# Functions


def test_function_gets_event_context_and_environment(tiny: Runner) -> None:
    answer = tiny.invoke("Echo", {"a": [1, "ü"]})
    assert answer["event"] == {"a": [1, "ü"]}
    assert answer["function"] == "tiny-Echo"
    assert answer["arn"].endswith(":function:tiny-Echo")
    assert answer["region"] == "us-east-1"
    assert 1000 < answer["remaining"] <= 2000
    assert "echo was here" in (tiny.logs / "Echo.log").read_text()


def test_worker_is_reused_and_warm_call_is_quick(tiny: Runner) -> None:
    tiny.invoke("Echo", {})
    took = []
    for _ in range(200):
        began = time.perf_counter()
        tiny.invoke("Echo", {})
        took.append(time.perf_counter() - began)
    # Nagle's algorithm alone would make it 40 ms.
    assert sorted(took)[100] < 0.01


@pytest.mark.parametrize(
    ("how", "error_type", "message"),
    [
        ("raise", "DeliberateError", "on purpose"),
        ("exit", "Runtime.ExitError", "exit status 3"),
        ("large", "Function.ResponseSizeTooLarge", "exceeded maximum allowed payload size"),
    ],
)
def test_failure_is_told_as_lambda_tells_it(tiny: Runner, how: str, error_type: str, message: str) -> None:
    with pytest.raises(FunctionFailedError, match=message) as failure:
        tiny.invoke("Trouble", {"how": how})
    assert failure.value.error_type == error_type
    assert tiny.invoke("Trouble", {"how": "nothing"}) == "fine"


def test_worker_is_killed_at_its_time_limit_with_what_it_started(tiny: Runner, seen: Seen) -> None:
    tiny.invoke("Trouble", {"how": "nothing"})
    began, name = time.monotonic(), uuid.uuid4().hex
    with pytest.raises(FunctionFailedError, match=r"Task timed out after 2\.00 seconds") as failure:
        tiny.invoke("Trouble", {"how": "spawn", "name": name})
    assert failure.value.error_type == "Sandbox.Timedout"
    assert 1.9 < time.monotonic() - began < 4
    assert tiny.invoke("Trouble", {"how": "nothing"}) == "fine"
    for child in seen.wait(lambda note: note.get("name") == name)["children"]:
        eventually(lambda child=child: None if is_alive(child) else True, 5.0)


def is_alive(process: int) -> bool:
    try:
        # After the name in brackets; a zombie is dead, whether or not anybody asks for its status.
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_handler_that_cannot_be_loaded_is_named(tiny: Runner) -> None:
    with pytest.raises(FunctionFailedError, match="No module named 'missing'") as failure:
        tiny.invoke("Unloadable", {})
    assert failure.value.error_type == "Runtime.ImportModuleError"


def test_one_worker_holds_one_event(tiny: Runner) -> None:
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: tiny.invoke("Trouble", {"how": "nothing"}), range(40)))
    assert outcomes == ["fine"] * 40
    # It reserves a concurrency of 1; one more worker is kept ready.
    assert len(tiny.processes("Trouble")) <= 2


def test_invoke_over_the_api(tiny: Runner) -> None:
    client = tiny.client("lambda")
    answer = client.invoke(FunctionName="tiny-Echo", Payload=b'{"x": 1}')
    assert answer["StatusCode"] == 200
    assert json.load(answer["Payload"])["event"] == {"x": 1}
    failed = client.invoke(FunctionName="tiny-Trouble", Payload=b'{"how": "raise"}')
    assert failed["FunctionError"] == "Unhandled"
    assert json.load(failed["Payload"])["errorType"] == "DeliberateError"
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="nobody", Payload=b"{}")
    with pytest.raises(ClientError, match="too large"):
        client.invoke(FunctionName="tiny-Echo", Payload=b'"' + b"x" * (6 * 1024 * 1024) + b'"')


def test_asynchronous_event_is_tried_three_times_then_dead_lettered(tiny: Runner) -> None:
    log = tiny.logs / "Trouble.log"
    before = log.read_text().count("on purpose")
    accepted = tiny.client("lambda").invoke(
        FunctionName="tiny-Trouble", InvocationType="Event", Payload=b'{"how": "raise"}'
    )
    assert accepted["StatusCode"] == 202
    url = queue_url(tiny, "AsyncDeadLetters")
    message = eventually(
        lambda: next(
            iter(tiny.client("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])),
            None,
        )
    )
    assert json.loads(message["Body"]) == {"how": "raise"}
    assert "DeliberateError: on purpose" in message["MessageAttributes"]["ErrorMessage"]["StringValue"]
    tries = log.read_text().count("DeliberateError: on purpose") - before
    assert "given up after 3 attempts" in log.read_text(), tries


def test_added_function_can_be_called_by_arn(tiny: Runner, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def handler(event, context):\n    return event['n'] * 2\n")
    arn = tiny.add_function("users-own", tmp_path, "own.handler")
    assert tiny.invoke(arn, {"n": 21}) == 42


# Queues, uploads


def test_uploads_that_arrive_together_are_one_event(tiny: Runner, seen: Seen) -> None:
    s3 = tiny.client("s3")
    (bucket,) = [b["Name"] for b in s3.list_buckets()["Buckets"] if b["Name"].startswith("tiny-landing")]
    prefix = uuid.uuid4().hex
    for number in range(20):
        s3.put_object(Bucket=bucket, Key=f"{prefix}/ä {number}.csv", Body=b"x")
    batch = seen.wait(lambda note: prefix in json.dumps(note))["batch"]
    records = [record for body in batch for record in body.get("Records", [])]
    assert len(records) == 20
    described = records[0]["s3"]["object"]
    assert described["key"] == f"{prefix}/%C3%A4+0.csv"
    assert described["size"] == 1
    assert described["eTag"] == "9dd4e461268c8034f5c8564e155c67a6"
    assert described["versionId"]
    assert [r["s3"]["object"]["sequencer"] for r in records] == sorted(r["s3"]["object"]["sequencer"] for r in records)


def test_messages_that_fail_come_again_and_end_in_the_dead_letter_queue(tiny: Runner, seen: Seen) -> None:
    sqs, name = tiny.client("sqs"), uuid.uuid4().hex
    for kind in ("good", "bad"):
        sqs.send_message(QueueUrl=queue_url(tiny, "Uploads"), MessageBody=json.dumps({"name": f"{name}-{kind}"}))
    dead = eventually(
        lambda: next(
            (
                message
                for message in sqs.receive_message(
                    QueueUrl=queue_url(tiny, "DeadLetters"), MaxNumberOfMessages=10, VisibilityTimeout=0
                ).get("Messages", [])
                if name in message["Body"]
            ),
            None,
        )
    )
    assert json.loads(dead["Body"]) == {"name": f"{name}-bad"}
    seen.wait(lambda note: f"{name}-good" in json.dumps(note))
    noted = [body["name"] for note in seen.notes for body in note.get("batch", []) if name in json.dumps(body)]
    assert noted.count(f"{name}-good") == 1
    assert noted.count(f"{name}-bad") == 2


# Machines


def start(runner: Runner, **execution_input: Any) -> tuple[str, str]:
    client = runner.client("stepfunctions")
    (machine,) = client.list_state_machines()["stateMachines"]
    name = str(uuid.uuid4())
    started = client.start_execution(
        stateMachineArn=machine["stateMachineArn"], name=name, input=json.dumps(execution_input)
    )
    return name, started["executionArn"]


def ended(runner: Runner, arn: str, seconds: float = 15.0) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        described: dict[str, Any] = runner.client("stepfunctions").describe_execution(executionArn=arn)
        return None if described["status"] == "RUNNING" else described

    return eventually(look, seconds)


@pytest.mark.parametrize(
    ("how", "error"),
    [("raise", "DeliberateError"), ("exit", "Runtime.ExitError"), ("sleep", "Sandbox.Timedout")],
)
def test_machine_sees_the_error_by_name(tiny: Runner, seen: Seen, how: str, error: str) -> None:
    name, arn = start(tiny, do="trouble", how=how)
    result = ended(tiny, arn)
    assert result["status"] == "FAILED"
    assert result["error"] == error
    assert json.loads(result["cause"])["errorType"] == error
    event = seen.wait(lambda note: note.get("detail", {}).get("name") == name)
    assert event["detail"]["status"] == "FAILED"
    assert event["detail"]["executionArn"] == arn


def token_of(seen: Seen, name: str) -> str:
    token: str = seen.wait(lambda note: note.get("name") == name)["task_token"]
    return token


def test_task_token_ends_the_task_once(tiny: Runner, seen: Seen) -> None:
    client = tiny.client("stepfunctions")
    name, arn = start(tiny, do="wait", early=False, timeout_seconds=30)
    token = token_of(seen, name)
    client.send_task_heartbeat(taskToken=token)
    client.send_task_success(taskToken=token, output='{"rows": 3}')
    result = ended(tiny, arn)
    assert (result["status"], json.loads(result["output"])) == ("SUCCEEDED", {"rows": 3})
    with pytest.raises(client.exceptions.TaskTimedOut):
        client.send_task_success(taskToken=token, output="{}")
    with pytest.raises(client.exceptions.InvalidToken):
        client.send_task_success(taskToken="made-up", output="{}")


def test_task_failure_carries_error_and_cause(tiny: Runner, seen: Seen) -> None:
    client = tiny.client("stepfunctions")
    name, arn = start(tiny, do="wait", early=False, timeout_seconds=30)
    client.send_task_failure(taskToken=token_of(seen, name), error="Broken", cause="in two")
    result = ended(tiny, arn)
    assert (result["status"], result["error"], result["cause"]) == ("FAILED", "Broken", "in two")


@pytest.mark.parametrize("do", ["wait", "beat"])
def test_result_given_before_the_function_returns_counts(tiny: Runner, do: str) -> None:
    _, arn = start(tiny, do=do, early=True, timeout_seconds=30, heartbeat_seconds=20)
    result = ended(tiny, arn, 5.0)
    assert (result["status"], result["output"]) == ("SUCCEEDED", '"early"')


def test_timeout_by_path_ends_the_wait(tiny: Runner) -> None:
    _, arn = start(tiny, do="wait", early=False, timeout_seconds=1)
    assert ended(tiny, arn, 5.0)["output"] == '"late"'


def test_missed_heartbeat_ends_the_wait_and_a_beat_prolongs_it(tiny: Runner, seen: Seen) -> None:
    began = time.monotonic()
    name, arn = start(tiny, do="beat", early=False, timeout_seconds=30, heartbeat_seconds=1)
    token = token_of(seen, name)
    for _ in range(4):
        time.sleep(0.5)
        tiny.client("stepfunctions").send_task_heartbeat(taskToken=token)
    assert ended(tiny, arn, 5.0)["output"] == '"late"'
    assert 2.9 < time.monotonic() - began < 6


@pytest.mark.parametrize("do", ["wait", "beat"])
def test_stopped_execution_is_aborted_at_once_and_stays_so(tiny: Runner, seen: Seen, do: str) -> None:
    client = tiny.client("stepfunctions")
    name, arn = start(tiny, do=do, early=False, timeout_seconds=30, heartbeat_seconds=20)
    token = token_of(seen, name)
    client.stop_execution(executionArn=arn, error="Stopped", cause="by hand")
    described = client.describe_execution(executionArn=arn)
    assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "Stopped", "by hand")
    with pytest.raises(client.exceptions.TaskTimedOut):
        client.send_task_success(taskToken=token, output="{}")
    event = seen.wait(lambda note: note.get("detail", {}).get("name") == name)
    assert event["detail"]["status"] == "ABORTED"
    assert client.describe_execution(executionArn=arn)["status"] == "ABORTED"


def test_start_under_one_name_happens_once(tiny: Runner) -> None:
    client = tiny.client("stepfunctions")
    (machine,) = client.list_state_machines()["stateMachines"]
    arguments = {"stateMachineArn": machine["stateMachineArn"], "name": str(uuid.uuid4())}
    running = json.dumps({"do": "wait", "early": False, "timeout_seconds": 30})
    with ThreadPoolExecutor(8) as pool:
        arns = set(pool.map(lambda _: client.start_execution(**arguments, input=running)["executionArn"], range(16)))
    assert len(arns) == 1
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(**arguments, input="{}")
    listed = client.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
    assert [execution["name"] for execution in listed].count(arguments["name"]) == 1
    client.stop_execution(executionArn=arns.pop())


def put_units(runner: Runner, units: list[Any]) -> str:
    s3, key = runner.client("s3"), f"units-{uuid.uuid4().hex}.json"
    bucket = next(b["Name"] for b in s3.list_buckets()["Buckets"] if b["Name"].startswith("tiny-landing"))
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(units).encode())
    return key


def test_distributed_map_reads_its_items_from_s3(tiny: Runner) -> None:
    # More items for one worker than Python's stack has room for.
    _, arn = start(tiny, do="map", key=put_units(tiny, list(range(1100))))
    result = ended(tiny, arn, 30.0)
    assert result["status"] == "SUCCEEDED", result
    assert json.loads(result["output"])[1099] == {"do": "map", "unit": 1099}


def test_distributed_map_whose_outputs_are_too_much_together_fails(tiny: Runner) -> None:
    _, arn = start(tiny, do="map", key=put_units(tiny, ["x" * 20_000] * 20))
    result = ended(tiny, arn)
    assert (result["status"], result["error"]) == ("FAILED", "States.DataLimitExceeded")


def test_distributed_map_fails_with_the_first_item_that_fails(tiny: Runner) -> None:
    _, arn = start(tiny, do="map", key=put_units(tiny, [1, "bad", 3]))
    result = ended(tiny, arn)
    assert (result["status"], result["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")


# Faults


def test_calls_of_a_function_are_counted(tiny: Runner) -> None:
    tiny.faults.forget()
    assert tiny.invoke("Caller", {"key": uuid.uuid4().hex}) == "called"
    calls = [(call.service, call.operation) for call in tiny.faults.calls("Caller")]
    assert calls == [("dynamodb", "PutItem"), ("dynamodb", "UpdateItem"), ("dynamodb", "PutItem")]


@pytest.mark.parametrize(
    ("nth", "when", "left"),
    [(1, "before", []), (1, "after", ["-"]), (3, "before", ["-"]), (3, "after", ["-", "done"])],
)
def test_worker_is_killed_at_the_call_named(tiny: Runner, nth: int, when: Any, left: list[str]) -> None:
    key = uuid.uuid4().hex
    fault = tiny.faults.arm("Caller", nth, when)
    with pytest.raises(FunctionFailedError) as failure:
        tiny.invoke("Caller", {"key": key})
    assert failure.value.error_type == "Runtime.ExitError"
    assert fault.fired.is_set()
    items = tiny.client("dynamodb").query(
        TableName=tiny.env["TABLE"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": key}},
    )["Items"]
    assert [item["sk"]["S"] for item in items] == left
    # Once only.
    assert tiny.invoke("Caller", {"key": key}) == "called"
