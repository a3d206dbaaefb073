"""Rows for whoever waits: once, refused in words, or not now."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from jobruns.access import Role
from jobruns.errors import (
    AccessDeniedError,
    InvalidInputError,
    MissingRightsError,
    StaleWriteError,
    UnavailableError,
)
from jobruns.grants import Grants, Right, TableGrant
from jobruns.operation import Comparator, Condition, Group, Order, TableQuery, WriteAction
from jobruns.service.records import (
    delete_records,
    describe_records,
    drop_attribute,
    search_records,
    write_records,
)
from operations import records
from tests.integration.operations.conftest import Stack


def refusal(code: str) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "no"}}
    return ClientError(response, "Invoke")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns.aws.operations.PAUSE_SECONDS", 0)


def test_a_table_that_was_never_written_to_has_no_rows(stack: Stack) -> None:
    table = stack.table()
    assert search_records(stack.ports, stack.admin, table, TableQuery()) == []
    assert describe_records(stack.ports, stack.admin, table).rows == 0
    assert delete_records(stack.ports, stack.admin, table, [1]).missing_keys == (1,)
    assert not drop_attribute(stack.ports, stack.admin, table, "a")


def test_a_write_whose_answer_is_lost_is_made_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    table = stack.table()
    stack.functions.errors = [refusal("ServiceException")]
    invoke = stack.functions.invoke

    def lose_once(**told: Any) -> Any:
        stack.functions.errors, waiting = [], list(stack.functions.errors)
        answer = invoke(**told)
        if waiting:
            raise waiting[0]
        return answer

    monkeypatch.setattr(stack.functions, "invoke", lose_once)
    done = write_records(stack.ports, stack.admin, table, WriteAction.INSERT, [{"id": 1}, {"id": 2}])
    assert (done.total, done.written, done.written_keys) == (2, 2, (1, 2))
    assert len(stack.rows(table)) == 2


@pytest.mark.parametrize("name", ["a/b", "x" * 300])
def test_a_name_that_cannot_be_is_refused_by_name(stack: Stack, name: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        write_records(stack.ports, stack.admin, stack.table(), WriteAction.INSERT, [{"id": 1, name: 1}])
    assert refused.value.message == name


def test_the_key_and_the_times_are_not_dropped(stack: Stack) -> None:
    table = stack.table()
    write_records(stack.ports, stack.admin, table, WriteAction.INSERT, [{"id": 1}])
    for name in ("id", "__createdtime__"):
        with pytest.raises(InvalidInputError, match=name):
            drop_attribute(stack.ports, stack.admin, table, name)


def test_who_may_read_some_attributes_is_given_those(stack: Stack) -> None:
    table = stack.table()
    write_records(stack.ports, stack.admin, table, WriteAction.INSERT, [{"id": 1, "open": 2, "closed": 3}])
    read = frozenset({Right.READ})
    grants = Grants(tables={table.project: {table.name: TableGrant(rights=read, attributes={"open": read})}})
    reader = stack.admin.model_copy(update={"role": Role.READER, "grants": grants})
    [row] = search_records(stack.ports, reader, table, TableQuery())
    assert row.keys() == {"id", "open", "__createdtime__", "__updatedtime__"}
    assert describe_records(stack.ports, reader, table).attributes == ("open",)
    for query in (
        TableQuery(attributes=("closed",)),
        TableQuery(conditions=(Condition(attribute="closed", value=3),), attributes=("id",)),
    ):
        with pytest.raises(AccessDeniedError):
            search_records(stack.ports, reader, table, query)
    for write in (WriteAction.INSERT, WriteAction.UPDATE, WriteAction.UPSERT):
        with pytest.raises(AccessDeniedError):
            write_records(stack.ports, reader, table, write, [{"id": 1}])
    with pytest.raises(AccessDeniedError):
        delete_records(stack.ports, reader, table, [1])
    with pytest.raises(AccessDeniedError):
        drop_attribute(stack.ports, reader, table, "open")


def test_more_rows_than_an_answer_has_room_for_are_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_ANSWER_BYTES", 2000)
    table = stack.table()
    write_records(stack.ports, stack.admin, table, WriteAction.INSERT, [{"id": i, "a": "x" * 90} for i in range(20)])
    query = TableQuery(attributes=("id", "a"))
    with pytest.raises(InvalidInputError, match="more rows than"):
        search_records(stack.ports, stack.admin, table, query)
    assert len(search_records(stack.ports, stack.admin, table, query.model_copy(update={"limit": 10}))) == 10


@pytest.mark.parametrize("comparator", Comparator)
def test_every_comparison_is_one_that_the_engine_has(stack: Stack, comparator: Comparator) -> None:
    table = stack.table()
    write_records(stack.ports, stack.admin, table, WriteAction.INSERT, [{"id": i, "a": f"k{i}"} for i in range(3)])
    value: Any = ["k1", "k1"] if comparator is Comparator.BETWEEN else "k1"
    condition = Condition(attribute="a", comparator=comparator, value=value)
    query = TableQuery(attributes=("id",), conditions=(condition,))
    found = sorted(row["id"] for row in search_records(stack.ports, stack.admin, table, query))
    expected = {Comparator.GREATER_THAN: [2], Comparator.GREATER_THAN_EQUAL: [1, 2], Comparator.LESS_THAN: [0]}
    expected |= {Comparator.LESS_THAN_EQUAL: [0, 1], Comparator.NOT_EQUAL: [0, 2]}
    assert found == expected.get(comparator, [1])


def test_rows_are_sorted_and_found_by_groups_of_conditions(stack: Stack) -> None:
    table = stack.table()
    records = [{"id": i, "a": i % 3, "b": None if i == 4 else i} for i in range(6)]
    write_records(stack.ports, stack.admin, table, WriteAction.INSERT, records)
    either = Group(every=False, conditions=(Condition(attribute="a", value=1), Condition(attribute="b", value=5)))
    query = TableQuery(
        attributes=("id",),
        conditions=(either, Condition(attribute="id", comparator=Comparator.GREATER_THAN, value=0)),
        order=(Order(attribute="a", descending=True), Order(attribute="b")),
    )
    assert [row["id"] for row in search_records(stack.ports, stack.admin, table, query)] == [5, 4, 1]


@pytest.mark.parametrize(
    "query",
    [
        TableQuery(attributes=("id",), order=(Order(attribute="b"),)),
        TableQuery(attributes=("id",), conditions=(Group(conditions=(Condition(attribute="b", value=1),)),)),
    ],
)
def test_what_may_not_be_read_may_not_be_sorted_or_searched_by(stack: Stack, query: TableQuery) -> None:
    table = stack.table()
    write_records(stack.ports, stack.admin, table, WriteAction.INSERT, [{"id": 1, "a": 1, "b": 1}])
    read = frozenset({Right.READ})
    grants = Grants(tables={table.project: {table.name: TableGrant(rights=read, attributes={"a": read})}})
    reader = stack.admin.model_copy(update={"role": Role.READER, "grants": grants})
    with pytest.raises(MissingRightsError):
        search_records(stack.ports, reader, table, query)


def test_a_search_that_takes_too_long_is_stopped(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    table = stack.table()
    write_records(stack.ports, stack.admin, table, WriteAction.INSERT, [{"id": 1}])
    monkeypatch.setattr("operations.records.SEARCH_SECONDS", 0.0)
    with pytest.raises(InvalidInputError, match="longer than 0 s"):
        search_records(stack.ports, stack.admin, table, TableQuery())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"Payload": {"refused": {"type": "CommitConflictError", "message": "busy"}}}, StaleWriteError),
        ({"Payload": {"refused": {"type": "SchemaConflictError", "message": "no key"}}}, InvalidInputError),
    ],
)
def test_a_refusal_is_told_as_what_it_is(stack: Stack, answer: dict[str, Any], error: type[Exception]) -> None:
    stack.functions.answers = [answer]
    with pytest.raises(error):
        describe_records(stack.ports, stack.admin, stack.table())


@pytest.mark.parametrize(
    ("met", "error"),
    [
        ([refusal("AccessDeniedException")], UnavailableError),
        ([refusal("TooManyRequestsException")] * 3, UnavailableError),
        ([ReadTimeoutError(endpoint_url="x")], UnavailableError),
        ([refusal("RequestTooLargeException")], InvalidInputError),
    ],
)
def test_what_lambda_refuses_is_told(stack: Stack, met: list[Exception], error: type[Exception]) -> None:
    table = stack.table()
    stack.functions.errors = list(met)
    with pytest.raises(error):
        describe_records(stack.ports, stack.admin, table)
    assert stack.functions.errors == []


def test_a_function_that_fails_once_is_asked_again(stack: Stack) -> None:
    failed = {"FunctionError": "Unhandled", "Payload": {"errorMessage": "out of memory"}}
    refused = {"Payload": {"refused": {"type": "UnavailableError", "message": "nobody knows"}}}
    table = stack.table()
    stack.functions.answers = [failed, refused]
    assert describe_records(stack.ports, stack.admin, table).rows == 0
    stack.functions.answers = [failed] * 3
    with pytest.raises(UnavailableError, match="out of memory"):
        describe_records(stack.ports, stack.admin, table)
