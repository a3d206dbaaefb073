"""What a run of the executor ``singer`` does: which tap, which target, and what lies between them.

These are the run's arguments. What is secret is not among them, only where it is kept.
https://github.com/singer-io/getting-started/blob/master/docs/SPEC.md
"""

from enum import StrEnum, unique
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobruns.errors import InvalidInputError

FULL_SYNC = "full_sync"
INCREMENTAL_SYNC = "incremental_sync"


@unique
class Side(StrEnum):
    """The two ends of a sync."""

    TAP = "tap"
    TARGET = "target"


class Connector(BaseModel):
    """A tap or a target: a program of a package.

    Parameters
    ----------
    name : str
        What people call it.
    package : str, optional
        The package as pip takes it, ``name`` or ``name==version``; by default `name`.
    executable : str, optional
        The program, by default that of the package's name.
    catalog_option : str
        How a tap is told its catalog; some know only the older word.
    """

    model_config = ConfigDict(frozen=True)

    name: str = Field(min_length=1, max_length=255)
    package: str | None = Field(default=None, max_length=255)
    executable: str | None = Field(default=None, max_length=255, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    catalog_option: Literal["--catalog", "--properties"] = "--catalog"

    @property
    def requirement(self) -> str:
        """What has to be installed."""
        return self.package or self.name


class SyncWork(BaseModel):
    """What is to be done.

    Parameters
    ----------
    tap, target : Connector, optional
        Where rows come from and go to; without a tap the caller's payload takes the place of rows.
    script : str, optional
        Key, in the landing bucket, of a Python file that makes of what the tap gave what the target takes.
    script_package : str, optional
        What the script imports from, as pip takes it.
    discover : bool
        Whether the tap is asked for its catalog first.
    catalog_key : str, optional
        Key, in the work bucket, of the catalog of a tap that is not asked.
    streaming : bool
        Whether the tap's output goes into the target as it comes; no script then.
    fail_on_refused : bool
        Whether records that the destination refused make the run fail. A target that had some ends well all the same.
    config_secret : str, optional
        Name of the secret with the configuration of both.
    connector : str, optional
        Which of the secret's connectors is meant, and with `side` for which end.
    request_key : str, optional
        Key, in the bucket of the runs' files, of what the caller said that is secret or large.
    sync_type : str
        A word for the programs: whether they begin anew, or take up from a state.
    about : dict
        What the programs are told of the run, as environment variables: names in capitals.
    """

    model_config = ConfigDict(frozen=True)

    tap: Connector | None = None
    target: Connector | None = None
    script: str | None = None
    script_package: str | None = Field(default=None, max_length=255)
    discover: bool = False
    catalog_key: str | None = None
    streaming: bool = False
    fail_on_refused: bool = False
    config_secret: str | None = None
    connector: str | None = None
    side: Side | None = None
    request_key: str | None = None
    sync_type: str = FULL_SYNC
    about: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.tap is None and self.target is None:
            raise ValueError("a sync has a tap or a target")
        if self.streaming and (self.tap is None or self.target is None or self.script is not None):
            raise ValueError("what streams has a tap and a target, and no script")
        return self


def read_work(arguments: object) -> SyncWork:
    """Read what a run's arguments say is to be done.

    Raises
    ------
    InvalidInputError
        They say nothing that can be done.
    """
    try:
        return SyncWork.model_validate(arguments)
    except ValueError as error:
        raise InvalidInputError(f"the arguments of a sync cannot be used: {error}", field="arguments") from None
