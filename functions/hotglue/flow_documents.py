"""What environments and flows are told to be, and how both are kept and shown.

How a tap or target gets at its data is secret. It is kept apart from the ledger, one secret for a flow; a document has
the names of its members only, and shows those with stars in place of values.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hotglue.names import read_connector
from jobruns.errors import InvalidInputError
from jobruns.job import MAX_TIMEOUT_SECONDS

HIDDEN = "***"
MAX_CONNECTORS = 50
"""A list of the jobs of a tenant looks into those of each connector."""

_VERSION = r"(?:===|==|~=|!=|>=|<=|>|<) *[A-Za-z0-9.*+!_-]{1,50}"
_REQUIREMENT = re.compile(
    rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,99}}(?:\[[A-Za-z0-9._, -]{{0,100}}\])?(?: *{_VERSION}(?: *, *{_VERSION}){{0,9}})?"
)
_EXECUTABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SCRIPT = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|\Z))[A-Za-z0-9][A-Za-z0-9._/-]{0,254}\.py")

_STRICT = ConfigDict(frozen=True, extra="forbid")


def _name(text: str) -> str:
    try:
        return read_connector(text, "name")
    except InvalidInputError as error:
        raise ValueError(error.message.partition(": ")[2]) from None


def _requirement(text: str) -> str:
    if not _REQUIREMENT.fullmatch(text):
        raise ValueError("must be the name of a package on PyPI, with a version if you like: name==1.2.3")
    return text


def _executable(text: str) -> str:
    if not _EXECUTABLE.fullmatch(text):
        raise ValueError("must be the name of a program that the package brings")
    return text


def _script(text: str) -> str:
    if not _SCRIPT.fullmatch(text):
        raise ValueError("must be the path of a Python file below the org's scripts, such as etl/orders.py")
    return text


Name = Annotated[str, AfterValidator(_name)]


class Connector(BaseModel):
    """A tap or a target: a program of a package that speaks Singer.

    ``config`` is what it is given to work with, and is kept as a secret. Where it is not sent, what is there stays.
    """

    model_config = _STRICT

    name: Name
    package: Annotated[str, AfterValidator(_requirement)] | None = None
    executable: Annotated[str, AfterValidator(_executable)] | None = None
    catalog_option: Literal["--catalog", "--properties"] = "--catalog"
    config: dict[str, Any] | None = Field(default=None, repr=False)


class LinkedConnector(BaseModel):
    """A connector of a flow of version 2: what it is when it is read from, and when it is written to."""

    model_config = _STRICT

    tap: Connector | None = None
    target: Connector | None = None


class TaskDefinition(BaseModel):
    """What a job runs on: memory in MiB, cpu in 1024ths of one."""

    model_config = _STRICT

    id: str = Field(max_length=200)
    memory: int | None = Field(default=None, ge=0)
    cpu: int | None = Field(default=None, ge=0)
    region: str | None = Field(default=None, max_length=64)


class Flow(BaseModel):
    """A flow.

    The ``runner`` of its jobs is ``external``, a worker of the caller's that reports them, or ``singer``: this
    service then runs tap, script and target. A ``script`` is a path below ``<org>/scripts/`` of the bucket of runs, and
    may import from the folder of ``script_package``.
    """

    model_config = _STRICT

    name: str | None = Field(default=None, max_length=200)
    version: Literal[1, 2] = 1
    runner: Literal["external", "singer"] = "external"
    tap: Connector | None = None
    target: Connector | None = None
    connectors: dict[Name, LinkedConnector] = Field(default_factory=dict, max_length=MAX_CONNECTORS)
    catalog: dict[str, Any] | None = None
    script: Annotated[str, AfterValidator(_script)] | None = None
    script_package: Annotated[str, AfterValidator(_requirement)] | None = None
    discover: bool = False
    task_type: Literal["STANDARD", "LOW_LATENCY", "STATIC_IP"] = "STANDARD"
    task_definition: TaskDefinition | None = None
    timeout_seconds: int | None = Field(default=None, ge=1, le=MAX_TIMEOUT_SECONDS)
    heartbeat_seconds: int | None = Field(default=None, ge=1)
    notify_after_seconds: int | None = Field(default=None, ge=1)
    fail_job_on_record_failures: bool = False

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.version == 1 and self.connectors:
            raise ValueError("a flow of version 1 has a tap and a target; connectors are of version 2")
        if self.runner == "singer":
            for place, connector in self.sides():
                if connector.package is None:
                    raise ValueError(f"{'.'.join(place)}: a flow that is run here names the package of each program")
            if self.version == 1 and self.tap is None:
                raise ValueError("a flow that is run here has a tap")
        return self

    def sides(self) -> Iterator[tuple[tuple[str, ...], Connector]]:
        """Give its taps and targets, each with the place it has in the document."""
        for side in ("tap", "target"):
            if (connector := getattr(self, side)) is not None:
                yield (side,), connector
        for name, linked in self.connectors.items():
            for side in ("tap", "target"):
                if (connector := getattr(linked, side)) is not None:
                    yield ("connectors", name, side), connector


class Environment(BaseModel):
    """An environment.

    ``extended_statuses`` says whether its jobs may end as ``JOB_CANCELLED`` and ``JOB_FAILED``, which the reference
    does not know.
    """

    model_config = _STRICT

    name: str | None = Field(default=None, max_length=200)
    extended_statuses: bool = True


Configs = dict[str, Any]
"""All configs of a flow: ``tap`` and ``target``, and ``connectors`` with those of each."""


def gather_configs(flow: Flow, kept: Configs) -> Configs:
    """Give the configs that a flow is to have: those that were sent, and of what was not sent those that are kept."""
    gathered: Configs = {}
    for place, connector in flow.sides():
        before = find_config(kept, place)
        config = before if connector.config is None else _keep_hidden(connector.config, before or {})
        if config is not None:
            _put(gathered, place, config)
    return gathered


def find_config(configs: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, Any] | None:
    """Find a config by its place."""
    found: Any = configs
    for name in place:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, dict) else None


def write_body(flow: Flow, configs: Configs) -> dict[str, Any]:
    """Write a flow as the ledger keeps it: of the configs it has the names of members."""
    body = flow.model_dump(exclude_none=True)
    for place, _ in flow.sides():
        holder = _at(body, place)
        holder.pop("config", None)
        if (config := find_config(configs, place)) is not None:
            holder["config_members"] = sorted(config)
    return body


def read_body(body: Mapping[str, Any]) -> Flow:
    """Read a flow as the ledger keeps it, without its configs."""
    return Flow.model_validate(_without_members(body))


def show_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Write a flow as it is shown, all of it but for the values in its configs."""
    flow = read_body(body)
    shown = flow.model_dump()
    for place, _ in flow.sides():
        members = _at(body, place).get("config_members")
        _at(shown, place)["config"] = None if members is None else dict.fromkeys(members, HIDDEN)
    return shown


def _keep_hidden(config: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Give a config that was sent; a value that was sent as it is shown stays what it was."""
    return {name: before.get(name) if value == HIDDEN else value for name, value in config.items()}


def _without_members(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: _without_members(member) for name, member in value.items() if name != "config_members"}


def _at(body: Any, place: tuple[str, ...]) -> Any:
    for name in place:
        body = body[name]
    return body


def _put(configs: Configs, place: tuple[str, ...], config: dict[str, Any]) -> None:
    *parents, last = place
    for name in parents:
        configs = configs.setdefault(name, {})
    configs[last] = config
