"""What the local runner installs before a sync, and when it does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from local import singer
from local.pool import FunctionSpec, Pool
from local.processes import Launcher
from local.runtime_api import Outcome
from local.singer import InstallingPool, install_commands, requirements_of, with_home

ORDER: dict[str, Any] = {
    "tap": {"name": "rows", "package": "tap-rows[s3] >= 1"},
    "target": {"name": "target-rows"},
    "script_package": "gluestick",
}
INSTALLED = {"tap-rows_s3_=_1", "target-rows", "gluestick"}


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstallingPool:
    monkeypatch.setattr(Pool, "run", lambda *_: Outcome(b"{}"))
    spec = FunctionSpec("Singer", "singer", "arn", "singer.run.handler", tmp_path, environment={"SINGER_HOME": "/opt"})
    return InstallingPool(with_home(spec, tmp_path / "home"), Launcher({}, 0, forking=False), tmp_path / "log")


def names(home: Path) -> set[str]:
    return {place.name for place in home.iterdir()} if home.is_dir() else set()


def run(pool: InstallingPool, work: Any) -> None:
    assert pool.run(json.dumps({"work": work}).encode()).payload == b"{}"


def test_what_an_order_names_is_installed_once(
    pool: InstallingPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def commands(folder: Path, requirement: str) -> list[list[str]]:
        made.append(requirement)
        return [["mkdir", "-p", str(folder / "bin")]]

    monkeypatch.setattr(singer, "install_commands", commands)
    for _ in range(2):
        run(pool, ORDER)
    assert made == ["tap-rows[s3] >= 1", "target-rows", "gluestick"]
    assert names(tmp_path / "home") == INSTALLED


def test_what_cannot_be_installed_leaves_nothing_and_is_logged(
    pool: InstallingPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commands(folder: Path, _: str) -> list[list[str]]:
        return [["mkdir", "-p", str(folder)], ["ls", "/no/such/place"]]

    monkeypatch.setattr(singer, "install_commands", commands)
    run(pool, ORDER)
    assert names(tmp_path / "home") == set()
    assert "target-rows cannot be installed: ls:" in (tmp_path / "log").read_text()


def test_an_order_that_names_nothing_installs_nothing(pool: InstallingPool, tmp_path: Path) -> None:
    for work in ({}, {"tap": None}, {"tap": {"name": "--index-url"}}):
        run(pool, work)
    assert names(tmp_path / "home") == set()


@pytest.mark.parametrize("event", [None, [], {}, {"work": {"tap": {"name": 3}}}])
def test_events_that_are_no_orders_name_nothing(event: Any) -> None:
    assert requirements_of(event) == []


def test_each_package_gets_an_environment_of_its_own() -> None:
    make, install = install_commands(Path("/home/tap"), "tap-rows==1.0")
    assert str(Path("/home/tap")) in make
    assert "/home/tap/bin/python" in " ".join(install)
    assert install[-1] == "tap-rows==1.0"
