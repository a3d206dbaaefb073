"""Scripts in real processes: what they find, what is seen of them, and how they end."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobruns.run import RunState
from scripts.endings import Ending, read_end
from scripts.errors import RunFailedError
from scripts.process import MAX_LINE_BYTES, Cut, Ended, run_process
from scripts.surroundings import script_command, script_environment


@dataclass
class Watched:
    """A script that ran."""

    ended: Ended
    ending: Ending
    seconds: float
    output: list[str] = field(default_factory=list)
    error: list[str] = field(default_factory=list)


Run = Callable[..., Watched]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run_script(
        text: str,
        *arguments: str,
        seconds: float = 20,
        stopped: threading.Event | None = None,
        grace_seconds: float = 0.5,
    ) -> Watched:
        folder = tmp_path / "work"
        folder.mkdir()
        script = folder / "day.py"
        script.write_text(text)
        report = tmp_path / "report.json"
        output: list[str] = []
        error: list[str] = []
        began = time.monotonic()
        ended = run_process(
            script_command(report, script, arguments),
            folder=folder,
            environment=script_environment(folder, job="nightly", job_run_id="jr_1", libraries=[]),
            on_output=output.append,
            on_error=error.append,
            seconds=seconds,
            stopped=stopped or threading.Event(),
            grace_seconds=grace_seconds,
        )
        return Watched(ended, read_end(ended, report, 1024), time.monotonic() - began, output, error)

    return run_script


SURROUNDINGS = """
import json, os, sys
import awsglue.utils, boto3
from awsglue.utils import getResolvedOptions
print(json.dumps({
    "argv": sys.argv, "cwd": os.getcwd(), "path": sys.path[0], "env": dict(os.environ), "name": __name__,
    "options": getResolvedOptions(sys.argv, ["day", "JOB_NAME"]),
}))
print("a caf\\u00e9", file=sys.stderr)
"""


def test_a_script_finds_what_it_finds_in_glue_and_nothing_of_ours(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_TABLE", "ledger")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    done = run(SURROUNDINGS, "--day", "x y", "--enable-metrics")
    assert done.ending.state is RunState.SUCCEEDED, done.error
    [line] = done.output
    seen = json.loads(line)
    assert seen["name"] == "__main__"
    assert Path(seen["argv"][0]).name == "day.py"
    assert seen["argv"][1:] == ["--day", "x y", "--enable-metrics"]
    assert seen["cwd"] == seen["path"] == str(Path(seen["argv"][0]).parent)
    assert seen["options"]["day"] == "x y"
    assert seen["options"]["JOB_NAME"] == "nightly"
    assert seen["env"]["JOB_RUN_ID"] == "jr_1"
    assert seen["env"]["AWS_SESSION_TOKEN"] == "token"
    assert not {"LEDGER_TABLE", "AWS_LAMBDA_RUNTIME_API", "POWERTOOLS_SERVICE_NAME"} & seen["env"].keys()
    assert done.error == ["a café"]


OUT_OF_MEMORY = (
    "was killed by signal 9 (SIGKILL), as happens to a script that needs more than the 1024 MB of memory there are"
)


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        ("raise ValueError('no such day')", "ValueError: no such day", "ValueError"),
        ("class MineError(Exception): pass\nraise MineError", "MineError", "MineError"),
        ("import json\njson.loads('{')", "json.decoder.JSONDecodeError: Expecting", "JSONDecodeError"),
        ("try:\n  1/0\nexcept ZeroDivisionError as e:\n  raise KeyError('a') from e", "KeyError: 'a'", "KeyError"),
        ("print(", "SyntaxError: '(' was never closed (day.py, line 1)", "SyntaxError"),
        ("import sys; sys.exit('no such day')", "no such day", "ScriptExit"),
        ("import sys; sys.stderr.write('seen\\n'); sys.exit(1)", "exited with status 1", "ScriptExit"),
        ("raise SystemExit(3)", "exited with status 3", "ScriptExit"),
        ("import os; os._exit(7)", "exited with status 7", "ScriptExit"),
        ("import os; os.kill(os.getpid(), 11)", "was killed by signal 11 (SIGSEGV)", "ScriptKilled"),
        ("import os; os.kill(os.getpid(), 9)", OUT_OF_MEMORY, "ScriptKilled"),
    ],
)  # fmt: skip
def test_a_failure_is_told_in_the_scripts_last_words(run: Run, text: str, message: str, code: str) -> None:
    ending = run(text).ending
    assert ending.state is RunState.FAILED
    assert (ending.message or "").startswith(message)
    assert ending.error_code == code


def test_a_traceback_is_the_scripts_own(run: Run) -> None:
    done = run("def load():\n    raise ValueError('no such day')\n\nload()\n")
    assert done.error[0] == "Traceback (most recent call last):"
    assert [line.strip() for line in done.error if line.startswith("  File")] == [
        line.strip() for line in done.error if "day.py" in line
    ]
    assert done.error[-1] == done.ending.message == "ValueError: no such day"


@pytest.mark.parametrize("text", ["import sys; sys.exit()", "import sys; sys.exit(0)", "print('done')", ""])
def test_success_is_an_exit_without_status(run: Run, text: str) -> None:
    assert run(text).ending == Ending(state=RunState.SUCCEEDED)


LOOP = "import time\nprint('begun')\nwhile True:\n    time.sleep(0.05)\n"


def test_a_script_that_loops_is_ended_in_its_time(run: Run) -> None:
    done = run(LOOP, seconds=1)
    assert done.ended.cut is Cut.LATE
    assert done.output == ["begun"]
    assert done.seconds < 3


def test_a_script_that_will_not_end_is_killed(run: Run) -> None:
    done = run("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + LOOP, seconds=1, grace_seconds=0.3)
    assert done.ended == Ended(-9, Cut.LATE)
    assert done.seconds < 3


def test_a_script_asked_to_end_may_clear_up(run: Run) -> None:
    clear_up = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: (print('clear'), sys.exit(0)))\n"
    done = run(clear_up + LOOP, seconds=1)
    assert done.ended == Ended(0, Cut.LATE)
    assert done.output == ["begun", "clear"]


def test_a_stopped_script_is_ended_at_once(run: Run) -> None:
    stopped = threading.Event()
    threading.Timer(0.5, stopped.set).start()
    done = run(LOOP, stopped=stopped)
    assert done.ending.state is RunState.STOPPED
    assert done.seconds < 3


DAEMON = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
inside = subprocess.Popen(sleep)
away = subprocess.Popen(sleep, start_new_session=True)
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(write, str(os.getpid()).encode())
        time.sleep(60)
    os._exit(0)
print(inside.pid, away.pid, os.read(read, 10).decode())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives away orphans")
def test_nothing_a_script_started_outlives_it(run: Run) -> None:
    done = run(DAEMON)
    assert done.ending.state is RunState.SUCCEEDED, done.error
    assert done.seconds < 5
    started = [int(pid) for pid in done.output[0].split()]
    assert len(started) == 3
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_lines_are_bounded_and_whole(run: Run) -> None:
    done = run(f"print('é' * {MAX_LINE_BYTES})\nprint('a\\r\\n\\nb', end='')")
    pieces, rest = done.output[:-3], done.output[-3:]
    assert "".join(pieces) == "é" * MAX_LINE_BYTES
    assert all(len(piece.encode()) <= MAX_LINE_BYTES + 1 for piece in pieces)
    assert rest == ["a", "", "b"]


def test_arguments_no_process_can_be_given_are_refused(run: Run) -> None:
    with pytest.raises(RunFailedError, match="arguments"):
        run("", "--day", "x" * 200_000)


def test_a_null_character_is_refused(run: Run) -> None:
    with pytest.raises(RunFailedError, match="arguments"):
        run("", "--day", "a\0b")
