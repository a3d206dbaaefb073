"""How projects, tables and transforms lie in the ledger: each a document of its collection."""

from typing import TypeVar

from pydantic import BaseModel

from jobruns.documents import Document
from jobruns.errors import NotFoundError
from jobruns.table import Project, Table, TableTransform

PROJECTS = "projects"

TABLE_INDEX = "tables"
"""Every table under one roof, by id, beside its place under its project. What a load does begins by looking here."""

_STORED = {"org", "version", "created_at", "modified_at"}

ModelT = TypeVar("ModelT", bound=BaseModel)


def tables_of(project_id: str) -> str:
    """Name the collection of a project's tables."""
    return f"tables/{project_id}"


def transforms_of(table_id: str) -> str:
    """Name the collection of a table's transforms."""
    return f"transforms/{table_id}"


def dropped_of(table_id: str) -> str:
    """Name the collection of what was deleted under a table's id, which may be given again."""
    return f"dropped/{table_id}"


def compose(model: Project | Table | TableTransform, collection: str, identity: str, name: str) -> Document:
    """Make the document of a model."""
    return Document(
        org=model.org,
        collection=collection,
        document_id=identity,
        name=name,
        body=model.model_dump(mode="json", exclude=_STORED),
        version=model.version,
        created_at=model.created_at,
        modified_at=model.modified_at,
    )


def load(model: type[ModelT], document: Document) -> ModelT:
    """Read a model back."""
    stored = {name: getattr(document, name) for name in _STORED}
    return model.model_validate({**document.body, **stored})


def read(model: type[ModelT], document: Document | None, what: str, wanted: str) -> ModelT:
    """Read a model back, of a document that was looked for.

    Raises
    ------
    NotFoundError
        There was none.
    """
    if document is None:
        raise NotFoundError(f"there is no {what} {wanted[:300]!r}", field=what)
    return load(model, document)
