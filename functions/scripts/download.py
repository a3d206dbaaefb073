"""Fetches a script and the libraries it asked for from S3, never more than fits."""

import zipfile
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from jobruns.aws import clients
from jobruns.aws.machine import error_code
from scripts.errors import RunFailedError

MEGABYTE = 1024 * 1024
MAX_SCRIPT_BYTES = 10 * MEGABYTE
MAX_LIBRARY_BYTES = 200 * MEGABYTE
"""Of all libraries together, unpacked too: a function has 512 MB of disk unless it is given more."""

_CHUNK_BYTES = MEGABYTE
_ARCHIVES = frozenset({".zip", ".whl", ".egg"})
_ABSENT = frozenset({"NoSuchKey", "NoSuchBucket", "404"})
_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "InvalidObjectState", "403"})


def fetch_script(url: str, folder: Path) -> Path:
    """Write a script into `folder` under its own name.

    Raises
    ------
    RunFailedError
        It is not there, may not be read, or is larger than `MAX_SCRIPT_BYTES`; the message says which.
    """
    return _fetch(url, folder, MAX_SCRIPT_BYTES)


def fetch_libraries(urls: str, folder: Path) -> list[Path]:
    """Fetch what ``--extra-py-files`` names: modules, and archives of packages, which are unpacked.

    Parameters
    ----------
    urls : str
        ``s3://`` URLs with commas between them.
    folder : Path
        An empty folder.

    Returns
    -------
    list of Path
        The folders to import from, in the order of the URLs.

    Raises
    ------
    RunFailedError
        One is not there, may not be read, is neither module nor archive; or they are larger than `MAX_LIBRARY_BYTES`.
    """
    places = []
    left = MAX_LIBRARY_BYTES
    for number, url in enumerate(part.strip() for part in urls.split(",")):
        place = folder / str(number)
        place.mkdir(parents=True)
        file = _fetch(url, place, left)
        left -= file.stat().st_size
        if file.suffix in _ARCHIVES:
            left -= _unpack(file, url, place, left)
        elif file.suffix != ".py":
            raise RunFailedError(f"{url} of --extra-py-files must be a .py, .zip, .whl or .egg file", "ScriptInvalid")
        places.append(place)
    return places


def _fetch(url: str, folder: Path, limit_bytes: int) -> Path:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    name = key.rpartition("/")[2]
    if not (url.startswith("s3://") and bucket) or name in {"", ".", ".."}:
        raise RunFailedError(f"{url!r} is not the s3://bucket/key URL of a file", "ScriptInvalid")
    path = folder / name
    try:
        answer = clients.s3().get_object(Bucket=bucket, Key=key)
        if answer["ContentLength"] > limit_bytes:
            raise RunFailedError(
                f"{url} has more than the {_megabytes(limit_bytes)} there is room for", "ScriptTooLarge"
            )
        with path.open("wb") as file:
            for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                file.write(chunk)
    except ClientError as error:
        raise _refused(url, error) from error
    except BotoCoreError as error:
        raise RunFailedError(f"{url} could not be read: {error}", "ScriptUnavailable") from error
    except (OSError, ValueError) as error:
        # A name no file may have, or no room on the disk.
        raise RunFailedError(f"{url} could not be written to disk: {error}", "ScriptInvalid") from error
    return path


def _refused(url: str, error: ClientError) -> RunFailedError:
    code = error_code(error)
    if code in _ABSENT:
        return RunFailedError(f"there is no {url}", "ScriptNotFound")
    if code in _DENIED:
        return RunFailedError(
            f"{url} may not be read by the function that runs scripts ({code}):"
            " they lie under scripts/ of the landing bucket, or in a bucket of the stack's parameter ScriptBucketArns",
            "ScriptAccessDenied",
        )
    return RunFailedError(f"{url} could not be read: {error}", "ScriptUnavailable")


def _unpack(file: Path, url: str, folder: Path, limit_bytes: int) -> int:
    try:
        with zipfile.ZipFile(file) as archive:
            # More than an entry declares is never read of it.
            size = sum(entry.file_size for entry in archive.infolist())
            if size > limit_bytes:
                raise RunFailedError(
                    f"{url} has more than the {_megabytes(limit_bytes)} there is room for, unpacked", "ScriptTooLarge"
                )
            archive.extractall(folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise RunFailedError(f"{url} is no archive that can be unpacked: {error}", "ScriptInvalid") from error
    file.unlink()
    return size


def _megabytes(count: int) -> str:
    return f"{count // MEGABYTE} MB"
