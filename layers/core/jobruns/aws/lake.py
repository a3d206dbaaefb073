"""The tables themselves, by the function that has what it takes to change them.

PyIceberg and PyArrow are too large for a door, so a door asks this function and waits for its answer.
"""

import json
import secrets
import time
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from jobruns.aws import clients
from jobruns.aws.machine import error_code
from jobruns.errors import StaleWriteError, UnavailableError
from jobruns.table import Project, Table

ATTEMPTS: Final = 3
NO_RETRY_AFTER_SECONDS: Final = 6
"""An attempt may take 20 s (`clients.waiting_functions`), and API Gateway gives up after 30."""

PAUSE_SECONDS: Final = 0.3

_TRANSIENT = frozenset(
    {"TooManyRequestsException", "ServiceException", "ResourceConflictException", "ThrottlingException"}
)
_CONFLICT = "CommitConflictError"


class _TryAgainError(Exception):
    """The same call may succeed in a moment."""


class LakeFunction:
    """Changes tables through the function that has PyIceberg.

    Parameters
    ----------
    name : str
        The function's name; empty where the caller never changes tables.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def truncate(self, table: Table) -> int:
        """Take all rows out of a table; gives the number of data files that left it."""
        # By this id a repeat after a lost answer finds what the first try did, and gives the same number.
        answer = self._ask("truncate", table, operation_id=secrets.token_hex(16))
        return int(answer["data_files"])

    def drop(self, table: Table) -> None:
        """Take a table out of the catalog, and have its files deleted in the background."""
        self._ask("drop", table)
        self.purge(table)

    def purge(self, table: Table) -> None:
        """Have a table taken out of the catalog and its files deleted, in the background."""
        self._tell(_payload("purge", table))

    def sweep(self, database: str, table: str, location: str) -> None:
        """Have the files deleted that a table has no more, in the background; all names are those of the lake."""
        place = {"database": database, "table": table, "location": location}
        self._tell(json.dumps({"action": "sweep", **place}).encode())

    def drop_database(self, project: Project) -> None:
        """Have a project's database taken out of the catalog, in the background; one that has any table stays."""
        self._tell(json.dumps({"action": "drop_database", "database": project.database}).encode())

    def _tell(self, payload: bytes) -> None:
        try:
            clients.functions().invoke(FunctionName=self._name, InvocationType="Event", Payload=payload)
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError(f"the function {self._name} could not be invoked: {error}") from error

    def _ask(self, action: str, table: Table, **more: str) -> dict[str, Any]:
        payload = _payload(action, table, **more)
        began = time.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._call(payload, table)
            except _TryAgainError as error:
                if attempt == ATTEMPTS or time.monotonic() - began > NO_RETRY_AFTER_SECONDS:
                    raise UnavailableError(f"the table {table.full_name} cannot be changed now: {error}") from error
            time.sleep(PAUSE_SECONDS * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _call(self, payload: bytes, table: Table) -> dict[str, Any]:
        try:
            answer = clients.waiting_functions().invoke(FunctionName=self._name, Payload=payload)
            content = answer["Payload"].read()
        except ReadTimeoutError as error:
            raise UnavailableError(
                f"the table {table.full_name} is still being changed; ask again in a moment"
            ) from error
        except ClientError as error:
            if error_code(error) in _TRANSIENT:
                raise _TryAgainError(str(error)) from error
            raise UnavailableError(f"the table {table.full_name} cannot be changed now: {error}") from error
        except BotoCoreError as error:
            raise _TryAgainError(str(error)) from error
        told: dict[str, Any] = json.loads(content)
        if "FunctionError" not in answer:
            return told
        reason = str(told.get("errorMessage"))
        if told.get("errorType") == _CONFLICT:
            raise StaleWriteError(reason)
        raise _TryAgainError(reason)


def _payload(action: str, table: Table, **more: str) -> bytes:
    place = {"database": table.database, "table": table.lake_table, "location": table.location}
    return json.dumps({"action": action, **place, **more}).encode()
