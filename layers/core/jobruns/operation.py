"""Operations on tables with a primary key: what the run of one is told, and what a caller is told who waits for one.

Whatever of it would open something of the caller's is in no run: see `CallerCredentials`.
"""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from jobruns.errors import InvalidInputError
from jobruns.places import REGION
from jobruns.run import Executor, Run
from jobruns.table import Table

ROWS_READ = "rows_read"
ROWS_WRITTEN = "rows_written"
ROWS_DELETED = "rows_deleted"
BYTES_READ = "bytes_read"
BYTES_WRITTEN = "bytes_written"
"""Names of a run's metrics: of a load the rows that came and those that count as done, of a deletion those that are
gone, of an export those that were written to the file."""

BEAT_LIMIT_SECONDS = 30
"""Who works by a caller's credentials and gives no sign of life for so long is dead: nobody can do it in its place."""

_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"


class _Model(BaseModel):
    # What is wrong is told without what was said: it may be a secret, or somebody's data.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


@unique
class WriteAction(StrEnum):
    """What becomes of rows whose key is in the table, and of those whose key is not."""

    INSERT = "insert"
    UPDATE = "update"
    UPSERT = "upsert"


@unique
class RowFormat(StrEnum):
    """Forms of a file with rows. Parquet is only written."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class InlineSource(_Model):
    """Rows that came with the request: a document of the work bucket."""

    kind: Literal["inline"] = "inline"
    key: str


class FileSource(_Model):
    """A file of the org's own, see `jobruns.file_paths`."""

    kind: Literal["file"] = "file"
    path: str = Field(max_length=1024)


class S3Object(_Model):
    """An object in a bucket of the caller's, which the caller's credentials open."""

    kind: Literal["s3"] = "s3"
    bucket: str = Field(pattern=_BUCKET)
    key: str = Field(min_length=1, max_length=1024)
    region: str | None = Field(default=None, pattern=rf"^{REGION}$")


class UrlSource(_Model):
    """What is downloaded from a URL.

    ``partial`` says that this is the URL without what of it may be a secret; the whole of it is in `CallerCredentials`.
    """

    kind: Literal["url"] = "url"
    url: str = Field(max_length=8192)
    partial: bool = False


class FileTarget(_Model):
    """A file of the org's own that is written, or written anew."""

    kind: Literal["file"] = "file"
    path: str = Field(max_length=1024)


class Load(_Model):
    """Rows are written into a table by their keys.

    ``structures`` says whether a cell of a CSV file that looks like a JSON object or array is taken for one.
    """

    kind: Literal["load"] = "load"
    table_id: str
    action: WriteAction = WriteAction.INSERT
    source: Annotated[InlineSource | FileSource | S3Object | UrlSource, Field(discriminator="kind")]
    format: Literal[RowFormat.CSV, RowFormat.JSON] = RowFormat.CSV
    structures: bool = True


class DeleteBefore(_Model):
    """Rows that were made before a moment are deleted."""

    kind: Literal["delete_before"] = "delete_before"
    table_id: str
    before: AwareDatetime


@unique
class Comparator(StrEnum):
    """How an attribute is compared with a value."""

    EQUALS = "equals"
    NOT_EQUAL = "not_equal"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    GREATER_THAN = "greater_than"
    GREATER_THAN_EQUAL = "greater_than_equal"
    LESS_THAN = "less_than"
    LESS_THAN_EQUAL = "less_than_equal"
    BETWEEN = "between"


class Condition(_Model):
    """An attribute compared with a value; with a pair of them where it is to be between."""

    attribute: str
    comparator: Comparator = Comparator.EQUALS
    value: Any = None


class Group(_Model):
    """Conditions of which all have to hold, or one."""

    conditions: tuple["Condition | Group", ...] = Field(min_length=1)
    every: bool = True


class Order(_Model):
    """An attribute by whose values rows are put into order.

    Null comes first, then false and true, numbers, texts, moments, and objects and arrays; all the other way round
    where it is ``descending``.
    """

    attribute: str
    descending: bool = False


class TableQuery(_Model):
    """Which rows of a table, and what of them.

    ``attributes`` of ``None`` are all there are. With ``keys`` the rows with these are given, in this order, and
    nothing else is looked at. Otherwise ``every`` says whether all conditions have to hold or one is enough; the rows
    come in the ``order``, of which each member counts where those before it have equal values.
    """

    attributes: tuple[str, ...] | None = None
    keys: tuple[Any, ...] | None = None
    conditions: tuple[Condition | Group, ...] = ()
    every: bool = True
    order: tuple[Order, ...] = ()
    offset: int = Field(default=0, ge=0)
    limit: int | None = Field(default=None, ge=0)

    def named_attributes(self) -> set[str]:
        """Name the attributes that are asked for or looked at: whoever asks has to be allowed to read them."""
        named = {*(self.attributes or ()), *(order.attribute for order in self.order)}
        pending: list[Condition | Group] = list(self.conditions)
        while pending:
            condition = pending.pop()
            if isinstance(condition, Group):
                pending.extend(condition.conditions)
            else:
                named.add(condition.attribute)
        return named


class SqlTable(_Model):
    """A table that a query in SQL reads, by the name it has there; without ``attributes`` there are all."""

    name: str
    table_id: str
    attributes: tuple[str, ...] | None = None


class SqlQuery(_Model):
    """A query in SQL: one SELECT, and the tables it reads."""

    sql: str
    tables: tuple[SqlTable, ...] = Field(min_length=1)


class Export(_Model):
    """Rows are written to a file. Where the query is of several tables, ``table_id`` is of the first.

    The query is a document of the work bucket, a `TableQuery` or a `SqlQuery`: it has values of rows, and what a run is
    told may be read by whoever may read of runs.
    """

    kind: Literal["export"] = "export"
    table_id: str
    query_key: str
    format: RowFormat = RowFormat.JSON
    target: Annotated[FileTarget | S3Object, Field(discriminator="kind")]


OperationSpec = Annotated[Load | DeleteBefore | Export, Field(discriminator="kind")]
"""Everything an operation is told: the arguments of its run."""

_SPEC: TypeAdapter[Load | DeleteBefore | Export] = TypeAdapter(OperationSpec)


def read_operation(arguments: dict[str, Any]) -> Load | DeleteBefore | Export:
    """Read the arguments of a run.

    Raises
    ------
    InvalidInputError
        They are no operation's.
    """
    try:
        return _SPEC.validate_python(arguments)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInputError(f"{where}: {first['msg']}" if where else first["msg"], field=where or None) from None


class S3Credentials(_Model):
    """What opens a bucket of the caller's."""

    access_key_id: SecretStr
    secret_access_key: SecretStr
    session_token: SecretStr | None = None


class CallerCredentials(_Model):
    """What opens the caller's own places, for one operation.

    It goes from the door straight to the function that works by it, and is written nowhere: not to the run, its events
    and its arguments, to no log, no queue of ours and no input of a state machine.
    """

    s3: S3Credentials | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    url: SecretStr | None = None

    def reveal(self) -> dict[str, Any]:
        """Write it for who works by it."""
        told: dict[str, Any] = {"headers": {name: value.get_secret_value() for name, value in self.headers.items()}}
        if self.url is not None:
            told["url"] = self.url.get_secret_value()
        if self.s3 is not None:
            secrets = {name: getattr(self.s3, name) for name in S3Credentials.model_fields}
            told["s3"] = {name: value.get_secret_value() for name, value in secrets.items() if value is not None}
        return told


def handed_over(run: Run) -> bool:
    """Whether an operation is done by a function that the door itself has called, with the caller's credentials.

    All others are done by a function that the state machine calls, waits for, and calls again when it dies. Such a
    run needs no sign of life, so that one that does is the other kind.
    """
    return run.executor is Executor.OPERATION and run.heartbeat_seconds is not None


class WriteResult(_Model):
    """What became of records that were written; keys are in the order in which they came.

    Whether it is known which ones were skipped is another matter after an answer was lost: then there are no keys.
    """

    total: int
    written: int
    written_keys: tuple[Any, ...]
    skipped_keys: tuple[Any, ...]


class DeleteResult(_Model):
    """What became of keys whose rows were to be deleted."""

    deleted_keys: tuple[Any, ...]
    missing_keys: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as a query sees it: by which name, and which of its attributes; with ``None`` all."""

    name: str
    table: Table
    attributes: tuple[str, ...] | None = None


class TableFacts(_Model):
    """What a table has in it. ``attributes`` are without the primary key and the two times."""

    attributes: tuple[str, ...] = ()
    rows: int = 0
    bytes: int = 0
    changed_at: AwareDatetime | None = None
