"""Scripts and libraries fetched from S3, and every way in which they cannot be."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from jobruns.aws import clients
from scripts import download
from scripts.download import fetch_libraries, fetch_script
from scripts.errors import RunFailedError
from tests.integration.scripts.conftest import BUCKET, Put


def refusal(url: str, folder: Path) -> RunFailedError:
    with pytest.raises(RunFailedError) as refused:
        fetch_script(url, folder)
    assert url in refused.value.message
    return refused.value


def test_a_script_keeps_its_name_and_bytes(put: Put, tmp_path: Path) -> None:
    script = fetch_script(put("jobs/é day?#.py", "print('é')"), tmp_path)
    assert script == tmp_path / "é day?#.py"
    assert script.read_text() == "print('é')"


@pytest.mark.parametrize("url", [f"s3://{BUCKET}/gone.py", "s3://no-such-bucket/day.py"])
def test_a_script_that_is_not_there(url: str, tmp_path: Path) -> None:
    error = refusal(url, tmp_path)
    assert (error.code, error.message) == ("ScriptNotFound", f"there is no {url}")


@pytest.mark.parametrize("url", [f"s3://{BUCKET}/jobs/", f"s3://{BUCKET}/..", "https://code/day.py", "day.py"])
def test_what_is_no_url_of_a_file(url: str, tmp_path: Path) -> None:
    assert refusal(url, tmp_path).code == "ScriptInvalid"


def test_a_name_no_file_may_have(put: Put, tmp_path: Path) -> None:
    assert refusal(put("a" * 300, "x"), tmp_path).code == "ScriptInvalid"


def test_a_script_larger_than_fits(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_SCRIPT_BYTES", 10)
    error = refusal(put("day.py", "#" * 11), tmp_path)
    assert error.code == "ScriptTooLarge"
    assert not (tmp_path / "day.py").exists()


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [
        (ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject"), "ScriptAccessDenied", "ScriptBucketArns"),
        (ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"), "ScriptUnavailable", "SlowDown"),
        (EndpointConnectionError(endpoint_url="https://s3"), "ScriptUnavailable", "https://s3"),
    ],
)
def test_a_script_that_s3_does_not_give(
    failure: Exception, code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise failure

    monkeypatch.setattr(clients.s3(), "get_object", refuse)
    error = refusal(f"s3://{BUCKET}/day.py", tmp_path)
    assert error.code == code
    assert said in error.message


def test_libraries_are_modules_and_unpacked_archives_in_their_order(put: Put, tmp_path: Path) -> None:
    urls = [
        put("one/mine.py", "WHO = 1"),
        put("two/mine.py", "WHO = 2"),
        put("pack.zip", {"pack/__init__.py": "", "pack/data.txt": "x"}),
        put("wheel-1.0-py3-none-any.whl", {"wheeled.py": ""}),
    ]
    folders = fetch_libraries(" , ".join(urls), tmp_path)
    assert [sorted(str(p.relative_to(f)) for p in f.rglob("*") if p.is_file()) for f in folders] == [
        ["mine.py"],
        ["mine.py"],
        ["pack/__init__.py", "pack/data.txt"],
        ["wheeled.py"],
    ]
    assert (folders[0] / "mine.py").read_text() == "WHO = 1"


@pytest.mark.parametrize(
    ("key", "content", "code"),
    [
        ("a.tar.gz", b"x", "ScriptInvalid"),
        ("a.zip", b"no archive", "ScriptInvalid"),
        ("bomb.zip", {"zeros": "0" * 100_000}, "ScriptTooLarge"),
        ("large.py", "#" * 60_000, "ScriptTooLarge"),
    ],
)
def test_a_library_that_cannot_be_used_is_named(
    key: str, content: Any, code: str, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_LIBRARY_BYTES", 50_000)
    url = put(key, content)
    with pytest.raises(RunFailedError) as refused:
        fetch_libraries(url, tmp_path)
    assert refused.value.code == code
    assert url in refused.value.message


def test_an_archive_writes_nothing_outside_its_folder(put: Put, tmp_path: Path) -> None:
    folder = tmp_path / "libraries"
    folder.mkdir()
    fetch_libraries(put("evil.zip", {"../../outside.py": "", "/absolute.py": ""}), folder)
    assert [path.name for path in tmp_path.iterdir()] == ["libraries"]
    assert {path.name for path in folder.rglob("*.py")} == {"outside.py", "absolute.py"}
