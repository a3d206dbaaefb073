"""How endpoints are kept: as documents, so that names are unique in an org and of two writers one is refused."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from jobruns.documents import Document
from jobruns.endpoint import MAX_ENDPOINTS, Endpoint
from jobruns.errors import ConflictError, StaleWriteError
from jobruns.service.event_ports import EventPorts

COLLECTION: Final = "endpoints"
REDIRECTS: Final = "endpoints/redirects"
"""Endpoints that callers named for single runs; nothing but those runs is told there."""

REDIRECT_PREFIX: Final = "to-"
MAX_TRIES = 5

Change = Callable[[datetime, Endpoint], Mapping[str, Any]]
"""Gives what is to be changed of an endpoint; nothing, where it is so already."""

_OF_DOCUMENT = {"org", "endpoint_id", "name", "version", "created_at", "modified_at", "expires_at"}


def find_by_id(ports: EventPorts, org: str, endpoint_id: str) -> Endpoint | None:
    """Read an endpoint, also one for single runs: one read."""
    document = ports.documents.get(org, _collection(endpoint_id), endpoint_id)
    return None if document is None else read_endpoint(document)


def find_by_name(ports: EventPorts, org: str, name: str) -> Endpoint | None:
    """Read an endpoint by its name: two reads."""
    document = ports.documents.find(org, COLLECTION, name)
    return None if document is None else read_endpoint(document)


def endpoints_of(ports: EventPorts, org: str) -> list[Endpoint]:
    """Read the endpoints of an org, oldest first: one query."""
    return [read_endpoint(document) for document in ports.documents.page(org, COLLECTION, limit=MAX_ENDPOINTS)]


def amend(ports: EventPorts, endpoint: Endpoint, change: Change) -> Endpoint:
    """Change an endpoint, read anew if others do so at the same time.

    Raises
    ------
    StaleWriteError
        A bounded number of tries all lost against other writers; or it has been removed.
    """
    found: Endpoint | None = endpoint
    for _ in range(MAX_TRIES):
        if found is None:
            break
        now = ports.clock()
        changes = change(now, found)
        if not changes:
            return found
        after = found.amended(now, **changes)
        try:
            ports.documents.change(write_endpoint(after), was=write_endpoint(found))
        except ConflictError:
            found = find_by_id(ports, endpoint.org, endpoint.endpoint_id)
        else:
            return after
    raise StaleWriteError(f"the endpoint {endpoint.name!r} is being changed by others, or removed; try again")


def note(ports: EventPorts, endpoint: Endpoint, change: Change) -> None:
    """Change an endpoint if it is still there and nobody else changes it; what is noted is noted again next time."""
    try:
        amend(ports, endpoint, change)
    except StaleWriteError:
        return


def write_endpoint(endpoint: Endpoint) -> Document:
    """Give what is kept of an endpoint."""
    return Document(
        org=endpoint.org,
        collection=_collection(endpoint.endpoint_id),
        document_id=endpoint.endpoint_id,
        name=endpoint.name,
        body=endpoint.model_dump(mode="json", exclude=_OF_DOCUMENT, exclude_defaults=True),
        version=endpoint.version,
        created_at=endpoint.created_at,
        modified_at=endpoint.modified_at,
        expires_at=endpoint.expires_at,
    )


def read_endpoint(document: Document) -> Endpoint:
    """Read what is kept of an endpoint."""
    of_document = {
        "org": document.org,
        "endpoint_id": document.document_id,
        "name": document.name,
        "version": document.version,
        "created_at": document.created_at,
        "modified_at": document.modified_at,
        "expires_at": document.expires_at,
    }
    return Endpoint.model_validate({**document.body, **of_document})


def _collection(endpoint_id: str) -> str:
    return REDIRECTS if endpoint_id.startswith(REDIRECT_PREFIX) else COLLECTION
