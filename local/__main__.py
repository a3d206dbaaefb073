"""``python -m local up``: serve the template until SIGINT or SIGTERM. ``python -m local demo``: show what it does.

``PORT`` is the HTTP API's (3000), ``AWS_PORT`` the emulated AWS's (4566), ``STATE_DIR`` gets ``jobruns.env`` and
``logs/`` (``.local``). ``FILES`` is a folder that operations load files from and export to; without it there are only
those in the emulated bucket. Both ports take 0 for any free one. The demonstration has ports and a directory of its
own.
"""

import logging
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

_USAGE = "usage: python -m local up|demo    (up reads PORT, AWS_PORT, STATE_DIR and FILES from the environment)"
_TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"
_INTERRUPTED = 130
_MAX_PORT = 65535


class _StopRequest(BaseException):
    """A signal asked for the end."""


def main(arguments: list[str]) -> int:
    """Run the command; the exit status."""
    if arguments not in (["up"], ["demo"]):
        print(_USAGE, file=sys.stderr)
        return 2
    # Whatever the user's AWS configuration says must not matter, least of all a profile that is not there.
    for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_PORT"]:
        del os.environ[name]
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)
    try:
        return _up() if arguments == ["up"] else _demo()
    except _StopRequest:
        # To serve until told to stop is to succeed; a demonstration that was cut short has shown nothing.
        return 0 if arguments == ["up"] else _INTERRUPTED
    except ImportError as error:
        return _fail(f"{error.msg}: run make up, which installs what is needed")
    except Exception as error:
        logging.getLogger(__name__).info("cannot start", exc_info=True)
        reason = " ".join(str(error).split())
        return _fail(f"cannot start, {type(error).__name__}: {reason}; logs/runner.log in the state directory has more")


def _up() -> int:
    from local.errors import LocalError
    from local.runner import Runner

    try:
        port, aws_port = _port("PORT", 3000), _port("AWS_PORT", 4566)
        state_dir = Path(os.environ.get("STATE_DIR") or ".local")
        (state_dir / "logs").mkdir(parents=True, exist_ok=True)
        _log_to(state_dir / "logs" / "runner.log")
        files = Path(os.environ["FILES"]) if os.environ.get("FILES") else None
        with Runner(_TEMPLATE, state_dir, port, aws_port, record_calls=False, files=files) as runner:
            print(f"Ready: {runner.url}", flush=True)
            while True:
                signal.pause()
    except LocalError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"cannot use the state directory: {error}")


def _demo() -> int:
    from local.demo import show
    from local.errors import LocalError

    state_dir = Path(tempfile.mkdtemp(prefix="jobruns-demo-"))
    (state_dir / "logs").mkdir()
    _log_to(state_dir / "logs" / "runner.log")
    try:
        show(_TEMPLATE, state_dir)
    except LocalError as error:
        return _fail(f"{error}; logs are in {state_dir / 'logs'}")
    except _StopRequest:
        shutil.rmtree(state_dir)
        raise
    shutil.rmtree(state_dir)
    return 0


def _port(name: str, default: int) -> int:
    from local.errors import LocalError

    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) > _MAX_PORT:
        raise LocalError(f"{name} must be a port, 0 to {_MAX_PORT}, not {text!r}")
    return int(text)


def _log_to(path: Path) -> None:
    logging.basicConfig(filename=path, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(_OneLine())
    logging.getLogger("local").addHandler(terminal)


class _OneLine(logging.Formatter):
    """What the terminal gets; traces are for the file."""

    def format(self, record: logging.LogRecord) -> str:
        return f"local: {record.getMessage()}"


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    # The second signal of an impatient person must not interrupt the cleaning up that the first one began.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise _StopRequest


def _fail(message: str) -> int:
    print(f"local: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the interpreter of machines may sleep for long; nothing is left that they could do.
    os._exit(status)
