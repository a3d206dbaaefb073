"""Reading S3 objects from the runner: as moto answers, also where moto is not asked."""

import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from local.emulator.objects import place_file
from local.runner import Runner

CONTENT = b"0123456789"
LARGE = bytes(range(256)) * 12_000


@pytest.fixture(scope="module")
def bucket(tiny: Runner) -> str:
    s3, name = tiny.client("s3"), f"objects-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=name, Key="a", Body=b"older")
    s3.put_object(
        Bucket=name, Key="a", Body=CONTENT, Metadata={"some_thing": "said"}, ContentType="text/csv", ContentEncoding="x"
    )
    s3.put_object(Bucket=name, Key="dir//ü +?#&%41", Body=CONTENT, ServerSideEncryption="AES256")
    s3.put_object(Bucket=name, Key="large", Body=LARGE)
    s3.put_object(Bucket=name, Key="archived", Body=CONTENT, StorageClass="GLACIER")
    s3.put_object(Bucket=name, Key="deleted", Body=CONTENT)
    s3.delete_object(Bucket=name, Key="deleted")
    return name


def answer(tiny: Runner, **request: Any) -> dict[str, Any]:
    """Get an object; what S3 said of it, or how it refused."""
    try:
        got = tiny.client("s3").get_object(**request)
    except ClientError as error:
        return {"refused": error.response["Error"], "status": error.response["ResponseMetadata"]["HTTPStatusCode"]}
    headers = got.pop("ResponseMetadata")
    body = got.pop("Body").read()
    return got | {"content": body, "status": headers["HTTPStatusCode"]}


REQUESTS: list[dict[str, Any]] = [
    {"Key": "a"},
    {"Key": "dir//ü +?#&%41"},
    {"Key": "large"},
    {"Key": "a", "Range": "bytes=2-4"},
    {"Key": "a", "Range": "bytes=2-"},
    {"Key": "a", "Range": "bytes=2-1000"},
    {"Key": "a", "Range": "bytes=0-9"},
    {"Key": "a", "Range": "bytes=-3"},
    {"Key": "a", "Range": "bytes=10-"},
    {"Key": "a", "Range": "bytes=4-2"},
    {"Key": "large", "Range": "bytes=1000000-2500000"},
    {"Key": "a", "IfMatch": '"nothing like it"'},
    {"Key": "a", "IfNoneMatch": '"nothing like it"'},
    {"Key": "a", "ChecksumMode": "ENABLED"},
    {"Key": "a", "ResponseContentType": "text/plain"},
    {"Key": "a", "PartNumber": 1},
    {"Key": "archived"},
    {"Key": "deleted"},
    {"Key": "gone"},
    {"Key": "a", "VersionId": "gone"},
    {"Key": "a", "Bucket": "nobodys-bucket"},
]


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_an_object_is_given_as_moto_gives_it(
    tiny: Runner, bucket: str, request_: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = answer(tiny, **{"Bucket": bucket, **request_})
    monkeypatch.setattr(Cloud, "_give_object", lambda *_: None)
    theirs = answer(tiny, **{"Bucket": bucket, **request_})
    if "refused" in theirs:
        theirs["refused"].pop("RequestId", None)
        ours["refused"].pop("RequestId", None)
    assert ours == theirs


def test_versions_and_etags_are_kept_apart(tiny: Runner, bucket: str) -> None:
    s3 = tiny.client("s3")
    versions = s3.list_object_versions(Bucket=bucket, Prefix="a")["Versions"]
    for version in (version for version in versions if version["Key"] == "a"):
        got = answer(tiny, Bucket=bucket, Key="a", VersionId=version["VersionId"], IfMatch=version["ETag"])
        assert (len(got["content"]), got["VersionId"]) == (version["Size"], version["VersionId"])
    stale = next(version["ETag"] for version in versions if version["Key"] == "a" and not version["IsLatest"])
    assert answer(tiny, Bucket=bucket, Key="a", IfMatch=stale)["status"] == 412


def test_a_bucket_policy_still_denies(tiny: Runner) -> None:
    s3, name = tiny.client("s3"), f"objects-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a", Body=CONTENT)
    s3.put_bucket_policy(
        Bucket=name,
        Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject",'
        f'"Resource":"arn:aws:s3:::{name}/*"}}]}}',
    )
    assert answer(tiny, Bucket=name, Key="a")["status"] == 403


def test_a_large_object_is_read_as_it_was_when_it_was_asked_for(tiny: Runner) -> None:
    s3, name = tiny.client("s3"), f"objects-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    content = LARGE * 10
    s3.put_object(Bucket=name, Key="large", Body=content)
    body = s3.get_object(Bucket=name, Key="large")["Body"]
    begun = body.read(100)
    s3.put_object(Bucket=name, Key="large", Body=b"another")
    assert begun + body.read() == content


def test_who_stops_reading_a_large_object_holds_nobody_up(tiny: Runner, bucket: str) -> None:
    s3, before = tiny.client("s3"), threading.active_count()
    for _ in range(5):
        body = s3.get_object(Bucket=bucket, Key="large")["Body"]
        body.read(10)
        body.close()
    assert answer(tiny, Bucket=bucket, Key="large")["content"] == LARGE
    assert threading.active_count() <= before + 6


def test_a_file_is_an_object_without_being_copied(tiny: Runner, tmp_path: Path) -> None:
    s3, name = tiny.client("s3"), f"objects-{uuid.uuid4().hex}"
    path = tmp_path / "file"
    path.write_bytes(LARGE)
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="placed", Body=b"")
    place_file(tiny.client("sts").get_caller_identity()["Account"], name, "placed", path)
    assert s3.list_objects_v2(Bucket=name)["Contents"][0]["Size"] == len(LARGE)
    assert answer(tiny, Bucket=name, Key="placed")["content"] == LARGE
    assert (
        answer(tiny, Bucket=name, Key="placed", Range="bytes=2000000-2000003")["content"] == LARGE[2_000_000:2_000_004]
    )


def test_a_page_of_a_listing_says_what_motos_does(tiny: Runner, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from local.emulator import s3 as emulated

    def pages(**request: Any) -> list[dict[str, Any]]:
        found = tiny.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, **request)
        return [{name: told for name, told in page.items() if name != "ResponseMetadata"} for page in found]

    requests: list[dict[str, Any]] = [
        {}, {"Prefix": "dir//"}, {"Prefix": "none"}, {"PaginationConfig": {"PageSize": 2}}, {"Delimiter": "/"},
        {"FetchOwner": True}, {"StartAfter": "b"},
    ]  # fmt: skip
    ours = [pages(**request) for request in requests]
    assert [len(page) for page in ours] == [1, 1, 1, 2, 1, 1, 1]
    monkeypatch.setattr(emulated, "_LISTED", frozenset())
    assert [pages(**request) for request in requests] == ours
