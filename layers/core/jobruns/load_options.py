"""The ingest executor's own command line: a load said in arguments such as ``--table`` and ``--source``.

A run's arguments may instead be the members of a `jobruns.table.LoadSpec`, as the service's own callers write them.
What tells the two apart is the dashes.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from jobruns.bookmark import OPTION_ARGUMENT
from jobruns.errors import InvalidInputError
from jobruns.places import REGION, LoadSource
from jobruns.table import DEFAULT_UNIT_BYTES, MAX_READ_AHEAD, check_pattern

PREFIX = "--"

IGNORED_PREFIXES = ("--continuous-log-", "--customer-", "--enable-", "--extra-", "--write-shuffle-")
IGNORED_OPTIONS = frozenset(
    {
        "--additional-python-modules",
        "--auto-scale-within-microbatch",
        "--class",
        "--conf",
        "--datalake-formats",
        "--debug",
        "--disable-proxy-v2",
        "--executor-cores",
        "--job-language",
        "--JOB_ID",
        "--JOB_NAME",
        "--JOB_RUN_ID",
        "--library-set",
        "--mode",
        "--python-modules-installer-option",
        "--scriptLocation",
        "--spark-event-logs-path",
        "--TempDir",
        "--use-postgres-driver",
        "--user-jars-first",
    }
)
"""What AWS Glue's console, SDKs and tools set on every job for a script's sake. It says where a script finds its code
and where its measurements go; nothing of it changes which rows are loaded. ``--job-bookmark-from`` and
``--job-bookmark-to`` would, so they are not here, and a run that has them fails."""


class LoadOptions(BaseModel):
    """The options of a load.

    Parameters
    ----------
    table : str, optional
        ``<project>.<table>``; by default the table that the job is of.
    source : LoadSource
        As ``s3://bucket/key`` or ``s3://bucket/prefix/``.
    transform : str, optional
        Its name; by default the table's default transform.
    region : str, optional
        That of the source's bucket.
    pattern, max_files, unit_bytes, read_ahead, max_file_rows, partition_minutes, dry_run
        As of `jobruns.table.LoadSpec`; numbers and booleans may be texts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda name: PREFIX + name.replace("_", "-"))

    table: str | None = Field(default=None, min_length=1)
    source: LoadSource
    region: str | None = Field(default=None, pattern=rf"^{REGION}$")
    transform: str | None = Field(default=None, min_length=1)
    pattern: str = ""
    max_files: int = Field(default=0, ge=0)
    unit_bytes: int = Field(default=DEFAULT_UNIT_BYTES, ge=1)
    read_ahead: int = Field(default=0, ge=0, le=MAX_READ_AHEAD)
    max_file_rows: int = Field(default=0, ge=0)
    partition_minutes: int | None = Field(default=None, ge=0)
    dry_run: bool = False

    @field_validator("source", mode="before")
    @classmethod
    def _url(cls, source: Any) -> dict[str, str]:
        scheme, _, rest = source.partition("://") if isinstance(source, str) else ("", "", "")
        bucket, _, path = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise ValueError("must be the s3:// URL of an object or of a prefix")
        return {"bucket": bucket, "path": path}

    @field_validator("pattern")
    @classmethod
    def _bounded(cls, pattern: str) -> str:
        return check_pattern(pattern)


def read_load_options(arguments: Mapping[str, Any]) -> LoadOptions | None:
    """Read a run's arguments as options.

    Returns
    -------
    LoadOptions or None
        ``None`` where they have none of them: then they are members of a `jobruns.table.LoadSpec`.

    Raises
    ------
    InvalidInputError
        An option is unknown, missing or wrong; the message names it.
    """
    options = {name: value for name, value in arguments.items() if name.startswith(PREFIX) and not _ignored(name)}
    members = [name for name in arguments if not name.startswith(PREFIX)]
    if members and not options:
        return None
    if members:
        name = min(options)
        raise InvalidInputError(f"{name} cannot be combined with {members[0]}, which is no option", field=name)
    try:
        return LoadOptions.model_validate(options)
    except ValidationError as error:
        raise _describe(error) from None


def _ignored(name: str) -> bool:
    return name == OPTION_ARGUMENT or name in IGNORED_OPTIONS or name.startswith(IGNORED_PREFIXES)


def _describe(error: ValidationError) -> InvalidInputError:
    first = error.errors(include_url=False)[0]
    name, *inner = map(str, first["loc"])  # an option is named as it was written; what is wrong inside it, behind it
    match first["type"]:
        case "missing":
            reason = "is missing: a load needs it"
        case "extra_forbidden":
            known = ", ".join(sorted(field.alias or "" for field in LoadOptions.model_fields.values()))
            reason = f"is no option of a load; it has {known} and {OPTION_ARGUMENT}"
        case _:
            reason = "".join(f"its {part}: " for part in inner) + first["msg"].removeprefix("Value error, ")
    return InvalidInputError(f"{name}: {reason}", field=name)
