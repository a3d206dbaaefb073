"""Scripts that runs execute: where one lies, what it is told, and how it is stopped."""

import json
from collections.abc import Mapping
from typing import Any

from jobruns.errors import InvalidInputError
from jobruns.run import Run

LOCATION_ARGUMENT = "--scriptLocation"
"""An argument that goes before the job's own script, as it does in AWS Glue."""


def stop_marker(run_id: str) -> str:
    """Give the key of the document whose presence in the work bucket ends a run's script."""
    return f"runs/{run_id}/stop"


def script_location(run: Run, arguments: Mapping[str, Any]) -> str:
    """Tell where a run's script lies.

    Raises
    ------
    InvalidInputError
        That is no ``s3://`` URL of an object.
    """
    location = str(arguments.get(LOCATION_ARGUMENT) or run.target or "")
    bucket, slash, key = location.removeprefix("s3://").partition("/")
    if not (location.startswith("s3://") and bucket and slash and key):
        raise InvalidInputError(f"the script must be an s3://bucket/key URL, not {location[:300]!r}", field="target")
    return location


def command_line(arguments: Mapping[str, Any]) -> list[str]:
    """Write arguments as a script finds them in its ``sys.argv``: each ``--key``, then its value.

    A value that is no text is written as JSON; of an empty one only the key is there, as in AWS Glue.
    """
    words: list[str] = []
    for key, value in arguments.items():
        words.append(key if key.startswith("--") else f"--{key}")
        if value is not None and value != "":
            words.append(value if isinstance(value, str) else json.dumps(value))
    return words
