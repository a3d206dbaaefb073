"""The service as it runs on one machine: the template, moto's AWS, functions as real processes."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobruns.access import Principal
from jobruns.service.ports import Ports
from local.runner import Runner
from tests.e2e.harper import Harper
from tests.e2e.ledger import admin_of, open_ports
from tests.e2e.tiny import Seen, write_project

ROOT = Path(__file__).resolve().parents[2]
_NAMES = itertools.count()


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """The real template, shared by the session's tests: give orgs, jobs and files names of their own."""
    with Runner(ROOT / "template.yaml", tmp_path_factory.mktemp("runner")) as running:
        # What becomes of runs is told to those tests that look at it; else it would take a third of the machine.
        running.follow_streams(on=False)
        yield running


@pytest.fixture(scope="module")
def telling(runner: Runner) -> Iterator[Runner]:
    """The runner, telling what becomes of runs as long as the module's tests run."""
    runner.follow_streams(on=True)
    yield runner
    runner.follow_streams(on=False)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """A template of its own, to try the runner with."""
    folder = tmp_path_factory.mktemp("tiny")
    with Runner(write_project(folder), folder / "state") as running:
        yield running


@pytest.fixture(scope="session")
def seen(tiny: Runner) -> Seen:
    """What its functions noted."""
    return Seen(tiny)


@pytest.fixture(scope="module")
def ports(runner: Runner) -> Iterator[Ports]:
    """The use cases, wired to the runner's ledger."""
    with open_ports(runner) as wired:
        yield wired


@pytest.fixture(scope="module")
def admin(runner: Runner) -> Principal:
    """The runner's admin."""
    return admin_of(runner)


@pytest.fixture(scope="session")
def harper(runner: Runner) -> Harper:
    """The HarperDB door, as its admin."""
    assert runner.wait_warm()
    return Harper(runner)


@pytest.fixture(scope="session")
def schema(harper: Harper) -> str:
    """A schema of the HarperDB door."""
    assert harper.do("create_schema", schema="kennel") == {"message": "database 'kennel' successfully created"}
    return "kennel"


@pytest.fixture
def dogs(harper: Harper, schema: str) -> dict[str, str]:
    """A new table of that schema, as requests name it."""
    target = {"schema": schema, "table": f"dog{next(_NAMES)}"}
    told = harper.do("create_table", **target, hash_attribute="id")
    assert told == {"message": f"table '{schema}.{target['table']}' successfully created."}
    return target
