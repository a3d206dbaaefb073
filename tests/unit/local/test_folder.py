"""A folder as the files of an org: taken in when asked for, written when written, and nothing beside it."""

import io
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from local.folder import FilesFolder

PREFIX = "an-org/files/"


class S3:
    """What the folder asks of S3."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.uploads = 0

    def upload_fileobj(self, content: Any, bucket: str, key: str) -> None:
        assert bucket == "landing"
        self.uploads += 1
        self.held[key] = content.read()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        return {"Body": io.BytesIO(self.held[Key])}


@pytest.fixture
def s3() -> S3:
    return S3()


@pytest.fixture
def folder(tmp_path: Path, s3: S3) -> FilesFolder:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "dogs ü.csv").write_bytes(b"id\n1\n")
    (tmp_path / "secret").write_bytes(b"hush")
    (tmp_path / "files" / "link").symlink_to(tmp_path / "secret")
    return FilesFolder(tmp_path / "files", "landing", PREFIX, lambda: s3)


def request(key: str, bucket: str = "landing", **query: str) -> dict[str, Any]:
    return {"RAW_URI": f"/{bucket}/{quote(key)}?{urlencode(query)}"}


@pytest.mark.parametrize("operation", ["GetObject", "HeadObject"])
def test_a_file_is_taken_in_when_it_is_asked_for_and_again_when_it_has_changed(
    folder: FilesFolder, s3: S3, tmp_path: Path, operation: str
) -> None:
    key = f"{PREFIX}dogs ü.csv"
    for _ in range(2):
        folder.before(request(key), operation)
    assert (s3.held, s3.uploads) == ({key: b"id\n1\n"}, 1)
    (tmp_path / "files" / "dogs ü.csv").write_bytes(b"id\n1\n2\n")
    folder.before(request("", prefix=key), "ListObjectsV2")
    assert s3.held == {key: b"id\n1\n2\n"}


@pytest.mark.parametrize("key", ["../secret", "link", "/etc/passwd", "", "gone", "a/../../secret"])
def test_nothing_outside_of_the_folder_is_taken_in(folder: FilesFolder, s3: S3, key: str) -> None:
    folder.before(request(PREFIX + key), "GetObject")
    folder.before(request(f"other/files/{key}"), "GetObject")
    folder.before(request(f"{PREFIX}dogs ü.csv", bucket="lake"), "GetObject")
    folder.before(request(f"{PREFIX}dogs ü.csv"), "DeleteObject")
    assert s3.held == {}


def test_what_is_written_lies_in_the_folder_and_is_not_taken_in_again(
    folder: FilesFolder, s3: S3, tmp_path: Path
) -> None:
    key = f"{PREFIX}out/new.json"
    s3.held[key] = b"[]"
    folder.after(request(key), "PutObject")
    assert (tmp_path / "files" / "out" / "new.json").read_bytes() == b"[]"
    folder.before(request(key), "GetObject")
    assert s3.uploads == 0


def test_nothing_is_written_outside_of_the_folder(folder: FilesFolder, s3: S3, tmp_path: Path) -> None:
    for key in ("../secret", "link", "../new"):
        s3.held[PREFIX + key] = b"overwritten"
        folder.after(request(PREFIX + key), "PutObject")
    assert (tmp_path / "secret").read_bytes() == b"hush"
    assert not (tmp_path / "new").exists()
