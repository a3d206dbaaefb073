"""A folder of this machine as the files of an org: what lies in it can be loaded, and what is exported lies in it then.

Nothing is watched. A file is taken into the emulated bucket when a function asks for it and it has changed since, and
written into the folder when a function has written it. No file outside the folder is reached, whatever links say.
"""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.exceptions import ClientError

from local.serving import Environ

_LOG = logging.getLogger(__name__)
_ASKED = frozenset({"GetObject", "HeadObject"})
_WRITTEN = frozenset({"PutObject", "CompleteMultipartUpload", "CopyObject"})


class FilesFolder:
    """Keeps a folder and a prefix of a bucket alike, as far as functions look at it.

    Parameters
    ----------
    root : Path
        The folder.
    bucket, prefix : str
        Where its files are in the emulated S3.
    s3 : callable
        Gives a client of it, whose own calls mean nothing here.
    """

    def __init__(self, root: Path, bucket: str, prefix: str, s3: Callable[[], Any]) -> None:
        self._root = root.resolve()
        self._bucket = bucket
        self._prefix = prefix
        self._s3 = s3
        self._taken: dict[str, tuple[int, int]] = {}

    def before(self, environ: Environ, operation: str) -> None:
        """Take in the file that a request asks for, if there is one."""
        bucket, key, query = _read(environ)
        if operation == "ListObjectsV2":
            key = query.get("prefix", [""])[0]
        elif operation not in _ASKED:
            return
        path = self._find(key) if bucket == self._bucket else None
        if path is None or not path.is_file():
            return
        seen = (path.stat().st_mtime_ns, path.stat().st_size)
        if self._taken.get(key) == seen:
            return
        with path.open("rb") as content:
            self._s3().upload_fileobj(content, self._bucket, key)
        self._taken[key] = seen

    def after(self, environ: Environ, operation: str) -> None:
        """Write the file into the folder that a request has written, if it has."""
        bucket, key, _ = _read(environ)
        path = self._find(key) if bucket == self._bucket and operation in _WRITTEN else None
        if path is None:
            return
        try:
            content = self._s3().get_object(Bucket=bucket, Key=key)["Body"]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
        except (ClientError, OSError):
            _LOG.exception("%s is not in the folder of files", key)
            return
        self._taken[key] = (path.stat().st_mtime_ns, path.stat().st_size)

    def _find(self, key: str) -> Path | None:
        below = key.removeprefix(self._prefix)
        if not key.startswith(self._prefix) or not below:
            return None
        path = (self._root / below).resolve()
        return path if path.is_relative_to(self._root) else None


def _read(environ: Environ) -> tuple[str, str, dict[str, list[str]]]:
    """Read bucket, key and query of a request by path."""
    path, _, query = environ["RAW_URI"].partition("?")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    return bucket, key, parse_qs(query)
