"""Installs the taps and targets of flows when they are first run, each into a virtual environment of its own.

In AWS the deployer has done so, in a layer. Here whoever starts the service names packages in flows and finds them
there; the function that runs syncs is the same, and knows nothing of it.
"""

import json
import re
import shutil
import subprocess
import sys
import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.pool import FunctionSpec, Pool
from local.processes import Launcher
from local.runtime_api import Outcome

HANDLER = "singer.run.handler"
INSTALL_SECONDS = 600.0

_NAME = re.compile(r"[A-Za-z0-9]")
_UNSAFE = re.compile(r"[^A-Za-z0-9._=-]+")


class InstallingPool(Pool):
    """The workers of the function that runs syncs; before one begins, what it names is installed.

    Parameters
    ----------
    spec : FunctionSpec
        The function, whose ``SINGER_HOME`` says where packages lie.
    environment, log, lifeline
        As for any pool.
    """

    def __init__(self, spec: FunctionSpec, launcher: Launcher, log: Path) -> None:
        super().__init__(spec, launcher, log)
        self._home = Path(spec.environment["SINGER_HOME"])
        self._installing = threading.Lock()

    def run(self, payload: bytes, wait_seconds: float | None = None) -> Outcome:
        """Install what the event names, and have a worker work on it."""
        for requirement in requirements_of(json.loads(payload)):
            with self._installing:
                self._install(requirement)
        return super().run(payload, wait_seconds)

    def _install(self, requirement: str) -> None:
        # As `singer.packages` has it; the runner imports nothing of what it runs.
        folder = self._home / _UNSAFE.sub("_", requirement)
        if folder.is_dir() or not _NAME.match(requirement):
            return
        self.log(f"installing {requirement}")
        self._home.mkdir(parents=True, exist_ok=True)
        made = self._home / f".{uuid.uuid4().hex}"
        try:
            for command in install_commands(made, requirement):
                subprocess.run(
                    command,
                    check=True,
                    capture_output=True,
                    text=True,
                    timeout=INSTALL_SECONDS,
                    stdin=subprocess.DEVNULL,
                )
            # Whole or not at all: what is found there is taken for installed.
            made.rename(folder)
        except (OSError, subprocess.SubprocessError) as error:
            # The function then says that it is not installed.
            self.log(f"{requirement} cannot be installed: {getattr(error, 'stderr', None) or error}")
            shutil.rmtree(made, ignore_errors=True)


def with_home(spec: FunctionSpec, home: Path) -> FunctionSpec:
    """Have a function look for packages in a folder of this machine."""
    return replace(spec, environment={**spec.environment, "SINGER_HOME": str(home.resolve())})


def install_commands(folder: Path, requirement: str) -> list[list[str]]:
    """Give the commands that make a virtual environment and install a package in it: by uv, where that is there."""
    python = str(folder / "bin" / "python")
    uv = Path(sys.executable).with_name("uv")
    if uv.is_file():
        return [
            [str(uv), "venv", "--quiet", "--python", sys.executable, str(folder)],
            [str(uv), "pip", "install", "--quiet", "--compile-bytecode", "--python", python, requirement],
        ]
    return [
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement],
    ]


def requirements_of(event: Any) -> list[str]:
    """Give the packages that an order for a sync names."""
    work = event.get("work", {}) if isinstance(event, dict) else {}
    connectors = [work.get(end) for end in ("tap", "target")]
    named = [connector.get("package") or connector.get("name") for connector in connectors if connector]
    return [requirement for requirement in (*named, work.get("script_package")) if isinstance(requirement, str)]
