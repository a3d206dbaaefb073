"""Use case: find out what the arguments of an ingest run ask to be loaded, and into which table."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from jobruns.access import system_principal
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.load_options import LoadOptions
from jobruns.run import Run
from jobruns.service.definitions import describe_invalid
from jobruns.service.ports import Ports
from jobruns.service.tables import find_table_by_id, find_table_by_name, find_transform
from jobruns.table import LoadSpec, Table

INGEST = "ingest"


def read_load_members(arguments: Mapping[str, Any]) -> LoadSpec:
    """Read arguments that are the members of a load.

    Raises
    ------
    InvalidInputError
        They are not; the message names the member.
    """
    try:
        return LoadSpec.model_validate(arguments)
    except ValidationError as error:
        raise describe_invalid(error) from None


def resolve_load(ports: Ports, run: Run, options: LoadOptions) -> LoadSpec:
    """Find the table and the transform that the options of a run name.

    Raises
    ------
    NotFoundError
        There is no such table, or it has no such transform; the message names the option.
    InvalidInputError
        No table is named, and the job is of none.
    """
    try:
        table = _find_table(ports, run, options)
    except NotFoundError as error:
        raise NotFoundError(f"--table: {error.message}", field="--table") from None
    try:
        held = find_transform(ports, table, name=options.transform)
    except NotFoundError as error:
        raise NotFoundError(f"--transform: {error.message}", field="--transform") from None
    told = options.model_dump(exclude={"table", "transform", "region"})
    told["source"] |= {"region": options.region}
    return LoadSpec.model_validate({"table_id": table.table_id, "transform_id": held.transform_id, **told})


def _find_table(ports: Ports, run: Run, options: LoadOptions) -> Table:
    if options.table is not None:
        return find_table_by_name(ports, system_principal(run.org, INGEST), options.table)
    if run.target is None:
        raise InvalidInputError("--table: is missing: a load needs it", field="--table")
    return find_table_by_id(ports, run.org, run.target)
