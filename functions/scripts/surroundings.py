"""What a script finds around it: its working directory, its environment, its path of imports."""

import os
import site
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3

IMPORTABLE = Path(__file__).with_name("importable")
"""The packages of ours that are for scripts: ``awsglue``."""

LAUNCHER = Path(__file__).with_name("launch.py")

_INHERITED = (
    # What Python itself needs to start, and a library to talk to others.
    *("PATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE"),
    # What the script calls AWS with: the function's role. Nothing else of the function's environment is passed on.
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_EC2_METADATA_DISABLED"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
)


def script_command(report: Path, script: Path, arguments: Sequence[str]) -> list[str]:
    """Give the command that runs a script with arguments; what it raised is in `report` afterwards."""
    return [sys.executable, "-u", str(LAUNCHER), str(report), str(script), *arguments]


def script_environment(folder: Path, *, job: str, job_run_id: str, libraries: Sequence[Path]) -> dict[str, str]:
    """Make a script's environment.

    Parameters
    ----------
    folder : Path
        Its working directory, which is its home too: it finds nothing of another run there and leaves nothing behind.
    job, job_run_id : str
        Whom it works for.
    libraries : sequence of Path
        Folders to import from, before anything but the script's own.
    """
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {
        "HOME": str(folder),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": os.pathsep.join(str(path) for path in [*libraries, IMPORTABLE, *_runtime()]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "JOB_NAME": job,
        "JOB_RUN_ID": job_run_id,
    }


def _runtime() -> list[Path]:
    """Give the folder with Lambda's own boto3, unless Python looks there anyway."""
    home = Path(boto3.__file__).parents[1]
    return [] if str(home) in site.getsitepackages() else [home]
