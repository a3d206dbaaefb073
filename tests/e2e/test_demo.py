"""The demonstration: it shows what is there, and does not pass over what is not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from local import demo
from local.demo import Demo, DemoError
from local.runner import Runner

ROOT = Path(__file__).resolve().parents[2]
DAYS = [
    (f"{month}.csv", "date,temp\n" + "".join(f"2010/{month}/01 {hour:02d}:00,{hour}.5\n" for hour in range(24)))
    for month in ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11")
]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day a month: the rest of the data is for eyes."""
    monkeypatch.setattr(demo, "_split_by_month", lambda path: iter(DAYS))


def test_the_demonstration_loads_real_data_both_ways_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local", "demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert len(re.findall(r"^state +SUCCEEDED *$", done.stdout, re.MULTILINE)) >= 2
    assert "read 8,759 rows back" in done.stdout
    assert re.search(r"2010-01-01 00:00:00\+00:00 . 39\.4", done.stdout)
    assert "the warmest was 2010/07/28 16:00 75.9" in done.stdout
    assert re.search(r"logged run \d+ of forecast over HTTP; .* since \d\d:\d\d:\d\d UTC", done.stdout)
    assert re.search(
        r"found all \d+ runs .*, those of forecast, tell, warmest, weather\.hourly$", done.stdout, re.MULTILINE
    )
    assert "the trigger answer started the job tell" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_missing_are_told(runner: Runner, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    count = demo._count_rows
    monkeypatch.setattr(demo, "_count_rows", lambda files: count(files) + 1)
    with pytest.raises(DemoError, match=r"rows loaded by the batch job: 240, but there should be 241"):
        Demo(runner, Console(quiet=True)).run()


def test_a_run_that_fails_is_told_with_its_reason(runner: Runner, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Demo._put
    monkeypatch.setattr(Demo, "_put", lambda self, files, prefix: put(self, files, prefix + "elsewhere/"))
    monkeypatch.setattr(Demo, "_load", lambda self, door, url, rows: load(self, door, url + "elsewhere/0.csv", rows))
    with pytest.raises(DemoError, match=r"the batch job is failed: .*elsewhere/0\.csv"):
        Demo(runner, Console(quiet=True)).run()


load = Demo._load


def test_a_step_that_hangs_is_given_up(runner: Runner, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STEP_SECONDS", 10.0)
    monkeypatch.setattr(Demo, "_put", lambda self, files, prefix: None)
    monkeypatch.setattr(Demo, "_load", lambda self, door, url, rows: "")
    with pytest.raises(DemoError, match="loading the uploads did not end within 10 seconds"):
        Demo(runner, Console(quiet=True)).run()
