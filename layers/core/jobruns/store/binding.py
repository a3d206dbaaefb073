"""Points the items of the ledger at its table.

All share one connection: a client costs some 20 ms to make, and one for each model would be paid at every cold start.
"""

from typing import Any

from pynamodb.connection import Connection

from jobruns.store.items import LedgerItem
from jobruns.store.run_items import RunItem


def bind(table_name: str) -> Connection:
    """Point every model at a table.

    Returns
    -------
    Connection
        The one connection they share, for transactions and batches.
    """
    # All of them: whoever imports this imports the package, which imports every store.
    models: list[Any] = [LedgerItem, *LedgerItem.__subclasses__()]
    for model in models:
        model.Meta.table_name = table_name
        model._connection = None  # noqa: SLF001 - PynamoDB has no public way to share a connection
    # That of RunItem is the one that knows the indexes.
    shared = RunItem._get_connection()  # noqa: SLF001 - as above
    for model in models:
        model._connection = shared  # noqa: SLF001 - as above
    connection: Connection = shared.connection
    return connection
