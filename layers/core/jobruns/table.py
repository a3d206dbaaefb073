"""Tables that runs load, and what a load is told. Every door's tables are these."""

import re
from typing import Any, Self

import re2
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from jobruns.errors import InvalidInputError
from jobruns.places import LoadSource
from jobruns.transform import Transform

DEFAULT_UNIT_BYTES = 1_536_000_000
MAX_READ_AHEAD = 64
_LAKE_NAME_LIMIT = 255  # of names in the Glue Data Catalog
_UNSAFE = re.compile(r"[^a-z0-9_]+")


def lake_name(*parts: str) -> str:
    """Make a name that the Glue Data Catalog and Athena accept: lower-case letters, digits and underscores.

    Different parts may give the same name; who needs it unique adds a part that is.
    """
    name = _UNSAFE.sub("_", "_".join(parts).lower()).strip("_") or "t"
    return (name if name[0].isalpha() else f"t_{name}")[:_LAKE_NAME_LIMIT]


def compile_pattern(pattern: str) -> Any:
    """Compile a regular expression that can be searched for in bounded time (RE2's dialect).

    Raises
    ------
    ValueError
        It is none.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"is no regular expression (RE2): {reason}") from None


def check_pattern(pattern: str) -> str:
    """Let a regular expression pass that `compile_pattern` takes.

    Raises
    ------
    ValueError
        It does not.
    """
    compile_pattern(pattern)
    return pattern


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Project(_Model):
    """A group of tables: a database of the catalog. ``extra`` is a door's own, by the door's name."""

    org: str
    project_id: str
    name: str = Field(min_length=1, max_length=64, pattern=r"^[^.\x00-\x1f\x7f]+$")
    database: str
    extra: dict[str, Any] = Field(default_factory=dict)
    created_at: AwareDatetime
    modified_at: AwareDatetime
    version: int = 1


class Table(_Model):
    """A table. Its job, which every load of it is a run of, is named ``<project>.<table>``.

    ``database`` and ``lake_table`` are its names in the catalog; ``location`` is its prefix in the lake bucket, without
    the bucket. ``key`` is the attribute that tells its rows apart: such a table is written to by operations
    (`jobruns.operation`), which look for the rows that are there, and never by appending to it.
    """

    org: str
    table_id: str
    project_id: str
    project: str
    name: str = Field(min_length=1, max_length=64, pattern=r"^[^.\x00-\x1f\x7f]+$")
    database: str
    lake_table: str
    location: str
    key: str | None = None
    default_transform_id: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
    created_at: AwareDatetime
    modified_at: AwareDatetime
    version: int = 1

    @property
    def full_name(self) -> str:
        """Name of the table and of its job."""
        return f"{self.project}.{self.name}"

    def require_appends(self) -> None:
        """Let a load pass that adds rows without looking at those that are there.

        Raises
        ------
        InvalidInputError
            The table has a primary key, which such a load would break.
        """
        if self.key is not None:
            raise InvalidInputError(
                f"the table {self.full_name} has the primary key {self.key!r}: rows are inserted, updated and upserted"
                " by operations on it, not appended by loads and uploads",
                field="table",
            )


class TableTransform(_Model):
    """A transform as kept with its table."""

    org: str
    table_id: str
    transform_id: str
    transform: Transform
    extra: dict[str, Any] = Field(default_factory=dict)
    created_at: AwareDatetime
    modified_at: AwareDatetime
    version: int = 1


class Watch(_Model):
    """A wish that every object uploaded to the landing bucket whose URL matches ``pattern`` be loaded into a table.

    An empty pattern matches everything; `transform_id` of ``None`` is the table's default transform. The rest is as of
    `LoadSpec`.
    """

    org: str
    table_id: str
    pattern: str = ""
    transform_id: str | None = None
    max_file_rows: int = Field(default=0, ge=0)
    dry_run: bool = False

    @field_validator("pattern")
    @classmethod
    def _bounded(cls, pattern: str) -> str:
        return check_pattern(pattern)


class LoadSpec(_Model):
    """Everything a load of a table is told: the arguments of its run.

    Either ``source`` says where to look, or the run was started by uploads and its manifest in the work bucket,
    ``uploads_key``, names the objects.

    Parameters
    ----------
    pattern : str
        Regular expression searched for in the full URL of each file; empty lets all pass.
    max_files : int
        So many of those that pass are loaded at most; 0 is no limit.
    unit_bytes : int
        Files are read in units of so many bytes, a larger one alone.
    read_ahead : int
        Files of a unit that are fetched at the same time, at least; 0 leaves it to the service.
    max_file_rows : int
        Rows of a data file at most; 0 is no limit.
    partition_minutes : int, optional
        Width of the table's partitions by the primary timestamp, if this is the table's first load: hours up to 60,
        days up to 1440, months above and where nothing is said. A table keeps the partitions it began with.
    dry_run : bool
        Whether everything is done but the rows kept.
    """

    table_id: str
    transform_id: str
    source: LoadSource | None = None
    uploads_key: str | None = None
    pattern: str = ""
    max_files: int = Field(default=0, ge=0)
    unit_bytes: int = Field(default=DEFAULT_UNIT_BYTES, ge=1)
    read_ahead: int = Field(default=0, ge=0, le=MAX_READ_AHEAD)
    max_file_rows: int = Field(default=0, ge=0)
    partition_minutes: int | None = Field(default=None, ge=0)
    dry_run: bool = False

    @field_validator("pattern")
    @classmethod
    def _bounded(cls, pattern: str) -> str:
        return check_pattern(pattern)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.source is None) == (self.uploads_key is None):
            raise ValueError("a load has a source or a manifest of uploads")
        return self


__all__ = [
    "DEFAULT_UNIT_BYTES",
    "MAX_READ_AHEAD",
    "LoadSource",
    "LoadSpec",
    "Project",
    "Table",
    "TableTransform",
    "Watch",
    "check_pattern",
    "compile_pattern",
    "lake_name",
]
