"""What every item of the ledger table has. Nothing outside this package sees one.

The modules named `..._items` have the items of each subject as PynamoDB models.
"""

from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model


class LedgerItem(Model):
    """What every item has: its key, and a word for people who look into the table."""

    class Meta:
        """Bound by `bind`; the times bound every call (DynamoDB answers in milliseconds or not at all)."""

        table_name = "unbound"
        connect_timeout_seconds = 2
        read_timeout_seconds = 5
        max_retry_attempts = 4
        max_pool_connections = 20

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = UnicodeAttribute(null=True)
