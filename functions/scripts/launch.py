"""Runs in the script's own process: the script as ``__main__``, and how it raised told to the function.

Usage: launch.py REPORT SCRIPT [ARGUMENT ...]

Started by path and importing nothing but the standard library, so that nothing of the service's is in the script's
reach. AWS Glue's Python shell runs scripts in the same way, by `runpy`.
"""

import contextlib
import ctypes
import json
import runpy
import signal
import sys
import traceback
from pathlib import Path

PR_SET_PDEATHSIG = 1
MAX_MESSAGE_CHARACTERS = 2000


def main() -> None:
    """Run the script, and leave a report where it raised."""
    _die_with_parent()
    report, script = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    sys.path[0] = str(Path(script).parent)
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as exit_request:
        if exit_request.code is not None and not isinstance(exit_request.code, int):
            _write(report, "ScriptExit", str(exit_request.code))
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, Python would end the process with it
        name = type(error).__qualname__
        qualified = name if type(error).__module__ in {"builtins", "__main__"} else f"{type(error).__module__}.{name}"
        text = str(error)
        _write(report, name, f"{qualified}: {text}" if text else qualified)
        # Without this file's own frames and those of runpy the traceback is the one the script alone would leave.
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename != script:
            frames = frames.tb_next
        traceback.print_exception(type(error), error, frames)
        sys.exit(1)


def _write(report: Path, error: str, message: str) -> None:
    report.write_text(json.dumps({"error": error, "message": message[:MAX_MESSAGE_CHARACTERS]}))


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # When memory runs out it is the script that the kernel ends, not the function that tells of it.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main()
