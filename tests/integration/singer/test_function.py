"""The function itself: what it answers Lambda, and what it keeps from the programs it runs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobruns.settings import load_settings
from scripts.descendants import LeftoverProcessError
from singer import run as run_module
from singer.run import handler
from tests.integration.doubles import LambdaTime
from tests.integration.singer.conftest import PREFIX, RUNS, WORK, Site

TAP = {"streams": {"rows": [{"id": 1}]}}
FUNCTIONS = Path(run_module.__file__).parents[1]


@pytest.fixture
def told(site: Site, monkeypatch: pytest.MonkeyPatch) -> Any:
    named = {"LEDGER_TABLE": "-", "RUNS_BUCKET": RUNS, "WORK_BUCKET": WORK, "FLOW_SECRET_PREFIX": PREFIX}
    for name, value in {**named, "SINGER_HOME": str(site.home)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(run_module, "hide_from_programs", lambda: None)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def test_it_answers_with_how_the_sync_ended(site: Site, told: None) -> None:
    context: Any = LambdaTime()
    answer = handler(site.order(TAP, {}).model_dump(mode="json"), context)
    assert (answer["state"], answer["message"]) == ("SUCCEEDED", "1 record of 1 stream read")
    assert [(phase["phase"], phase["rank"]) for phase in answer["phases"]] == [
        ("SYNC_STARTED", 20),
        ("SYNC_SUCCESS", 30),
        ("EXPORT_STARTED", 60),
    ]


def test_a_sandbox_with_something_left_in_it_is_given_up(
    site: Site, told: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: Any, **__: Any) -> None:
        raise LeftoverProcessError("the processes [7] do not end")

    monkeypatch.setattr(run_module, "run_sync", leave)
    context: Any = LambdaTime()
    with pytest.raises(SystemExit):
        handler(site.order(TAP, {}).model_dump(mode="json"), context)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such switch")
def test_nobody_but_root_looks_into_the_function() -> None:
    script = (
        "import ctypes\n"
        "from singer.run import hide_from_programs\n"
        "hide_from_programs()\n"
        "print(ctypes.CDLL(None).prctl(3, 0))\n"  # PR_GET_DUMPABLE
    )
    path = ":".join([str(FUNCTIONS), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"
