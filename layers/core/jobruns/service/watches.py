"""Use cases around watches: which tables take which uploads."""

from collections.abc import Sequence

from jobruns.access import Permission, Principal
from jobruns.documents import Document
from jobruns.errors import NotFoundError
from jobruns.service.ports import Ports
from jobruns.table import Table, Watch

EVERY_ORG = "*"
"""Stands for the org in what belongs to the stack: the watches are looked through for every upload."""

WATCHES = "watches"


def watch_table(ports: Ports, principal: Principal, table: Table, watches: Sequence[Watch]) -> None:
    """Put `watches` in place of all of a table's: uploads that match load into it from now on."""
    principal.require(Permission.DEFINE)
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
    """Read the watches of all tables of all orgs, in the order in which they are tried: by table id, oldest first."""
    found = ports.documents.page(EVERY_ORG, WATCHES)
    return [Watch.model_validate(watch) for document in found for watch in document.body["watches"]]
