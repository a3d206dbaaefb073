"""What may be done with the rows of tables, and what of it is missing: rules, and nothing but rules.

A right is held on all tables, on one table, or on single attributes of a table. Where a grant names attributes, those
it does not name are closed, but for the table's key: whoever may do something with any attribute may do it with the
key, as no row can be told from another without. Deleting takes whole rows, so it knows no attributes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator


@unique
class Right(StrEnum):
    """What may be done with rows."""

    READ = "read"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


NO_RIGHTS: frozenset[Right] = frozenset()
ALL_RIGHTS = frozenset(Right)
LOAD_RIGHTS = frozenset({Right.INSERT, Right.UPDATE})
"""What a load needs, as it may do either with any of its rows."""

Rights = Annotated[frozenset[Right], PlainSerializer(lambda rights: [*in_order(rights)], return_type=list[str])]
Names = Annotated[frozenset[str], PlainSerializer(sorted, return_type=list[str])]


def in_order(rights: Iterable[Right]) -> tuple[Right, ...]:
    """Give rights in the one order that they are told in."""
    held = frozenset(rights)
    return tuple(right for right in Right if right in held)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class TableGrant(_Model):
    """What may be done with the rows of one table.

    Parameters
    ----------
    rights : frozenset of Right
        With its rows.
    attributes : mapping, optional
        Where it is there, only with these attributes, each as far as said here; ``None`` is all of them.
    """

    rights: Rights = NO_RIGHTS
    attributes: Mapping[str, Rights] | None = None

    @model_validator(mode="after")
    def _attributes_within(self) -> Self:
        for name, rights in (self.attributes or {}).items():
            if beyond := in_order(rights - (self.rights - {Right.DELETE})):
                raise ValueError(f"attribute {name!r}: {beyond[0]} is not among the table's rights on attributes")
        return self

    def on(self, attribute: str, *, key: str | None = None) -> frozenset[Right]:
        """Give what may be done with an attribute; `key` is the name of the table's key."""
        if self.attributes is None:
            return self.rights
        if attribute == key:
            return NO_RIGHTS.union(*self.attributes.values())
        return self.attributes.get(attribute, NO_RIGHTS)


_NOTHING = TableGrant()


class Grants(_Model):
    """What somebody may do with tables.

    Parameters
    ----------
    everything : bool
        All of it, and all else there is: an admin.
    shapes : bool or frozenset of str
        Whether projects, tables and attributes may be made and dropped: all, or those in these projects.
    everywhere : frozenset of Right
        With the rows of every table.
    tables : mapping
        With those of single tables, by the name of the project and that of the table.
    """

    everything: bool = False
    shapes: bool | Names = False
    everywhere: Rights = NO_RIGHTS
    tables: Mapping[str, Mapping[str, TableGrant]] = Field(default_factory=dict)

    def may_shape(self, project: str | None) -> bool:
        """Whether tables may be made and dropped in a project; ``None`` is one that nobody knows."""
        if self.everything:
            return True
        return self.shapes if isinstance(self.shapes, bool) else project in self.shapes

    def on(self, project: str, table: str) -> frozenset[Right]:
        """Give what may be done with rows of a table, with some attributes at least."""
        if self.everything:
            return ALL_RIGHTS
        return self.everywhere | self._table(project, table).rights

    def on_attribute(self, project: str, table: str, attribute: str, *, key: str | None = None) -> frozenset[Right]:
        """Give what may be done with an attribute of a table; `key` is the name of the table's key."""
        if self.everything:
            return ALL_RIGHTS
        return self.everywhere | self._table(project, table).on(attribute, key=key)

    def sees(self, project: str, table: str) -> bool:
        """Whether the table is there, for whoever holds these."""
        return bool(self.on(project, table))

    def open_attributes(
        self, right: Right, project: str, table: str, attributes: Iterable[str], *, key: str | None = None
    ) -> list[str]:
        """Keep of a table's attributes those that `right` is held on: what "all of them" means to this caller."""
        return [name for name in attributes if right in self.on_attribute(project, table, name, key=key)]

    def _table(self, project: str, table: str) -> TableGrant:
        return self.tables.get(project, {}).get(table, _NOTHING)


@dataclass(frozen=True, slots=True)
class Need:
    """What a step does with a table.

    Parameters
    ----------
    project, table : str
        Which.
    rights : mapping
        What is done, each with the attributes it is done with. Where there are none it is done with whole rows, or with
        whatever the caller may.
    key : str, optional
        Name of the table's key, where it is known.
    """

    project: str
    table: str
    rights: Mapping[Right, frozenset[str]]
    key: str | None = None

    @classmethod
    def of(
        cls, project: str, table: str, *rights: Right, attributes: Iterable[str] = (), key: str | None = None
    ) -> Self:
        """Make a need where all is done with the same attributes."""
        names = frozenset(attributes)
        return cls(project, table, {right: NO_NAMES if right is Right.DELETE else names for right in rights}, key)


NO_NAMES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MissingOnAttribute:
    """Rights that are missing on an attribute. One on which none is held is not `visible`: it does not exist."""

    attribute: str
    rights: tuple[Right, ...]
    visible: bool


@dataclass(frozen=True, slots=True)
class Missing:
    """What of a need is missing on one table.

    Parameters
    ----------
    project, table : str
        Which.
    rights : tuple of Right
        Missing on the table as a whole.
    attributes : tuple of MissingOnAttribute
        Missing on attributes only, by name; the table has the right.
    visible : bool
        Whether any right on the table is held; where none is, the table does not exist for the caller.
    """

    project: str
    table: str
    rights: tuple[Right, ...] = ()
    attributes: tuple[MissingOnAttribute, ...] = ()
    visible: bool = True


@dataclass(slots=True)
class _Sum:
    """All needs on one table."""

    rights: dict[Right, set[str]] = field(default_factory=dict)
    key: str | None = None


def missing(grants: Grants, needs: Iterable[Need]) -> list[Missing]:
    """Tell what is missing for needs to be met, table by table in the order they were first named.

    Returns
    -------
    list of Missing
        Empty where nothing is.
    """
    sums: dict[tuple[str, str], _Sum] = {}
    for need in needs:
        added = sums.setdefault((need.project, need.table), _Sum())
        added.key = added.key or need.key
        for right, attributes in need.rights.items():
            added.rights.setdefault(right, set()).update(attributes)
    found = (_missing_on(grants, project, table, added) for (project, table), added in sums.items())
    return [gap for gap in found if gap is not None]


def _missing_on(grants: Grants, project: str, table: str, wanted: _Sum) -> Missing | None:
    held = grants.on(project, table)
    lacking = in_order(wanted.rights.keys() - held)
    if not held and lacking:
        return Missing(project, table, lacking, visible=False)
    attributes: list[MissingOnAttribute] = []
    for name in sorted(NO_NAMES.union(*wanted.rights.values())):
        open_to = grants.on_attribute(project, table, name, key=wanted.key)
        closed = in_order(right for right in held if name in wanted.rights.get(right, ()) and right not in open_to)
        if closed:
            attributes.append(MissingOnAttribute(name, closed, visible=bool(open_to)))
    return Missing(project, table, lacking, tuple(attributes)) if lacking or attributes else None


def describe_missing(gaps: Sequence[Missing]) -> str:
    """Say what is missing, in one sentence for people."""
    parts: list[str] = []
    for gap in gaps:
        name = f"{gap.project}.{gap.table}"
        if gap.rights:
            parts.append(f"{', '.join(gap.rights)} on {name}")
        parts.extend(f"{', '.join(closed.rights)} on {closed.attribute} of {name}" for closed in gap.attributes)
    return f"the caller's role has no right to {'; '.join(parts)}"
