"""Two buckets and the log groups of an emulated AWS, for the function that runs scripts."""

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest

from jobruns.aws import clients

BUCKET = "code"
WORK = "work"
GROUP = "/jobruns/test/runs"

Put = Callable[[str, bytes | str | Mapping[str, str]], str]


@pytest.fixture(autouse=True)
def cloud(aws: None) -> Iterator[None]:
    clients.forget_clients()
    for bucket in (BUCKET, WORK):
        boto3.client("s3").create_bucket(Bucket=bucket)
    for channel in ("output", "error"):
        boto3.client("logs").create_log_group(logGroupName=f"{GROUP}/{channel}")
    yield
    clients.forget_clients()


@pytest.fixture
def put() -> Put:
    """Put a file where scripts lie, an archive of the files that a mapping names; give its URL."""

    def put_file(key: str, content: bytes | str | Mapping[str, str]) -> str:
        if isinstance(content, Mapping):
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, text in content.items():
                    archive.writestr(name, text)
            content = buffer.getvalue()
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"s3://{BUCKET}/{key}"

    return put_file


def read_stream(channel: str, stream: str) -> list[str]:
    """Give the lines of a stream; none where there is no stream."""
    client: Any = boto3.client("logs")
    try:
        pages = client.get_log_events(logGroupName=f"{GROUP}/{channel}", logStreamName=stream, startFromHead=True)
    except client.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in pages["events"]]
