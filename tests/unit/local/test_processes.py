"""How the processes of workers are started, and how it is told that they ended."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.processes import Launcher, WorkerProcess

WORKER = """
import json, os, sys, time
import own
about = {
    "arguments": sys.argv[1:], "folder": os.getcwd(), "own": own.WORD, "session": os.getsid(0) == os.getpid(),
    "loaded": "boto3" in sys.modules, "variables": dict(os.environ), "input": sys.stdin.read(), "parent": os.getppid(),
}
print(json.dumps(about), flush=True)
print("to stderr", file=sys.stderr)
time.sleep(float(os.environ.get("SLEEP", "0")))
sys.exit(int(sys.argv[2]))
"""
FORKING = [False, pytest.param(True, marks=pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only"))]


class Place:
    """Folders, a log, and a launcher of that little script."""

    def __init__(self, folder: Path, *, forking: bool) -> None:
        self.log = folder / "log"
        self.code, self.layer = folder / "code", folder / "layer"
        for place in (self.code, self.layer):
            place.mkdir()
        (self.layer / "own.py").write_text("WORD = 'layer'\n")
        (folder / "little.py").write_text(WORKER)
        self.read, self.write = os.pipe()
        environment = {"PATH": os.environ["PATH"], "OF_ALL": "1"}
        self.launcher = Launcher(environment, self.read, forking=forking, script=folder / "little.py")

    def launch(self, status: int = 0, **environment: str) -> WorkerProcess:
        with self.log.open("ab", buffering=0) as log:
            return self.launcher.launch(str(status), (self.code, self.layer), environment, log.fileno())

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def close(self) -> None:
        self.launcher.stop()
        os.close(self.read)
        os.close(self.write)


@pytest.fixture(params=FORKING, ids=["exec", "fork"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, forking=request.param)
    yield made
    made.close()


@pytest.fixture
def forking(tmp_path: Path) -> Iterator[Place]:
    if sys.platform != "linux":
        pytest.skip("forks on Linux only")
    made = Place(tmp_path, forking=True)
    yield made
    made.close()


def test_a_worker_finds_its_own_folders_and_variables_and_nobody_elses(place: Place) -> None:
    assert place.launch(3, MINE="2").wait() == 3
    (about,) = place.told()
    assert about["arguments"] == [str(place.read), "3"]
    assert (about["folder"], about["own"], about["input"], about["session"]) == (str(place.code), "layer", "", True)
    variables = about["variables"]
    assert (variables["OF_ALL"], variables["MINE"]) == ("1", "2")
    assert variables["PYTHONPATH"] == f"{place.code}{os.pathsep}{place.layer}"
    assert variables.keys() <= {"PATH", "OF_ALL", "MINE", "PYTHONPATH", "LC_CTYPE"}
    assert "to stderr" in place.log.read_text()


def test_whoever_is_killed_is_told_by_the_number_of_the_signal(place: Place) -> None:
    process = place.launch(SLEEP="60")
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert process.returncode == -signal.SIGKILL


def test_many_at_once_are_each_told_of_by_their_own_number(place: Place) -> None:
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda status: place.launch(status).wait(), range(16)))
    assert statuses == list(range(16))
    assert sorted(int(about["arguments"][1]) for about in place.told()) == statuses


def test_what_all_functions_share_is_loaded_once(forking: Place) -> None:
    forking.launch().wait()
    forking.launch(MALLOC_ARENA_MAX="2").wait()
    assert [about["loaded"] for about in forking.told()] == [True, False]
    # What the C library reads when a program begins would come too late for one that is forked.
    assert forking.told()[1]["parent"] == os.getpid()


def test_workers_are_started_though_the_server_has_died(forking: Place) -> None:
    first = forking.launch(SLEEP="60")
    while not forking.told():
        time.sleep(0.02)
    os.kill(forking.told()[0]["parent"], signal.SIGKILL)
    # Nobody can tell its end any more: it counts as ended, and whoever watches it kills what is left. This is noticed,
    # and the next one does without the server, only if the worker has let go of the server's ends of both sockets.
    assert first.wait() == -signal.SIGKILL
    os.killpg(first.pid, signal.SIGKILL)
    assert forking.launch(5).wait() == 5
