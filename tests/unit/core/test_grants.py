"""What may be done with tables, and what of it is missing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from jobruns.access import Permission, Principal, Role, grants_of, role_of
from jobruns.errors import AccessDeniedError, MissingRightsError
from jobruns.grants import (
    ALL_RIGHTS,
    LOAD_RIGHTS,
    Grants,
    Missing,
    MissingOnAttribute,
    Need,
    Right,
    TableGrant,
    missing,
)

READ, INSERT, UPDATE, DELETE = Right

NAMES = st.sampled_from(["a", "b", "c"])
RIGHTS = st.frozensets(st.sampled_from(Right))


@st.composite
def table_grants(draw: st.DrawFn) -> TableGrant:
    rights = draw(RIGHTS)
    inner = st.frozensets(st.sampled_from(sorted(rights - {DELETE}))) if rights - {DELETE} else st.just(frozenset())
    return TableGrant(rights=rights, attributes=draw(st.none() | st.dictionaries(NAMES, inner)))


GRANTS = st.builds(
    Grants,
    everything=st.booleans(),
    shapes=st.booleans() | st.frozensets(NAMES),
    everywhere=RIGHTS,
    tables=st.dictionaries(NAMES, st.dictionaries(NAMES, table_grants())),
)
NEEDS = st.lists(
    st.builds(
        Need, NAMES, NAMES, st.dictionaries(st.sampled_from(Right), st.frozensets(NAMES)), st.none() | st.just("a")
    ),
    max_size=4,
)


def allowed(grants: Grants, need: Need, right: Right, attribute: str | None) -> bool:
    """The rule, one right at a time and without the help of what is tested."""
    if grants.everything or right in grants.everywhere:
        return True
    table = grants.tables.get(need.project, {}).get(need.table)
    if table is None or right not in table.rights:
        return False
    if attribute is None or table.attributes is None:
        return True
    if attribute == need.key:
        return any(right in rights for rights in table.attributes.values())
    return right in table.attributes.get(attribute, ())


@settings(max_examples=80)
@given(GRANTS, st.builds(Need, NAMES, NAMES, st.dictionaries(st.sampled_from(Right), st.frozensets(NAMES)), NAMES))
def test_missing_is_what_the_rule_refuses_and_nothing_else(grants: Grants, need: Need) -> None:
    expected = {
        (right, attribute)
        for right, attributes in need.rights.items()
        for attribute in (None, *attributes)
        if not allowed(grants, need, right, attribute)
        # Of an attribute nothing is told where the table lacks the right already.
        and (attribute is None or allowed(grants, need, right, None))
    }
    gaps = missing(grants, [need])
    told = {(right, None) for gap in gaps for right in gap.rights}
    told |= {(right, closed.attribute) for gap in gaps for closed in gap.attributes for right in closed.rights}
    assert told == expected
    for gap in gaps:
        assert gap.visible == any(allowed(grants, need, right, None) for right in Right)


@settings(max_examples=25)
@given(GRANTS, NEEDS)
def test_each_table_is_told_once_in_the_order_it_was_named(grants: Grants, needs: list[Need]) -> None:
    gaps = missing(grants, needs)
    named = list(dict.fromkeys((need.project, need.table) for need in needs))
    told = [(gap.project, gap.table) for gap in gaps]
    assert told == [name for name in named if name in told]
    assert all(list(gap.rights) == [right for right in Right if right in gap.rights] for gap in gaps)


@settings(max_examples=25)
@given(GRANTS, NEEDS)
def test_who_may_do_everything_misses_nothing_and_who_has_nothing_sees_nothing(
    grants: Grants, needs: list[Need]
) -> None:
    assert missing(grants.model_copy(update={"everything": True}), needs) == []
    for gap in missing(Grants(), needs):
        assert not gap.visible
        assert gap.rights
        assert not gap.attributes


@settings(max_examples=25)
@given(GRANTS, NEEDS, RIGHTS)
def test_more_rights_never_make_more_missing(grants: Grants, needs: list[Need], more: frozenset[Right]) -> None:
    wider = grants.model_copy(update={"everywhere": grants.everywhere | more})
    before = {(gap.project, gap.table) for gap in missing(grants, needs)}
    assert {(gap.project, gap.table) for gap in missing(wider, needs)} <= before


@settings(max_examples=25)
@given(GRANTS)
def test_grants_come_back_from_json_as_they_were(grants: Grants) -> None:
    assert Grants.model_validate(grants.model_dump(mode="json")) == grants
    assert Grants.model_validate_json(grants.model_dump_json()) == grants


DOG = Grants(
    tables={
        "dev": {
            "dog": TableGrant(
                rights={READ, INSERT, UPDATE}, attributes={"name": {READ, INSERT}, "age": {READ}, "chip": set()}
            ),
            "cat": TableGrant(rights={READ}),
        }
    }
)


@pytest.mark.parametrize(
    ("need", "gap"),
    [
        (Need.of("dev", "cat", READ, attributes=["name"]), None),
        (Need.of("dev", "cat", READ, INSERT), Missing("dev", "cat", (INSERT,))),
        (Need.of("dev", "cat", DELETE, UPDATE), Missing("dev", "cat", (UPDATE, DELETE))),
        (Need.of("dev", "cow", READ), Missing("dev", "cow", (READ,), visible=False)),
        (Need.of("live", "dog", READ), Missing("live", "dog", (READ,), visible=False)),
        (Need.of("dev", "dog", READ, INSERT, attributes=["name"]), None),
        (Need.of("dev", "dog", INSERT, attributes=["id", "name"], key="id"), None),
        (
            Need.of("dev", "dog", UPDATE, attributes=["id"], key="id"),
            Missing("dev", "dog", (), (MissingOnAttribute("id", (UPDATE,), visible=True),)),
        ),
        (
            Need.of("dev", "dog", READ, INSERT, attributes=["age", "new"]),
            Missing(
                "dev",
                "dog",
                (),
                (
                    MissingOnAttribute("age", (INSERT,), visible=True),
                    MissingOnAttribute("new", (READ, INSERT), visible=False),
                ),
            ),
        ),
        (
            Need("dev", "dog", {READ: frozenset({"chip"}), DELETE: frozenset()}),
            Missing("dev", "dog", (DELETE,), (MissingOnAttribute("chip", (READ,), visible=False),)),
        ),
    ],
)
def test_what_is_missing_is_told_exactly(need: Need, gap: Missing | None) -> None:
    assert missing(DOG, [need]) == ([] if gap is None else [gap])


def test_needs_on_one_table_are_told_together() -> None:
    needs = [Need.of("dev", "cat", INSERT), Need.of("dev", "cow", READ), Need.of("dev", "cat", DELETE)]
    assert missing(DOG, needs) == [
        Missing("dev", "cat", (INSERT, DELETE)),
        Missing("dev", "cow", (READ,), visible=False),
    ]


def test_all_attributes_means_those_that_are_open() -> None:
    columns = ["id", "age", "name", "chip", "new"]
    assert DOG.open_attributes(READ, "dev", "dog", columns, key="id") == ["id", "age", "name"]
    assert DOG.open_attributes(INSERT, "dev", "dog", columns, key="id") == ["id", "name"]
    assert DOG.open_attributes(READ, "dev", "cat", columns) == columns
    assert DOG.open_attributes(READ, "dev", "cow", columns) == []
    assert DOG.sees("dev", "cat")
    assert not DOG.sees("dev", "cow")


@pytest.mark.parametrize("attributes", [{"a": {INSERT}}, {"a": {READ, DELETE}}, {"a": {DELETE}}])
def test_an_attribute_has_no_right_that_its_table_has_not(attributes: dict[str, set[Right]]) -> None:
    with pytest.raises(ValidationError, match="attribute 'a'"):
        TableGrant(rights={READ, DELETE}, attributes=attributes)


@pytest.mark.parametrize(
    ("shapes", "dev", "other"),
    [(False, False, False), (True, True, True), (frozenset({"dev"}), True, False)],
)
def test_tables_are_shaped_everywhere_or_in_some_projects(
    shapes: bool | frozenset[str], dev: bool, other: bool
) -> None:
    grants = Grants(shapes=shapes)
    assert (grants.may_shape("dev"), grants.may_shape("other"), grants.may_shape(None)) == (dev, other, shapes is True)
    assert Grants(everything=True).may_shape(None)


@pytest.mark.parametrize("role", list(Role))
def test_what_a_role_grants_is_worth_that_role(role: Role) -> None:
    assert role_of(grants_of(role)) is role


@settings(max_examples=25)
@given(GRANTS)
def test_rights_on_single_tables_are_worth_no_more_than_reading(grants: Grants) -> None:
    role = role_of(grants)
    assert (role is Role.ADMIN) == grants.everything
    assert role is role_of(grants.model_copy(update={"tables": {}, "shapes": True}))
    if not grants.everything and not grants.everywhere >= LOAD_RIGHTS | {READ}:
        assert role is Role.READER
    assert (role is Role.OPERATOR) == (not grants.everything and grants.everywhere == ALL_RIGHTS)


def user(grants: Grants) -> Principal:
    return Principal(org="o", name="ann", role=role_of(grants), user_role="keeper", grants=grants)


def test_a_caller_is_cleared_for_what_it_has_rights_for_and_told_what_it_lacks() -> None:
    ann = user(DOG)
    with pytest.raises(AccessDeniedError, match="a user with the role keeper may not start"):
        ann.require(Permission.START)
    ann.cleared(Need.of("dev", "dog", *LOAD_RIGHTS)).require(Permission.START)
    with pytest.raises(MissingRightsError, match=r"insert, update on dev\.cat; read on new of dev\.dog") as refused:
        ann.cleared(Need.of("dev", "cat", *LOAD_RIGHTS), Need.of("dev", "dog", READ, attributes=["new"]))
    assert [gap.table for gap in refused.value.missing] == ["cat", "dog"]


def test_being_cleared_takes_nothing_away_and_leaves_rights_on_tables_as_they_are() -> None:
    admin = Principal(org="o", name="k", role=Role.ADMIN)
    assert admin.cleared(Need.of("dev", "dog", DELETE)) is admin
    cleared = user(DOG).cleared(Need.of("dev", "cat", READ))
    assert (cleared.role, cleared.rights) == (Role.OPERATOR, DOG)
    key = Principal(org="o", name="k", role=Role.READER).cleared(Need.of("dev", "cat", READ))
    with pytest.raises(MissingRightsError):
        key.require_rights(Need.of("dev", "cat", INSERT))


def test_a_caller_makes_tables_where_its_role_says_so() -> None:
    ann = user(Grants(shapes=frozenset({"dev"})))
    with pytest.raises(AccessDeniedError):
        ann.require(Permission.DEFINE)
    shaper = ann.cleared_to_shape("dev")
    shaper.require(Permission.DEFINE)
    assert shaper.rights == ann.rights
    for project in ("other", None):
        with pytest.raises(AccessDeniedError, match="make or drop tables"):
            ann.cleared_to_shape(project)
    operator = Principal(org="o", name="k", role=Role.OPERATOR)
    with pytest.raises(AccessDeniedError):
        operator.cleared_to_shape("dev")


@pytest.mark.parametrize("role", list(Role))
def test_only_an_admin_administers(role: Role) -> None:
    principal = Principal(org="o", name="k", role=role)
    if role is Role.ADMIN:
        principal.require(Permission.ADMINISTER)
    else:
        with pytest.raises(AccessDeniedError):
            principal.require(Permission.ADMINISTER)
