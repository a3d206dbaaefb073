"""A PostgreSQL with the same rows as the tests have in memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.pgrest.postgres import run_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[psycopg.Connection[Any]]:
    # A socket's path has 107 characters at most, and pytest's own directories are long.
    with tempfile.TemporaryDirectory(prefix="pg") as directory, run_postgres(Path(directory)) as connection:
        yield connection
