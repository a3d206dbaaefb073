"""The table document and its settings, of which `autoingest` is the one that does something here."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hydrolix.admission import DOOR, Caller
from hydrolix.bodies import deep_merge
from hydrolix.fields import describe_fields
from hydrolix.members import READ_ONLY, Description, Identity, Name
from hydrolix.moments import write_time
from jobruns.table import Table, check_pattern

SETTINGS: dict[str, Any] = {
    "stream": {
        "hot_data_max_age_minutes": 3,
        "hot_data_max_active_partitions": 12,
        "hot_data_max_rows_per_partition": 12_288_000,
        "hot_data_max_minutes_per_partition": 1,
        "hot_data_max_open_seconds": 5,
        "hot_data_max_idle_seconds": 5,
        "cold_data_max_age_days": 3650,
        "cold_data_max_active_partitions": 168,
        "cold_data_max_rows_per_partition": 12_288_000,
        "cold_data_max_minutes_per_partition": 60,
        "cold_data_max_open_seconds": 30,
        "cold_data_max_idle_seconds": 30,
    },
    "age": {"max_age_days": 0},
    "reaper": {"max_age_days": 1},
    "merge": {"enabled": True},
    "autoingest": [],
    "sort_keys": [],
    "shard_key": None,
    "max_future_days": 0,
    "max_request_bytes": 0,
    "rate_limit": None,
    "default_query_options": {},
}
"""Shown where a table says nothing else. Clients edit the whole settings and send them back."""

MAX_ENTRIES = 100
_NUMBER = re.compile(r"-?[0-9]{1,18}")


class AutoingestEntry(BaseModel):
    """One wish that uploads be loaded into the table as they come. Numbers and booleans may come as text."""

    model_config = ConfigDict(extra="allow", frozen=True)

    enabled: bool = False
    source: str = ""
    source_region: str = ""
    pattern: Annotated[str, AfterValidator(check_pattern)] = ""
    max_rows_per_partition: Annotated[int, Field(ge=0)] = 12_288_000
    max_minutes_per_partition: Annotated[int, Field(ge=0)] = 60
    max_active_partitions: Annotated[int, Field(ge=0)] = 50
    dry_run: bool = False
    name: str | None = None
    transform: str | None = Field(default=None, max_length=256)
    source_credential_id: str | None = None
    bucket_credential_id: str | None = None


def _as_list(value: Any) -> Any:
    if value is None:
        return []
    return [value] if isinstance(value, dict) else value


def _like(default: Any, value: Any) -> Any:
    """Give a value the type of its default where it is that in other words: clients send what people type as text."""
    if isinstance(default, dict) and isinstance(value, dict):
        return {name: _like(default.get(name), inner) for name, inner in value.items()}
    if isinstance(value, str) and isinstance(default, bool) and value in ("true", "false"):
        return value == "true"
    if isinstance(value, str) and type(default) is int and _NUMBER.fullmatch(value):
        return int(value)
    return value


class TableSettings(BaseModel):
    """Settings of a table; those that do nothing here are kept and shown."""

    model_config = ConfigDict(extra="allow", frozen=True)

    autoingest: Annotated[list[AutoingestEntry], BeforeValidator(_as_list)] = Field(
        default_factory=list, max_length=MAX_ENTRIES
    )

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, sent: Any) -> Any:
        return _like(SETTINGS, sent)


class TableDocument(BaseModel):
    """What is sent to create or to change a table."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[Name, Field(strict=True)]
    description: Annotated[Description, Field(strict=True)] | None = None
    uuid: Annotated[Identity, Field(strict=True)] | None = None
    type: Literal["turbine"] = "turbine"
    settings: TableSettings = Field(default_factory=TableSettings)


def table_fields() -> dict[str, Any]:
    """Describe what may be sent of a table, for ``OPTIONS``."""
    read_only = {**READ_ONLY, "project": "field", "primary_key": "string"}
    return describe_fields(TableDocument, read_only=read_only, shown={"settings": SETTINGS})


def keep_table(document: TableDocument, extra: dict[str, Any], *, creator: str | None = None) -> dict[str, Any]:
    """Give what the core keeps for us with the table: its `extra`, with our part put in place."""
    kept, was = document.model_dump(include={"description", "type", "settings"}), extra.get(DOOR, {})
    ours = {"primary_key": was.get("primary_key", ""), "created_by": creator or was.get("created_by")}
    return {**extra, DOOR: {**kept, **ours}}


def autoingest_of(table: Table) -> list[AutoingestEntry]:
    """Give the table's wishes for uploads."""
    kept = table.extra.get(DOOR, {}).get("settings", {})
    return TableSettings.model_validate(kept).autoingest


def render_table(table: Table, caller: Caller) -> dict[str, Any]:
    """Show a table."""
    kept = table.extra.get(DOOR, {})
    return {
        "name": table.name,
        "project": table.project_id,
        "description": kept.get("description"),
        "uuid": table.table_id,
        "url": f"{caller.org_url}/projects/{table.project_id}/tables/{table.table_id}/",
        "created": write_time(table.created_at),
        "modified": write_time(table.modified_at),
        "type": kept.get("type", "turbine"),
        "primary_key": kept.get("primary_key", ""),
        "publish_task_id": 1,
        "settings": deep_merge(SETTINGS, kept.get("settings", {})),
    }
