"""hdxcli as it comes from the registry, against a runner: with a configuration of its own, over loopback only."""

import itertools
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from local.runner import Runner

_DRIVER = Path(__file__).with_name("hdxcli_driver.py")
_SCRIPT = Path(sys.executable).with_name("hdxcli")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_WHERE_IS_THE_CURSOR, _IN_THE_CORNER = b"\x1b[6n", b"\x1b[1;1R"
UP = "\x1b[A"
ENTER = "\r"


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    status: int
    output: str


class Hdxcli:
    """Runs commands, as a context manager.

    Parameters
    ----------
    folder : Path
        Gets home and configuration.
    hosts : mapping of str to str
        Profiles and the host of each, with a stage behind it or without.
    """

    def __init__(self, folder: Path, hosts: Mapping[str, str]) -> None:
        self.config = folder / "config"
        self.config.mkdir(parents=True)
        text = "".join(f'[{name}]\nhostname = "{host}"\nscheme = "http"\n' for name, host in hosts.items())
        (self.config / "config.toml").write_text(text)
        self._folder = folder
        self._outputs = (folder / f"output-{number}" for number in itertools.count())
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "HDX_CONFIG_DIR": str(self.config),
            "NO_PROXY": "*",
            "COLUMNS": "200",
            "TERM": "xterm",
        }

    def __enter__(self) -> Self:
        self._driver = subprocess.Popen(
            [sys.executable, str(_DRIVER)],
            cwd=self._folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._driver.stdin is not None
        self._driver.stdin.close()
        self._driver.wait(30)

    def run(self, *arguments: str) -> Done:
        """Run ``hdxcli`` with these arguments."""
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        output = next(self._outputs)
        print(json.dumps({"arguments": arguments, "output": str(output)}), file=self._driver.stdin, flush=True)
        answer = self._driver.stdout.readline()
        assert answer, "the driver died"
        return Done(json.loads(answer), output.read_text())

    def __call__(self, *arguments: str) -> str:
        """Run a command that must succeed, and give what it printed."""
        done = self.run(*arguments)
        assert done.status == 0, f"hdxcli {' '.join(arguments)}\n{done.output}"
        return done.output

    def refused(self, *arguments: str) -> str:
        """Run a command that must fail, and give what it said."""
        done = self.run(*arguments)
        assert done.status == 255, f"hdxcli {' '.join(arguments)}\n{done.output}"
        assert done.output.startswith("Error: "), done.output
        return done.output


class Terminal:
    """The installed script on a terminal, with somebody who reads and types."""

    def __init__(self, cli: Hdxcli, *arguments: str) -> None:
        self._child, self._terminal = pty.fork()
        if self._child == 0:
            os.execve(_SCRIPT, ["hdxcli", *arguments], cli.environment)
        self.seen = ""
        self._read = 0

    def expect(self, text: str, typed: str = "", seconds: float = 30) -> None:
        """Wait until `text` is shown, after all that was waited for before, then type."""
        deadline = time.monotonic() + seconds
        while text not in self.seen[self._read :]:
            ready, _, _ = select.select([self._terminal], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"no {text!r} in {self.seen}"
            data = os.read(self._terminal, 65536)
            if _WHERE_IS_THE_CURSOR in data:
                os.write(self._terminal, _IN_THE_CORNER)
            self.seen += _ESCAPES.sub("", data.decode(errors="replace"))
        self._read = self.seen.index(text, self._read) + len(text)
        os.write(self._terminal, typed.encode())

    def close(self) -> int:
        """Wait for the end, and give the exit status."""
        status = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        os.close(self._terminal)
        return status


def host_of(runner: Runner) -> str:
    """Give host and port of a runner's API."""
    return runner.url.removeprefix("http://")
