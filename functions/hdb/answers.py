"""Answers: what a request gets, as the gateway takes it, and the routes that are no operations.

The headers ``Server`` and ``server-timing`` of the reference are left out: no client reads them, and this is another
server.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto, unique
from typing import Any

from hdb.errors import Fault
from hdb.media import Media
from jobruns.row_files import write_csv_file
from jobruns.row_values import write_json

_MOUNT = "/harperdb"
_TEXT = "text/plain; charset=utf-8"


@unique
class Route(Enum):
    """What a request is for."""

    OPERATION = auto()
    PREFLIGHT = auto()
    HEALTH = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers of an answer."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_event(self, request_headers: Mapping[str, str]) -> dict[str, Any]:
        """Give it as API Gateway takes it; `request_headers`, by names in lower case, say where the caller is."""
        return {
            "statusCode": self.status,
            "headers": {**self.headers, **allow_origin(request_headers)},
            "body": self.body,
            "isBase64Encoded": False,
        }


def find_route(method: str, path: str) -> Route:
    """Tell what a request is for.

    Parameters
    ----------
    method : str
        In upper case.
    path : str
        The whole path; a stage's name may come before the door's.
    """
    inside = path.rpartition(_MOUNT)[2].rstrip("/")
    match method, inside:
        case "OPTIONS", _:
            return Route.PREFLIGHT
        case "POST", "":
            return Route.OPERATION
        case "GET", "/health":
            return Route.HEALTH
        case _:
            return Route.NOTHING


def answer_document(document: Any, media: Media = Media.JSON) -> Answer:
    """Answer with what an operation gives: an object, or rows."""
    if media is Media.JSON:
        return Answer(200, write_json(document), {"Content-Type": media})
    rows = document if isinstance(document, list) else [document]
    if not all(isinstance(row, Mapping) for row in rows):
        rows = [{"value": row} for row in rows]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return Answer(200, b"".join(write_csv_file(rows, columns)).decode(), {"Content-Type": media})


def answer_message(message: str, media: Media = Media.JSON) -> Answer:
    """Answer with a message alone, as operations do that give nothing else."""
    return answer_document({"message": message}, media)


def answer_fault(fault: Fault) -> Answer:
    """Answer that something is wrong; in JSON, whatever the caller accepts."""
    return Answer(fault.status, write_json(fault.document), {"Content-Type": Media.JSON, **fault.headers})


def answer_health() -> Answer:
    """Answer that the service is there."""
    return Answer(200, "HarperDB is running.", {"Content-Type": _TEXT})


def answer_nothing() -> Answer:
    """Answer that there is nothing here."""
    return Answer(404, "Not found", {"Content-Type": _TEXT})


def answer_preflight() -> Answer:
    """Answer a browser that asks whether a page of another origin may call."""
    return Answer(
        200,
        headers={
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Content-Type, Authorization, Accept",
            "Content-Type": _TEXT,
        },
    )


def allow_origin(request_headers: Mapping[str, str]) -> dict[str, str]:
    """Let the page that calls read the answer. It has no cookie of ours, so it may be any page."""
    origin = request_headers.get("origin")
    return {"Vary": "Origin", **({"Access-Control-Allow-Origin": origin} if origin else {})}
