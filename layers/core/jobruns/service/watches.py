"""Use cases around watches: which tables take which uploads."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger

from jobruns.access import Permission, Principal
from jobruns.documents import Document
from jobruns.errors import NotFoundError
from jobruns.service.ports import Ports
from jobruns.table import Table, Watch

EVERY_ORG = "*"
"""Stands for the org in what belongs to the stack: the watches are looked through for every upload."""

WATCHES = "watches"

PAGE = 1000
MAX_PAGES = 20

logger = Logger(child=True)


def watch_table(ports: Ports, principal: Principal, table: Table, watches: Sequence[Watch]) -> None:
    """Put `watches` in place of all of a table's: uploads that match load into it from now on.

    Raises
    ------
    InvalidInputError
        The table has a primary key.
    """
    principal.require(Permission.DEFINE)
    if watches:
        table.require_appends()
    was = ports.documents.get(EVERY_ORG, WATCHES, table.table_id)
    now = ports.clock()
    body = {"watches": [watch.model_dump(mode="json") for watch in watches]}
    if was is not None and was.body.get("org") != principal.org:
        raise NotFoundError(f"no table has the id {table.table_id}")
    if was is None and watches:
        ports.documents.add(
            Document(
                org=EVERY_ORG,
                collection=WATCHES,
                document_id=table.table_id,
                name=table.table_id,
                body={"org": principal.org, **body},
                created_at=now,
                modified_at=now,
            )
        )
    elif was is not None and watches:
        ports.documents.change(was.amended(now, body={"org": principal.org, **body}), was=was)
    elif was is not None:
        ports.documents.remove(was)


def list_watches(ports: Ports) -> list[Watch]:
    """Read the watches of all tables of all orgs, in the order in which they are tried.

    Tables are tried in the order of their ids, which is oldest first where the ids were allotted here, and the watches
    of a table in their own order. The first that matches takes an object, and no other gets it.
    """
    watches: list[Watch] = []
    after: str | None = None
    for _ in range(MAX_PAGES):
        found = ports.documents.page(EVERY_ORG, WATCHES, after=after, limit=PAGE)
        watches += [Watch.model_validate(watch) for document in found for watch in document.body["watches"]]
        if len(found) < PAGE:
            return watches
        after = found[-1].document_id
    logger.warning("there are more watched tables than are looked at", extra={"looked_at": MAX_PAGES * PAGE})
    return watches
