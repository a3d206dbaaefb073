"""Operations on tables with a primary key, by the function that has PyIceberg and PyArrow.

The state machine calls it for a run, waits, and calls it again when it dies. A door calls it and waits for an answer
about some rows. And a door calls its twin, without waiting, for a run that needs credentials of the caller: the twin
is never called again with the same event, and what it could not do is put nowhere.
"""

import json
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from jobruns.aws import clients
from jobruns.aws.machine import error_code
from jobruns.errors import InvalidInputError, NoAttributeError, StaleWriteError, UnavailableError
from jobruns.operation import (
    CallerCredentials,
    DeleteResult,
    TableFacts,
    TableQuery,
    TableView,
    WriteAction,
    WriteResult,
    handed_over,
)
from jobruns.run import Run
from jobruns.table import Table

ATTEMPTS: Final = 3
NO_RETRY_AFTER_SECONDS: Final = 6
"""An attempt may take 20 s (`clients.waiting_functions`), and API Gateway gives up after 30."""

PAUSE_SECONDS: Final = 0.3

_TRANSIENT = frozenset(
    {"TooManyRequestsException", "ServiceException", "ResourceConflictException", "ThrottlingException"}
)
_TOO_LARGE = "RequestTooLargeException"


ATTRIBUTE: Final = "attribute"
"""Field of the error of a name that no attribute can have, or that cannot be changed; its message is the name alone."""


class _Refusal(StrEnum):
    """Types of errors that the function names; every other one says that the request is wrong."""

    STALE = "CommitConflictError"
    AGAIN = "UnavailableError"
    NO_ATTRIBUTE = "UnknownAttributeError"
    BAD_ATTRIBUTE = "InvalidAttributeError"


class _TryAgainError(Exception):
    """The same call may succeed in a moment."""


class OperationExecutor:
    """Our own function for operations.

    Parameters
    ----------
    function : str
        Its name.
    """

    def __init__(self, function: str) -> None:
        self._function = function

    def begin(self, run: Run, arguments: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the port's signature
        """Tell the state machine which function; who has the credentials of a run's caller works on it already."""
        return {} if handed_over(run) else {"function_arn": self._function, "payload": _event("run", run)}

    def stop(self, run: Run) -> None:
        """Have deleted what the run has written; before its commit begins that is nothing."""
        if run.committing_until_at is not None:
            _tell(self._function, _event("discard", run))

    def resolve(self, run: Run) -> None:
        """Have somebody look whether the commit has been made."""
        _tell(self._function, _event("resolve", run))

    def settle(self, run: Run) -> None:
        """Nothing follows."""


class OperationRecords:
    """Asks for rows, and has them changed.

    Parameters
    ----------
    function, handed_over_function : str
        Names of the function and of its twin; empty where the caller has no use for it.
    """

    def __init__(self, function: str, handed_over_function: str) -> None:
        self._function = function
        self._handed_over_function = handed_over_function

    def write(
        self, table: Table, action: WriteAction, records: Sequence[Mapping[str, Any]], *, operation_id: str
    ) -> WriteResult:
        """Write records in one commit; one that the operation has made is not made again."""
        told = self._ask("write", table, write=str(action), records=list(records), operation_id=operation_id)
        return WriteResult.model_validate(told)

    def delete(self, table: Table, keys: Sequence[Any], *, operation_id: str) -> DeleteResult:
        """Delete rows by their keys in one commit; one that the operation has made is not made again."""
        return DeleteResult.model_validate(self._ask("delete", table, keys=list(keys), operation_id=operation_id))

    def search(self, table: Table, query: TableQuery) -> list[dict[str, Any]]:
        """Give the rows that a query asks for."""
        told = self._ask("search", table, query=query.model_dump(mode="json", exclude_none=True))
        found: list[dict[str, Any]] = told["rows"]
        return found

    def select(self, sql: str, tables: Sequence[TableView]) -> list[dict[str, Any]]:
        """Give the rows of a query in SQL."""
        relations = [{"name": v.name, **_place(v.table), "attributes": v.attributes} for v in tables]
        told = self._ask_whom("the query", {"action": "sql", "sql": sql, "relations": relations})
        found: list[dict[str, Any]] = told["rows"]
        return found

    def describe(self, table: Table) -> TableFacts:
        """Tell what a table has in it."""
        return TableFacts.model_validate(self._ask("describe", table))

    def create_attribute(self, table: Table, attribute: str) -> bool:
        """Make an attribute before there is a value of it; gives whether it was not there."""
        return bool(self._ask("create_attribute", table, attribute=attribute)["created"])

    def drop_attribute(self, table: Table, attribute: str) -> bool:
        """Take an attribute and its values out of a table; gives whether it was there."""
        return bool(self._ask("drop_attribute", table, attribute=attribute)["dropped"])

    def hand_over(self, run: Run, credentials: CallerCredentials) -> None:
        """Have the operation of a run done by the caller's own credentials, in the background."""
        _tell(self._handed_over_function, {**_event("run", run), "credentials": credentials.reveal()})

    def _ask(self, action: str, table: Table, **more: Any) -> dict[str, Any]:
        return self._ask_whom(f"the table {table.full_name}", {"action": action, "on": _place(table), **more})

    def _ask_whom(self, who: str, request: Mapping[str, Any]) -> dict[str, Any]:
        payload = json.dumps(request, ensure_ascii=False).encode(errors="replace")
        began = time.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._call(payload, who)
            except _TryAgainError as error:
                if attempt == ATTEMPTS or time.monotonic() - began > NO_RETRY_AFTER_SECONDS:
                    raise UnavailableError(f"{who} does not answer now: {error}") from error
            time.sleep(PAUSE_SECONDS * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _call(self, payload: bytes, who: str) -> dict[str, Any]:
        try:
            answer = clients.waiting_functions().invoke(FunctionName=self._function, Payload=payload)
            content = answer["Payload"].read()
        except ReadTimeoutError as error:
            raise UnavailableError(f"{who} is still at work; ask again in a moment") from error
        except ClientError as error:
            code = error_code(error)
            if code == _TOO_LARGE:
                raise InvalidInputError("the request is too large to be answered at once; load a file") from error
            if code in _TRANSIENT:
                raise _TryAgainError(str(error)) from error
            raise UnavailableError(f"{who} does not answer now: {error}") from error
        except BotoCoreError as error:
            raise _TryAgainError(str(error)) from error
        told: dict[str, Any] = json.loads(content)
        if "FunctionError" in answer:
            raise _TryAgainError(str(told.get("errorMessage")))
        refused = told.get("refused")
        if refused is not None:
            raise _read_refusal(refused)
        return told


def _read_refusal(refused: Mapping[str, Any]) -> Exception:
    message: str = refused["message"]
    match refused["type"]:
        case _Refusal.STALE:
            return StaleWriteError(message)
        case _Refusal.AGAIN:
            return _TryAgainError(message)
        case _Refusal.NO_ATTRIBUTE:
            return NoAttributeError(message)
        case _Refusal.BAD_ATTRIBUTE:
            return InvalidInputError(message, field=ATTRIBUTE)
    return InvalidInputError(message, field=refused.get("field"))


def _place(table: Table) -> dict[str, Any]:
    return {"database": table.database, "table": table.lake_table, "location": table.location, "key": table.key}


def _event(action: str, run: Run) -> dict[str, Any]:
    return {"action": action, "org": run.org, "job": run.job, "run_id": run.run_id}


def _tell(function: str, event: Mapping[str, Any]) -> None:
    try:
        clients.functions().invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
    except (ClientError, BotoCoreError) as error:
        # Not the error's own words: nobody knows what of the event is in them.
        raise UnavailableError(f"the function {function} could not be invoked: {type(error).__name__}") from None
