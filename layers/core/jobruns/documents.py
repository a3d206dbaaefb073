"""Documents: what a door keeps of its own, such as projects, tables and transforms.

The core gives them an id, a name unique among their siblings, and optimistic locking. What is in the body is the
door's business.
"""

from datetime import datetime
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Document(BaseModel):
    """One document of a collection.

    ``collection`` is a path of the door's choosing such as ``hydrolix/tables``; ``name`` is unique in
    ``name_scope`` (by default the collection). At ``expires_at`` the ledger forgets it, some time later.
    """

    model_config = ConfigDict(frozen=True)

    org: str
    collection: str
    document_id: str
    name: str
    name_scope: str | None = None
    body: dict[str, Any] = Field(default_factory=dict)
    version: int = 1
    created_at: AwareDatetime
    modified_at: AwareDatetime
    expires_at: AwareDatetime | None = None

    def amended(self, at: datetime, **changes: Any) -> Self:
        """Make the next version of the document, with `changes` to its fields."""
        return self.model_copy(update={**changes, "version": self.version + 1, "modified_at": at})
