"""``python -m local up`` as a person uses it: ready line, environment file, stopping, and what goes wrong."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from local.errors import TemplateError
from local.template import load_template
from tests.e2e.tiny import write_project

ROOT = Path(__file__).resolve().parents[2]
PROC = Path("/proc")


class Command:
    """``python -m local up`` in a folder of its own."""

    def __init__(self, state: Path, **environment: str) -> None:
        self.state = state
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", "up"],
            cwd=ROOT,
            env=os.environ
            | {"PORT": "0", "AWS_PORT": "0", "STATE_DIR": str(state), "AWS_PROFILE": "not-there"}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.fullmatch(r"Ready: (http://127\.0\.0\.1:\d+)\n", line)
        assert found is not None, line or self.process.communicate()[1]
        return found[1]

    def env(self) -> dict[str, str]:
        lines = (self.state / "jobruns.env").read_text().splitlines()
        words = [shlex.split(line) for line in lines]
        assert all(word[0] == "export" and len(word) == 2 for word in words)
        return dict(word[1].split("=", 1) for word in words)

    def workers(self) -> list[int]:
        """Processes whose emulated AWS is this command's, the command itself left out."""
        endpoint = f"AWS_ENDPOINT_URL={self.env()['AWS_ENDPOINT_URL']}".encode()
        found = []
        for folder in PROC.iterdir():
            try:
                variables = (folder / "environ").read_bytes().split(b"\0") if folder.name.isdecimal() else []
            except OSError:
                continue
            if endpoint in variables:
                found.append(int(folder.name))
        return found

    def stop(self, number: signal.Signals) -> float:
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=20)
        return time.monotonic() - began


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[list[Command]]:
    started: list[Command] = []
    yield started
    for command in started:
        command.process.kill()
        command.process.wait()
        for stream in (command.process.stdout, command.process.stderr):
            if stream is not None:
                stream.close()


needs_proc = pytest.mark.skipif(not PROC.exists(), reason="looks for processes in /proc")


@pytest.mark.slow
@needs_proc
def test_two_side_by_side_then_end_and_leave_nothing(tmp_path: Path, commands: list[Command]) -> None:
    commands += [Command(tmp_path / "one"), Command(tmp_path / "two")]
    urls = [command.ready() for command in commands]
    assert urls[0] != urls[1]
    for command, url in zip(commands, urls, strict=True):
        env = command.env()
        assert env["JOBRUNS_URL"] == url
        needed = {"JOBRUNS_ORG", "JOBRUNS_KEY_ID", "JOBRUNS_SECRET", "JOBRUNS_TOKEN", "LEDGER_TABLE", "KEYS_SECRET_ID"}
        assert needed <= env.keys()
        assert (env["AWS_ACCESS_KEY_ID"], env["AWS_DEFAULT_REGION"]) == ("local", "us-east-1")
        s3 = boto3.session.Session().client(
            "s3", endpoint_url=env["AWS_ENDPOINT_URL"], aws_access_key_id="local", aws_secret_access_key="local"
        )
        s3.put_object(Bucket=env["JOBRUNS_LANDING_BUCKET"], Key="only-here", Body=url.encode())
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/nowhere", timeout=10)
        assert command.workers()
    stopped, killed = commands
    assert stopped.stop(signal.SIGTERM) < 5
    assert stopped.process.returncode == 0
    assert stopped.workers() == []
    # Workers do not outlive a runner that has no chance to end them either.
    killed.stop(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while killed.workers():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_interrupt_while_starting_stops_too(tmp_path: Path, commands: list[Command]) -> None:
    commands.append(Command(tmp_path / "state"))
    # The ports are bound and the first worker's log is open before moto is loaded.
    deadline = time.monotonic() + 30
    while not (tmp_path / "state" / "logs" / "HydrolixFunction.log").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert commands[0].stop(signal.SIGINT) < 5
    out, err = commands[0].process.communicate()
    assert (commands[0].process.returncode, out, err) == (0, "", "")


def refusal(command: Command) -> str:
    out, err = command.process.communicate(timeout=30)
    assert out == ""
    assert command.process.returncode == 1
    (line,) = err.splitlines()
    return line


@pytest.mark.parametrize("variable", ["PORT", "AWS_PORT"])
def test_taken_port_is_told_in_one_line(tmp_path: Path, commands: list[Command], variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        commands.append(Command(tmp_path / "state", **{variable: port}))
        assert refusal(commands[0]) == (
            f"local: port {port} is taken: stop what listens there, or set {variable} to a free port"
        )


@pytest.mark.parametrize("port", ["http", "70000", "-1"])
def test_port_must_be_one(tmp_path: Path, commands: list[Command], port: str) -> None:
    commands.append(Command(tmp_path / "state", PORT=port))
    assert refusal(commands[0]) == f"local: PORT must be a port, 0 to 65535, not {port!r}"


def test_state_dir_that_cannot_be_made(tmp_path: Path, commands: list[Command]) -> None:
    (tmp_path / "file").write_text("")
    commands.append(Command(tmp_path / "file" / "state"))
    assert "cannot use the state directory" in refusal(commands[0])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Resources:", "Resources: [", "is not YAML"),
        ("!Ref Seen", "!Ref Nobody", "refers to Nobody"),
        ("CodeUri: code/", "CodeUri: gone/", "needs the folder"),
        ("DefinitionUri: machine", "DefinitionUri: gone", "gone.asl.json"),
        ("Bucket: !Ref Bucket\n        Execution", "Execution", "no DefinitionSubstitutions for Bucket"),
        ("Default: STANDARD", "Default: SLOW", "must be one of EXPRESS, STANDARD"),
        ("Type: AWS::Serverless::StateMachine", "Type: AWS::Serverless::Machine", "cannot be expanded"),
        ("Path: /answer", "Pfad: /answer", "cannot be expanded"),
    ],
)
def test_broken_template_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    from local.runner import LocalError, Runner

    template = write_project(tmp_path / "project")
    assert old in template.read_text()
    template.write_text(template.read_text().replace(old, new))
    with pytest.raises(LocalError, match=re.escape(message)) as refused, Runner(template, tmp_path / "state"):
        pytest.fail("it started")
    assert "\n" not in str(refused.value)


def test_parameters_come_from_samconfig_and_from_the_caller(tmp_path: Path) -> None:
    template = write_project(tmp_path / "project")
    loaded = load_template(template, {"Window": "7"})
    assert loaded.stack == "tiny"
    assert (loaded.parameters["Window"], loaded.parameters["Visibility"]) == ("7", "2")
    with pytest.raises(TemplateError, match="no parameter Windows"):
        load_template(template, {"Windows": "7"})
