"""Permissions of roles as this door's clients write them, and rights that are missing as they are told of them.

What is allowed is decided by the rules that every door has: `jobruns.grants`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from hdb.errors import MissingRights, NoTableError, RestrictedError
from hdb.fields import Reader
from jobruns.errors import AccessDeniedError, MissingRightsError
from jobruns.grants import NO_RIGHTS, Grants, Missing, Need, Right, Rights, TableGrant, missing

SYSTEM_SCHEMA = "system"
"""Where the reference keeps its own; nobody writes there."""

_OTHERS = frozenset({"super_user", "structure_user", "cluster_user", "operations"})
_ATTRIBUTE = "attribute_name"


def require_rights(grants: Grants, needs: Iterable[Need]) -> None:
    """Check that rights are there on tables.

    Raises
    ------
    RestrictedError
        They are not; a table with whose rows nothing may be done does not exist for the caller.
    """
    wanted = list(needs)
    gaps = [Missing(need.project, need.table, visible=False) for need in wanted if need.project == SYSTEM_SCHEMA]
    if gaps := gaps or missing(grants, wanted):
        raise tell_missing(gaps)


def explain_missing(error: MissingRightsError) -> RestrictedError:
    """Tell of what the core says is missing as this door's clients know it."""
    return tell_missing(error.missing)


def tell_denied(error: AccessDeniedError) -> str:
    """Tell, as the end of a job, that the caller may not have it done."""
    told = explain_missing(error) if isinstance(error, MissingRightsError) else error
    return ", ".join(told.invalid) if isinstance(told, RestrictedError) and told.invalid else told.message


def tell_missing(gaps: Iterable[Missing]) -> RestrictedError:
    """Tell which rights are missing."""
    unauthorized: list[MissingRights] = []
    unseen: list[str] = []
    for gap in gaps:
        if not gap.visible:
            unseen.append(NoTableError(gap.project, gap.table).message)
            continue
        closed = tuple((part.attribute, part.rights) for part in gap.attributes if part.visible)
        unseen.extend(
            f"attribute '{part.attribute}' does not exist on '{gap.project}.{gap.table}'"
            for part in gap.attributes
            if not part.visible
        )
        if gap.rights or closed:
            unauthorized.append(MissingRights(gap.project, gap.table, gap.rights, closed))
    return RestrictedError(unauthorized, unseen)


def read_permission(document: Mapping[str, Any], reader: Reader) -> Grants:
    """Read the permissions of a role: two flags, and for each database the rights on its tables.

    What is not understood is told to `reader`, since a role must not allow more, or less, than it says.
    """
    tables: dict[str, dict[str, TableGrant]] = {}
    for schema, given in document.items():
        if schema in _OTHERS:
            continue
        parts = given.get("tables", {}) if isinstance(given, Mapping) else None
        if not isinstance(parts, Mapping):
            reader.fail(f"Permission of database '{schema}' must be an object with tables")
            continue
        tables[schema] = {table: _read_table(f"{schema}.{table}", rights, reader) for table, rights in parts.items()}
    if not isinstance(document.get("super_user", False), bool):
        reader.fail("Permission super_user must be a boolean")
    structure = document.get("structure_user", False)
    if isinstance(structure, list) and all(isinstance(name, str) for name in structure):
        structure = frozenset(structure)
    elif not isinstance(structure, bool):
        reader.fail("Permission structure_user must be a boolean or an array of databases")
        structure = False
    return Grants(everything=document.get("super_user") is True, shapes=structure, tables=tables)


def _read_table(name: str, given: Any, reader: Reader) -> TableGrant:
    if not isinstance(given, Mapping):
        reader.fail(f"Permission of table '{name}' must be an object")
        return TableGrant()
    rights = _read_rights(f"table '{name}'", given, Right, reader)
    listed = given.get("attribute_permissions") or []
    if not isinstance(listed, list) or not all(
        isinstance(part, Mapping) and isinstance(part.get(_ATTRIBUTE), str) for part in listed
    ):
        reader.fail(f"Permission attribute_permissions of table '{name}' must be an array of named attributes")
        return TableGrant()
    attributes: dict[str, Rights] = {}
    for part in listed:
        where = f"attribute '{part[_ATTRIBUTE]}' of table '{name}'"
        held = _read_rights(where, part, (Right.READ, Right.INSERT, Right.UPDATE), reader)
        if held - rights:
            reader.fail(f"Permission of {where} is more than the table's")
        attributes[part[_ATTRIBUTE]] = held & rights
    return TableGrant(rights=rights, attributes=attributes or None)


def _read_rights(where: str, given: Mapping[str, Any], known: Iterable[Right], reader: Reader) -> frozenset[Right]:
    held = NO_RIGHTS
    for right in known:
        if not isinstance(given.get(right, False), bool):
            reader.fail(f"Permission {right} of {where} must be a boolean")
        elif given.get(right):
            held |= {right}
    return held
