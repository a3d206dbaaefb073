"""A lake over an emulated S3 and Glue, whose UpdateTable keeps its lock as AWS does."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import botocore.client
import pytest
from moto import mock_aws
from moto.glue.exceptions import GlueClientError
from moto.glue.responses import GlueResponse

from jobruns_data import merging, payload
from jobruns_data.aws import forget_clients, s3_client
from jobruns_data.catalog import open_catalog
from tests.integration.data.lakes import LAKE, LANDING, WORK, Faults, Lake


@pytest.fixture(scope="module")
def clients() -> Iterator[None]:
    """Make clients anew, since other tests have other endpoints; once, since that takes most of a second."""
    forget_clients()
    yield
    forget_clients()


@pytest.fixture
def aws(clients: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    keep_glue_lock(monkeypatch)
    with mock_aws():
        for bucket in (LAKE, LANDING, WORK):
            s3_client().create_bucket(Bucket=bucket)
        yield


def keep_glue_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make UpdateTable refuse an outdated VersionId, which moto does not."""
    update, lock = GlueResponse.update_table, threading.Lock()

    def locked(response: GlueResponse) -> Any:
        with lock:
            version = response.parameters.get("VersionId")
            table = response.glue_backend.get_table(
                response.parameters["DatabaseName"], response.parameters["TableInput"]["Name"]
            )
            if version is not None and str(table.as_dict()["VersionId"]) != str(version):
                raise GlueClientError(
                    "ConcurrentModificationException", "Update table failed due to concurrent modifications."
                )
            return update(response)

    monkeypatch.setattr(GlueResponse, "update_table", locked)


@pytest.fixture
def lake(aws: None) -> Lake:
    return Lake(open_catalog(LAKE))


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a few rows behave as a few hundred thousand do: many files, chunks and runs on the disk."""
    monkeypatch.setattr(payload, "CHUNK_ROWS", 4)
    monkeypatch.setattr(payload, "_STEP_ROWS", 2)
    monkeypatch.setattr(merging, "CHUNK_ROWS", 4)
    monkeypatch.setattr(merging, "_SMALL_FILES", 3)
    monkeypatch.setattr(merging, "_SMALL_ROWS", 3)
    monkeypatch.setattr(merging, "_TAKEN_ALONG_ROWS", 6)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    faults = Faults()
    send: Callable[..., Any] = botocore.client.BaseClient._make_api_call

    def call(client: Any, operation: str, parameters: Any) -> Any:
        faults.seen.append(operation)
        faults.hit("before", operation)
        try:
            return send(client, operation, parameters)
        finally:
            faults.hit("after", operation)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return faults
