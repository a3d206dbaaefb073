"""One TransactWriteItems with names for its parts, so that a refusal can be told by name.

DynamoDB cancels a transaction for two kinds of reasons: a condition that does not hold, which is an answer, and another
transaction on the same item at the same moment, which is none and is tried again a bounded number of times.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from pynamodb.connection import Connection
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from jobruns.errors import UnavailableError
from jobruns.store.items import LedgerItem

MAX_PARTS = 100
"""What DynamoDB takes at most."""

MAX_TRIES = 12
FIRST_PAUSE_SECONDS = 0.02
MAX_PAUSE_SECONDS = 0.5
_TRANSIENT = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})


class RefusedError(Exception):
    """A condition of the transaction does not hold.

    Parameters
    ----------
    parts : dict
        The refused parts by name, each with the item that was met (DynamoDB's raw form), if any.
    """

    def __init__(self, parts: dict[str, dict[str, Any] | None]) -> None:
        super().__init__(f"refused: {', '.join(parts)}")
        self.parts = parts


class Transaction:
    """Collects writes and makes them all or none.

    Parameters
    ----------
    connection : Connection
        The ledger's connection.
    pause : callable
        Waits the given seconds between tries.
    """

    def __init__(self, connection: Connection, pause: Callable[[float], None]) -> None:
        self._connection = connection
        self._pause = pause
        self._checks: list[tuple[str, Callable[[TransactWrite], None]]] = []
        self._deletes: list[tuple[str, Callable[[TransactWrite], None]]] = []
        self._puts: list[tuple[str, Callable[[TransactWrite], None]]] = []
        self._updates: list[tuple[str, Callable[[TransactWrite], None]]] = []

    def check(self, name: str, item: LedgerItem, condition: Condition) -> None:
        """Demand that `condition` holds on an item that is not written."""
        self._checks.append((name, lambda write: write.condition_check(type(item), item.pk, item.sk, condition)))

    def delete(self, name: str, item: LedgerItem, condition: Condition | None = None) -> None:
        """Delete an item."""
        self._deletes.append((name, lambda write: write.delete(item, condition)))

    def put(self, name: str, item: LedgerItem, condition: Condition | None = None) -> None:
        """Put an item."""
        self._puts.append((name, lambda write: write.save(item, condition, return_values="ALL_OLD")))

    def update(
        self, name: str, item: LedgerItem, actions: Sequence[Action], condition: Condition | None = None
    ) -> None:
        """Update an item by actions."""
        self._updates.append(
            (name, lambda write: write.update(item, list(actions), condition, return_values="ALL_OLD"))
        )

    def commit(self) -> None:
        """Write everything.

        Raises
        ------
        RefusedError
            A condition does not hold; nothing was written.
        UnavailableError
            The table did not let the transaction through in a bounded number of tries.
        """
        # PynamoDB sends checks, deletes, puts, updates, in this order, and reasons come back by position.
        parts = [*self._checks, *self._deletes, *self._puts, *self._updates]
        for attempt in range(MAX_TRIES):
            try:
                with TransactWrite(connection=self._connection) as write:
                    for _, add in parts:
                        add(write)
            except TransactWriteError as error:
                reasons = error.cancellation_reasons
                refused = {
                    name: reason.raw_item
                    for (name, _), reason in zip(parts, reasons, strict=False)
                    if reason is not None and reason.code == "ConditionalCheckFailed"
                }
                if refused:
                    raise RefusedError(refused) from None
                transient = [reason for reason in reasons if reason is not None and reason.code in _TRANSIENT]
                if not transient and error.cause_response_code != "TransactionInProgressException":
                    raise
                if attempt + 1 < MAX_TRIES:
                    ceiling = min(FIRST_PAUSE_SECONDS * 2**attempt, MAX_PAUSE_SECONDS)
                    self._pause(random.uniform(0, ceiling))  # noqa: S311 - jitter, not a secret
            else:
                return
        raise UnavailableError("the ledger is busy with other writers of the same job; try again")


class TransactionalStore:
    """What writes by transactions.

    Parameters
    ----------
    connection : Connection
        As `jobruns.store.binding.bind` gives it.
    pause : callable
        Waits between tries of a transaction.
    """

    def __init__(self, connection: Connection, pause: Callable[[float], None]) -> None:
        self._connection = connection
        self._pause = pause

    def _begin(self) -> Transaction:
        """Begin a transaction."""
        return Transaction(self._connection, self._pause)
