"""Files of an org's own: objects below ``<org>/files/`` of the landing bucket, which clients call files on the server.

Whatever lies below an org's id there is that org's alone, also for loads and uploads (`jobruns.uploads.owner_of`).
"""

import re

from jobruns.errors import NotFoundError

MAX_KEY_BYTES = 1024
"""As S3 allows."""

_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\\]")


def file_key(org: str, path: str) -> str:
    """Give the key of the object that a path stands for. The same file has one key, however its path is spelled.

    Raises
    ------
    NotFoundError
        The path leads out of the org's files, or no file can be called that.
    """
    steps: list[str] = []
    for step in path.split("/"):
        if step == "..":
            if not steps:
                raise no_file(path)
            steps.pop()
        elif step not in {"", "."}:
            steps.append(step)
    key = f"{files_prefix(org)}{'/'.join(steps)}"
    try:
        size = len(key.encode())
    except UnicodeEncodeError:  # half of a character
        raise no_file(path) from None
    if not steps or size > MAX_KEY_BYTES or _UNUSABLE.search(path):
        raise no_file(path)
    return key


def files_prefix(org: str) -> str:
    """Give what the keys of an org's files begin with."""
    return f"{org}/files/"


def no_file(path: str) -> NotFoundError:
    """Make the error that says that there is no file of a path."""
    return NotFoundError(f"no such file or directory: {path[:300]!r}", field="path")
