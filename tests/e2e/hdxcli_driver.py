"""Runs hdxcli's own entry point, each time in a process of its own: a line of JSON in, a line of JSON out.

Importing hdxcli takes seconds, most of them for libraries that these commands do not use. It is imported once; each
command is a fork of this process that goes on as the installed script does.
"""

import json
import os
import sys
import traceback
from pathlib import Path

from hdx_cli.main import main  # type: ignore[import-untyped]  # untyped, as it comes from the registry


def run(arguments: list[str], output: Path) -> int:
    """Run one command with its output in a file, and give its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 70
    try:
        for number, target in ((0, Path(os.devnull)), (1, output), (2, output)):
            os.dup2(os.open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), number)
        sys.argv = ["hdxcli", *arguments]
        main()
    except SystemExit as end:
        # As the interpreter does it: the lowest byte of a number, 0 for none.
        status = (end.code or 0) & 255 if isinstance(end.code, int | None) else 1
    except BaseException:  # noqa: BLE001 - printed, as the interpreter does it, and the status says it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


for line in sys.stdin:
    told = json.loads(line)
    status = run(told["arguments"], Path(told["output"]))
    sys.stdout.write(f"{json.dumps(status)}\n")
    sys.stdout.flush()
