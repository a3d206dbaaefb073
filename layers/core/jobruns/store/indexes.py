"""The indexes of the ledger table as PynamoDB has them: named and projected as in template.yaml."""

from typing import Any

from pynamodb.attributes import UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection, LocalSecondaryIndex

from jobruns.run import RunSummary

SUMMARY_FIELDS = tuple(RunSummary.model_fields)
"""What the local indexes keep of a run beside its keys: as much as its line in a list shows, and nothing that moves
while it goes."""


class DueIndex(GlobalSecondaryIndex[Any]):
    """Unfinished and unsettled runs by the time reconcile must look at them; sparse."""

    class Meta:
        """Name and projection as template.yaml has them."""

        index_name = "gsi_due"
        projection = KeysOnlyProjection()

    due_pk = UnicodeAttribute(hash_key=True)
    due_sk = UnicodeAttribute(range_key=True)


class TimeIndex(GlobalSecondaryIndex[Any]):
    """An org's runs by their start."""

    class Meta:
        """Name and projection as template.yaml has them."""

        index_name = "gsi_time"
        projection = KeysOnlyProjection()

    time_pk = UnicodeAttribute(hash_key=True)
    time_sk = UnicodeAttribute(range_key=True)


class StateIndex(GlobalSecondaryIndex[Any]):
    """An org's runs by state, then start."""

    class Meta:
        """Name and projection as template.yaml has them."""

        index_name = "gsi_state"
        projection = KeysOnlyProjection()

    state_pk = UnicodeAttribute(hash_key=True)
    state_sk = UnicodeAttribute(range_key=True)


class StartIndex(LocalSecondaryIndex[Any]):
    """A job's numbered runs by outcome, then start; sparse."""

    class Meta:
        """Name and projection as template.yaml has them."""

        index_name = "lsi_start"
        projection = IncludeProjection(list(SUMMARY_FIELDS))

    pk = UnicodeAttribute(hash_key=True)
    start_sk = UnicodeAttribute(range_key=True)


class EndIndex(LocalSecondaryIndex[Any]):
    """A job's numbered runs by outcome, then end; sparse."""

    class Meta:
        """Name and projection as template.yaml has them."""

        index_name = "lsi_end"
        projection = IncludeProjection(list(SUMMARY_FIELDS))

    pk = UnicodeAttribute(hash_key=True)
    end_sk = UnicodeAttribute(range_key=True)
