"""One script from its order to its ending, over an emulated S3 and CloudWatch Logs."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobruns.aws.executors import ScriptExecutor
from jobruns.aws.objects import WorkObjects
from jobruns.errors import UnavailableError
from jobruns.ids import job_run_id
from jobruns.run import Executor, Run, RunState
from jobruns.settings import load_settings
from scripts import run as run_module
from scripts import stops
from scripts.descendants import LeftoverProcessError
from scripts.endings import Ending
from scripts.run import ScriptOrder, handler, run_script
from tests.integration.scripts.conftest import GROUP, WORK, Put, read_stream
from tests.unit.core.runs import make_run

PRINTS = "import sys\nprint(sys.argv[1:])\nprint('seen', file=sys.stderr)\n"


def order_for(location: str, arguments: dict[str, Any] | None = None, **fields: Any) -> tuple[Run, dict[str, Any]]:
    deadline_at = datetime.now(UTC) + timedelta(seconds=fields.get("timeout_seconds", 60))
    given = {"executor": Executor.PYTHON_SCRIPT, "target": location, "deadline_at": deadline_at, **fields}
    run = make_run(RunState.RUNNING, **given)
    begun = ScriptExecutor("arn:script", WorkObjects(WORK)).begin(run, arguments or {})
    assert begun["function_arn"] == "arn:script"
    # As it comes out of the state machine.
    return run, json.loads(json.dumps(begun["payload"]))


def run_order(order: dict[str, Any], seconds_here: float = 860) -> Ending:
    return run_script(
        ScriptOrder.model_validate(order),
        WorkObjects(WORK),
        log_group=GROUP,
        seconds_here=seconds_here,
        memory_megabytes=1024,
    )


def test_a_script_prints_its_arguments_and_succeeds(put: Put) -> None:
    run, order = order_for(put("scripts/day.py", PRINTS), {"--day": "2026-11-21", "--flag": ""})
    assert run_order(order) == Ending(state=RunState.SUCCEEDED)
    assert read_stream("output", job_run_id(run)) == ["['--day', '2026-11-21', '--flag']"]
    assert read_stream("error", job_run_id(run)) == ["seen"]


def test_a_script_imports_the_libraries_it_asks_for(put: Put) -> None:
    urls = [put("a.py", "WHO = 'first'"), put("b.zip", {"a.py": "WHO = 'second'", "deep/__init__.py": "N = 7"})]
    script = put("day.py", "import a, deep\nprint(a.WHO, deep.N)")
    run, order = order_for(script, {"--extra-py-files": ",".join(urls)})
    assert run_order(order).state is RunState.SUCCEEDED
    assert read_stream("output", job_run_id(run)) == ["first 7"]


def test_a_script_that_is_not_there_fails_the_run() -> None:
    ending = run_order(order_for("s3://code/gone.py")[1])
    assert (ending.state, ending.error_code) == (RunState.FAILED, "ScriptNotFound")


def test_nothing_is_left_on_the_disk(put: Put) -> None:
    run, order = order_for(put("day.py", "import tempfile\nprint(tempfile.mkdtemp())"))
    run_order(order)
    [place] = read_stream("output", job_run_id(run))
    assert Path(place).parent.name == "tmp"
    assert not Path(place).parents[2].exists()


def test_a_run_past_its_deadline_is_told_its_own_limit(put: Put) -> None:
    _, order = order_for(put("day.py", "import time; time.sleep(60)"), timeout_seconds=1)
    assert run_order(order) == Ending(
        state=RunState.TIMEOUT, message="it did not end within 1 seconds", error_code="Timeout"
    )


def test_a_script_is_ended_before_its_function_is(put: Put) -> None:
    ending = run_order(order_for(put("day.py", "import time; time.sleep(60)"))[1], seconds_here=1)
    assert ending.state is RunState.TIMEOUT
    assert ending.message == "it did not end within 1 seconds, the longest a script may run here"


def test_a_run_stopped_before_is_not_begun(put: Put) -> None:
    run, order = order_for(put("day.py", PRINTS))
    ScriptExecutor("arn:script", WorkObjects(WORK)).stop(run)
    assert run_order(order).state is RunState.STOPPED
    assert read_stream("output", job_run_id(run)) == []


def test_a_run_stopped_meanwhile_is_ended(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stops.StopWatch.__init__, "__defaults__", (0.1,))
    run, order = order_for(put("day.py", "import time; time.sleep(60)"))
    stop = ScriptExecutor("arn:script", WorkObjects(WORK)).stop
    threading.Timer(0.5, stop, args=(run,)).start()
    began = time.monotonic()
    assert run_order(order).state is RunState.STOPPED
    assert time.monotonic() - began < 10


def test_a_bucket_that_does_not_answer_stops_nothing(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: WorkObjects, key: str) -> bool:
        raise UnavailableError(f"the work bucket does not serve {key}")

    monkeypatch.setattr(WorkObjects, "exists", fail)
    assert run_order(order_for(put("day.py", PRINTS))[1]).state is RunState.SUCCEEDED


class Context(SimpleNamespace):
    function_name = "script"
    memory_limit_in_mb = "1024"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:script"
    aws_request_id = "1"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {"LEDGER_TABLE": "-", "WORK_BUCKET": WORK, "RUN_LOG_GROUP": GROUP}.items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def test_the_function_answers_with_how_the_script_ended(put: Put, told: None) -> None:
    context: Any = Context()
    assert handler(order_for(put("day.py", "raise ValueError('no such day')"))[1], context) == {
        "state": "FAILED",
        "message": "ValueError: no such day",
        "error_code": "ValueError",
    }


def test_a_sandbox_with_something_left_in_it_is_given_up(put: Put, told: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(*_: Any, **__: Any) -> None:
        raise LeftoverProcessError("the script's processes [7] do not end")

    monkeypatch.setattr(run_module, "run_process", leave)
    context: Any = Context()
    with pytest.raises(SystemExit):
        handler(order_for(put("day.py", PRINTS))[1], context)
