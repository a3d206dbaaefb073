"""What a query in SQL is told of a table."""

from pydantic import BaseModel, ConfigDict


class Relation(BaseModel):
    """A table that a query reads, and the name it has there; ``attributes`` are those that there are to be."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: str
    database: str
    table: str
    location: str
    key: str | None = None
    attributes: tuple[str, ...] | None = None
