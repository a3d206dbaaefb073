"""The service as it runs on one machine: the template, moto's AWS, functions as real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.runner import Runner

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """The real template, shared by the session's tests: give orgs, jobs and files names of their own."""
    with Runner(ROOT / "template.yaml", tmp_path_factory.mktemp("runner")) as running:
        yield running
