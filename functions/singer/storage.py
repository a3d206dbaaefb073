"""The buckets of a sync: objects are fetched and put as files, so that a large one is never in memory."""

import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from jobruns.aws import clients
from jobruns.aws.machine import error_code
from jobruns.run_file import HALF_WRITTEN
from scripts.errors import RunFailedError

MAX_FETCHED_BYTES = 2 << 30
MAX_FILES = 1000
"""Below a folder; more than that are no snapshots of a tenant."""

_ABSENT = frozenset({"404", "NoSuchKey", "NoSuchBucket"})


class Storage:
    """Fetches and puts files.

    Parameters
    ----------
    bucket : str
        Of the runs' files.
    """

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def fetch(self, key: str, path: Path) -> bool:
        """Write an object to a file.

        Returns
        -------
        bool
            False where there is none.

        Raises
        ------
        RunFailedError
            It cannot be read now, or there is no room for it.
        """
        try:
            clients.s3().download_file(self._bucket, key, str(path))
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return False
            raise self._unavailable(key, error) from error
        except (BotoCoreError, Boto3Error) as error:
            raise self._unavailable(key, error) from error
        return True

    def put(self, key: str, path: Path) -> None:
        """Write a file to an object.

        Raises
        ------
        RunFailedError
            It cannot be written now.
        """
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if path.suffix in {".log", ".singer", ".jsonl"}:
            kind = "text/plain; charset=utf-8"
        try:
            clients.s3().upload_file(str(path), self._bucket, key, ExtraArgs={"ContentType": kind})
        except (ClientError, BotoCoreError, Boto3Error) as error:
            raise self._unavailable(key, error) from error

    def put_text(self, key: str, text: str) -> None:
        """Write an object that is JSON.

        Raises
        ------
        RunFailedError
            It cannot be written now.
        """
        try:
            clients.s3().put_object(Bucket=self._bucket, Key=key, Body=text.encode(), ContentType="application/json")
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(key, error) from error

    def fetch_folder(self, prefix: str, folder: Path) -> list[str]:
        """Write the objects below a prefix to files below a folder; gives their paths.

        Raises
        ------
        RunFailedError
            There are more than `MAX_FILES` or `MAX_FETCHED_BYTES`, or they cannot be read now.
        """
        paths: list[str] = []
        size = 0
        for path, length in self._list(prefix):
            # What was being written when something died is half a file.
            if path.endswith(("/", HALF_WRITTEN)) or not _is_inside(path):
                continue
            size += length
            if len(paths) == MAX_FILES or size > MAX_FETCHED_BYTES:
                raise RunFailedError(f"there is more below {prefix} than there is room for", "TooLarge")
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if self.fetch(prefix + path, file):
                paths.append(path)
        return paths

    def _list(self, prefix: str) -> Iterator[tuple[str, int]]:
        pages = clients.s3().get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        try:
            for page in pages:
                for entry in page.get("Contents", []):
                    yield entry["Key"].removeprefix(prefix), entry["Size"]
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(prefix, error) from error

    def _unavailable(self, key: str, error: Exception) -> RunFailedError:
        return RunFailedError(f"the bucket {self._bucket} does not serve {key}: {error}", "FilesUnavailable")


@dataclass(frozen=True, slots=True)
class Buckets:
    """Where a sync finds and leaves things.

    ``runs`` has the files of runs, which are forgotten after some time; ``kept`` what outlives the runs of a tenant;
    ``landing`` what people put there.
    """

    runs: Storage
    kept: Storage
    landing: Storage


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts
