"""Attributes of a table with a primary key, and the columns that hold them.

An attribute may have values of any kind in any row, a column of Iceberg has one type. The kind that is most frequent
when an attribute first comes decides about its column, which has the attribute's name; values of other kinds go to a
second column, as JSON, which is made when the first of them comes. An attribute without any value yet has a column for
texts, which another one replaces when the first value comes. Keys are kept in the same way, see `jobruns_data.keys`.
What a column is for, its comment says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import (
    BooleanType,
    DoubleType,
    IcebergType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from jobruns_data.aws import retrying
from jobruns_data.catalog import NEW_TABLE_PROPERTIES, TableTarget, load_table
from jobruns_data.errors import CommitConflictError, InvalidAttributeError, SchemaConflictError
from jobruns_data.keys import KeySpace
from jobruns_data.kinds import ARROW_TYPES, Kind, Values, any_texts

__all__ = [
    "CREATED",
    "UPDATED",
    "Attribute",
    "Layout",
    "create_keyed_table",
    "declare_attribute",
    "drop_attribute",
    "grow_table",
]

CREATED: Final = "__createdtime__"
UPDATED: Final = "__updatedtime__"
PRIMARY_KEY_PROPERTY: Final = "jobruns.primary-key"

NAME_LIMIT: Final = 250
ROW_GROUP_ROWS: Final = 16_384
_CONFLICTS: Final = 40
_ANY: Final = "any"
_DECLARED: Final = "declared"

_ICEBERG_TYPES: Final[Mapping[str, IcebergType]] = {
    Kind.NUMBER: DoubleType(),
    Kind.TEXT: StringType(),
    Kind.BOOLEAN: BooleanType(),
    Kind.MOMENT: TimestamptzType(),
    Kind.JSON: StringType(),
    _ANY: StringType(),
    _DECLARED: StringType(),
    KeySpace.NUMBERS: LongType(),
    KeySpace.TEXTS: StringType(),
}

_BY_TYPE: Final[Mapping[type[IcebergType], Kind]] = {
    DoubleType: Kind.NUMBER,
    StringType: Kind.TEXT,
    BooleanType: Kind.BOOLEAN,
    TimestamptzType: Kind.MOMENT,
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """Where the values of an attribute are.

    Parameters
    ----------
    name : str
    kind : Kind
        Of the values in ``column``.
    column : str
    other : str, optional
        Column with values of other kinds, as JSON.
    declared : bool
        Whether it never had a value.
    """

    name: str
    kind: Kind
    column: str
    other: str | None = None
    declared: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """All its columns."""
        return (self.column,) if self.other is None else (self.column, self.other)

    def holds(self, kinds: Iterable[Kind]) -> bool:
        """Whether values of all these kinds have a place."""
        if self.declared:
            return not any(True for _ in kinds)
        return self.other is not None or all(kind is self.kind for kind in kinds)

    def encode(self, values: Values, rows: int) -> dict[str, pa.Array]:
        """Put values into the columns."""
        columns = {self.column: values.get(self.kind)}
        if self.other is not None:
            others = [any_texts(kind, array) for kind, array in values.items() if kind is not self.kind]
            columns[self.other] = pc.coalesce(*others) if others else None
        return {
            name: pa.nulls(rows, ARROW_TYPES[self.kind] if name == self.column else pa.string())
            if array is None
            else array
            for name, array in columns.items()
        }


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns of a table are for.

    Parameters
    ----------
    primary_key : str
    key_columns : dict of KeySpace to str
        Those that exist.
    attributes : dict of str to Attribute
        By name, in the order of the columns; without the key and the two times.
    """

    primary_key: str
    key_columns: Mapping[KeySpace, str]
    attributes: Mapping[str, Attribute]

    @classmethod
    def of(cls, table: Table) -> Self:
        """Read the layout of a table.

        Raises
        ------
        SchemaConflictError
            It has no primary key.
        """
        primary_key = table.metadata.properties.get(PRIMARY_KEY_PROPERTY)
        if primary_key is None:
            raise SchemaConflictError(f"the table {'.'.join(table.name())} has no primary key")
        keys: dict[KeySpace, str] = {}
        mains: dict[str, tuple[Kind, str]] = {}
        others: dict[str, str] = {}
        declared: set[str] = set()
        for field in table.schema().fields:
            if field.name in {CREATED, UPDATED}:
                continue
            what, _, attribute = (field.doc or "").partition(":")
            attribute = attribute or field.name
            if what in set(KeySpace):
                keys[KeySpace(what)] = field.name
            elif what == _ANY:
                others[attribute] = field.name
            elif what == _DECLARED:
                mains[attribute] = (Kind.TEXT, field.name)
                declared.add(attribute)
            elif what in set(Kind):
                mains[attribute] = (Kind(what), field.name)
            elif type(field.field_type) in _BY_TYPE:
                mains[attribute] = (_BY_TYPE[type(field.field_type)], field.name)
        attributes = {name: Attribute(name, *main, others.get(name), name in declared) for name, main in mains.items()}
        return cls(primary_key, keys, attributes)


def create_keyed_table(catalog: Catalog, target: TableTarget, primary_key: str) -> Table:
    """Return the table, made if there is none. Its columns come with its rows.

    Raises
    ------
    SchemaConflictError
        It exists with another primary key, or without one.
    InvalidAttributeError
        The key's name cannot be one.
    """
    check_name(primary_key)
    table = retrying()(_load_or_create, catalog, target, primary_key)
    if (existing := Layout.of(table).primary_key) != primary_key:
        raise SchemaConflictError(
            f'the table {target.database}.{target.table} has the primary key "{existing}", not "{primary_key}"'
        )
    return table


def check_name(name: str) -> None:
    """Let a name of an attribute pass.

    Raises
    ------
    InvalidAttributeError
        It has a character that none may have, or is too long.
    """
    if not name or len(name) > NAME_LIMIT or any(c in "/`" or not c.isprintable() for c in name):
        raise InvalidAttributeError(name)


def grow_table(
    catalog: Catalog,
    target: TableTarget,
    table: Table,
    needs: Mapping[str, Sequence[Kind]],
    spaces: Sequence[KeySpace] = (),
) -> Table:
    """Return the table with a place for values of these kinds.

    Parameters
    ----------
    catalog : Catalog
    target : TableTarget
    table : Table
        As it was last seen.
    needs : dict of str to sequence of Kind
        By attribute, the most important kind first; none at all where it has no value.
    spaces : sequence of KeySpace
        Kinds of keys, the most important first.

    Raises
    ------
    InvalidAttributeError
        An attribute cannot have that name.
    CommitConflictError
        Other writers changed the table too often meanwhile.
    """
    for _ in range(_CONFLICTS):
        layout = Layout.of(table)
        replaced = [a.column for name in needs if needs[name] and (a := layout.attributes.get(name)) and a.declared]
        missing = _missing(table.schema(), layout, replaced, needs, spaces)
        if not missing:
            return table
        try:
            with table.update_schema(allow_incompatible_changes=bool(replaced)) as update:
                for column in replaced:
                    update.delete_column((column,))
                for name, (kind, doc) in missing.items():
                    update.add_column((name,), kind, doc=doc, required=False)
        except (CommitFailedException, ValueError):
            # Somebody else changed the table, perhaps by the same columns: look again.
            table = load_table(catalog, target)
        else:
            return table
    raise CommitConflictError(
        f"the table {target.database}.{target.table} is being changed by too many writers at once"
    )


def declare_attribute(catalog: Catalog, target: TableTarget, primary_key: str, name: str) -> bool:
    """Make an attribute before there is a value of it, and the table where there is none.

    Returns
    -------
    bool
        Whether it was not there.

    Raises
    ------
    InvalidAttributeError, CommitConflictError, SchemaConflictError
        See `grow_table` and `create_keyed_table`.
    """
    table = create_keyed_table(catalog, target, primary_key)
    if name in {primary_key, CREATED, UPDATED, *Layout.of(table).attributes}:
        return False
    grow_table(catalog, target, table, {name: ()})
    return True


def drop_attribute(catalog: Catalog, target: TableTarget, name: str) -> bool:
    """Take an attribute and its values out of the table; data files stay as they are.

    Returns
    -------
    bool
        Whether it was there.

    Raises
    ------
    InvalidAttributeError
        It is the key or one of the times, which stay.
    CommitConflictError
        Other writers changed the table too often meanwhile.
    """
    for _ in range(_CONFLICTS):
        table = load_table(catalog, target)
        layout = Layout.of(table)
        if name in {layout.primary_key, CREATED, UPDATED}:
            raise InvalidAttributeError(name)
        if name not in layout.attributes:
            return False
        with suppress(CommitFailedException, ValueError):
            with table.update_schema(allow_incompatible_changes=True) as update:
                for column in layout.attributes[name].columns:
                    update.delete_column((column,))
            return True
    raise CommitConflictError(
        f"the table {target.database}.{target.table} is being changed by too many writers at once"
    )


def _load_or_create(catalog: Catalog, target: TableTarget, primary_key: str) -> Table:
    try:
        return catalog.load_table(target.identifier)
    except NoSuchTableError:
        pass
    with suppress(NamespaceAlreadyExistsError):  # checked, then made: another caller may be in between
        catalog.create_namespace_if_not_exists(target.database)
    schema = Schema(
        *(NestedField(i, name, TimestamptzType(), required=False) for i, name in ((1, CREATED), (2, UPDATED)))
    )
    try:
        return catalog.create_table(
            target.identifier,
            schema,
            location=target.location.rstrip("/"),
            properties={
                **NEW_TABLE_PROPERTIES,
                PRIMARY_KEY_PROPERTY: primary_key,
                # Bounds cut to a length could not tell apart keys that begin alike, as addresses do.
                f"write.metadata.metrics.column.{primary_key}": "full",
                # A lookup reads the keys of one row group.
                "write.parquet.row-group-limit": str(ROW_GROUP_ROWS),
            },
        )
    except TableAlreadyExistsError:
        return catalog.load_table(target.identifier)


def _missing(
    schema: Schema,
    layout: Layout,
    replaced: Sequence[str],
    needs: Mapping[str, Sequence[Kind]],
    spaces: Sequence[KeySpace],
) -> dict[str, tuple[IcebergType, str]]:
    """Name the columns to add, each with its type and its comment."""
    taken = {field.name.casefold() for field in schema.fields if field.name not in replaced}
    added: dict[str, tuple[IcebergType, str]] = {}

    def add(attribute: str, what: str, wished: str) -> None:
        # Athena and Glue do not tell upper from lower case.
        name = next(n for i in range(len(taken) + 1) if (n := wished + "_" * i).casefold() not in taken)
        taken.add(name.casefold())
        added[name] = (_ICEBERG_TYPES[what], what if name == attribute else f"{what}:{attribute}")

    for space in spaces:
        if space not in layout.key_columns:
            first = not layout.key_columns and not added
            add(
                layout.primary_key,
                space,
                layout.primary_key if first else f"{layout.primary_key}__{space}"[:NAME_LIMIT],
            )
    for name, kinds in needs.items():
        attribute = layout.attributes.get(name)
        if attribute is None or (attribute.declared and kinds):
            check_name(name)
            attribute = Attribute(name, kinds[0] if kinds else Kind.TEXT, name, declared=not kinds)
            add(name, kinds[0] if kinds else _DECLARED, name)
        if not attribute.holds(kinds):
            add(name, _ANY, f"{name}__any"[:NAME_LIMIT])
    return added
