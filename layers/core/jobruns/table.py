"""Tables that runs load, and what a load is told. Every door's tables are these."""

import re
from typing import Any, Self

import re2
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from jobruns.transform import Transform

DEFAULT_UNIT_BYTES = 1_536_000_000
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
    the bucket.
    """

    org: str
    table_id: str
    project_id: str
    project: str
    name: str = Field(min_length=1, max_length=64, pattern=r"^[^.\x00-\x1f\x7f]+$")
    database: str
    lake_table: str
    location: str
    default_transform_id: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
    created_at: AwareDatetime
    modified_at: AwareDatetime
    version: int = 1

    @property
    def full_name(self) -> str:
        """Name of the table and of its job."""
        return f"{self.project}.{self.name}"


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

    An empty pattern matches everything; `transform_id` of ``None`` is the table's default transform.
    """

    org: str
    table_id: str
    pattern: str = ""
    transform_id: str | None = None

    @field_validator("pattern")
    @classmethod
    def _bounded(cls, pattern: str) -> str:
        return check_pattern(pattern)


class LoadSource(_Model):
    """Where a load finds its files: an object, everything under a prefix, or a bucket.

    ``path`` ending in ``/`` or empty is a prefix. Otherwise it is an object, and where there is none of this key, the
    prefix ``<path>/``.
    """

    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    path: str = Field(default="", max_length=1024)


class LoadSpec(_Model):
    """Everything a load of a table is told: the arguments of its run.

    Either ``source`` says where to look, or the run was started by uploads and its manifest in the work bucket,
    ``uploads_key``, names the objects.
    """

    table_id: str
    transform_id: str
    source: LoadSource | None = None
    uploads_key: str | None = None
    pattern: str = ""
    max_files: int = Field(default=0, ge=0)
    unit_bytes: int = Field(default=DEFAULT_UNIT_BYTES, ge=1)
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
