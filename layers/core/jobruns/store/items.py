"""The items of the ledger table as PynamoDB models. Nothing outside this package sees one.

All share one connection, that of `LedgerItem`: a client costs some 20 ms to make, and one for each model would be paid
at every cold start.
"""

from typing import Any

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
)
from pynamodb.connection import Connection
from pynamodb.constants import COUNT
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection, LocalSecondaryIndex
from pynamodb.models import Model

from jobruns.run import Progress, RunSummary

PROGRESS_COUNTERS = tuple(name for name in Progress.model_fields if name != "listing")

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


class RunItem(LedgerItem):
    """A run. Attributes are named as the fields of `jobruns.run.Run`; progress lies flat, to be added to."""

    gsi_due = DueIndex()
    gsi_time = TimeIndex()
    gsi_state = StateIndex()
    due_pk = UnicodeAttribute(null=True)
    due_sk = UnicodeAttribute(null=True)
    time_pk = UnicodeAttribute()
    time_sk = UnicodeAttribute()
    state_pk = UnicodeAttribute()
    state_sk = UnicodeAttribute()
    lsi_start = StartIndex()
    lsi_end = EndIndex()
    start_sk = UnicodeAttribute(null=True)
    end_sk = UnicodeAttribute(null=True)

    org = UnicodeAttribute()
    job = UnicodeAttribute()
    run_id = UnicodeAttribute()
    executor = UnicodeAttribute()
    state = UnicodeAttribute()
    number = NumberAttribute(null=True)
    counts = BooleanAttribute(null=True)
    look_back_seconds = NumberAttribute(null=True)
    source = UnicodeAttribute(null=True)
    destination = UnicodeAttribute(null=True)
    records = NumberAttribute(null=True)
    reported_start_at = UTCDateTimeAttribute(null=True)
    reported_end_at = UTCDateTimeAttribute(null=True)
    expires_at = TTLAttribute(null=True)
    version = NumberAttribute()
    door = UnicodeAttribute()
    trigger = UnicodeAttribute()
    trigger_name = UnicodeAttribute(null=True)
    predecessors = JSONAttribute(null=True)
    started_by = UnicodeAttribute()
    attempt = NumberAttribute()
    previous_run_id = UnicodeAttribute(null=True)
    root_run_id = UnicodeAttribute()
    max_retries = NumberAttribute()
    limited = BooleanAttribute()
    arguments = JSONAttribute(null=True)
    arguments_key = UnicodeAttribute(null=True)
    target = UnicodeAttribute(null=True)
    root = JSONAttribute(null=True)
    sync_state = JSONAttribute(null=True)
    timeout_seconds = NumberAttribute()
    heartbeat_seconds = NumberAttribute(null=True)
    notify_after_seconds = NumberAttribute(null=True)
    bookmark_option = UnicodeAttribute(null=True)
    bookmark = JSONAttribute(null=True)
    submitted_at = UTCDateTimeAttribute()
    started_at = UTCDateTimeAttribute(null=True)
    ended_at = UTCDateTimeAttribute(null=True)
    modified_at = UTCDateTimeAttribute()
    heartbeat_at = UTCDateTimeAttribute(null=True)
    notified_at = UTCDateTimeAttribute(null=True)
    warned_at = UTCDateTimeAttribute(null=True)
    deadline_at = UTCDateTimeAttribute()
    stop_by_at = UTCDateTimeAttribute(null=True)
    committing_until_at = UTCDateTimeAttribute(null=True)
    phase = UnicodeAttribute(null=True)
    phase_rank = NumberAttribute(null=True)
    task_token = UnicodeAttribute(null=True)
    message = UnicodeAttribute(null=True)
    error_code = UnicodeAttribute(null=True)
    metrics = JSONAttribute(null=True)
    tags = JSONAttribute(null=True)
    extra = JSONAttribute(null=True)
    settled = BooleanAttribute()

    listing = UnicodeAttribute(null=True)
    units_total = NumberAttribute(default=0)
    units_running = NumberAttribute(default=0)
    units_done = NumberAttribute(default=0)
    units_failed = NumberAttribute(default=0)
    rows_loaded = NumberAttribute(default=0)
    rows_rejected = NumberAttribute(default=0)
    bytes_read = NumberAttribute(default=0)
    work_milliseconds = NumberAttribute(default=0)


class RunRefItem(LedgerItem):
    """Which job a run id belongs to; `abandoned` means that no run will ever have the id."""

    job = UnicodeAttribute(null=True)
    abandoned = BooleanAttribute(null=True)
    expires_at = TTLAttribute(null=True)


class RootItem(LedgerItem):
    """Which run has its files in a place."""

    job = UnicodeAttribute()
    run_id = UnicodeAttribute()
    expires_at = TTLAttribute(null=True)


class FileItem(LedgerItem):
    """A file of a run, as S3 last told of it; one that is gone has no size."""

    size = NumberAttribute(null=True)
    etag = UnicodeAttribute(null=True)
    sequencer = UnicodeAttribute()
    modified_at = UTCDateTimeAttribute()
    facts = JSONAttribute(null=True)
    expires_at = TTLAttribute(null=True)


class SyncStateItem(LedgerItem):
    """The state of a tap, or where it lies."""

    version = NumberAttribute()
    value = JSONAttribute(null=True)
    document_key = UnicodeAttribute(null=True)
    run_id = UnicodeAttribute(null=True)
    modified_at = UTCDateTimeAttribute()


class AttemptItem(LedgerItem):
    """Which run is a certain automatic retry of another."""

    run_id = UnicodeAttribute()
    expires_at = TTLAttribute(null=True)


class TokenItem(LedgerItem):
    """Which run a caller's token started. Deleted by DynamoDB some time after it expires."""

    run_id = UnicodeAttribute()
    runs = NumberAttribute(null=True)
    expires_at = NumberAttribute()


class EventItem(LedgerItem):
    """A run event."""

    org = UnicodeAttribute()
    job = UnicodeAttribute()
    run_id = UnicodeAttribute()
    sequence = NumberAttribute()
    event = UnicodeAttribute()
    state = UnicodeAttribute()
    at = UTCDateTimeAttribute()
    actor = UnicodeAttribute()
    applied = BooleanAttribute()
    message = UnicodeAttribute(null=True)
    was = JSONAttribute(null=True)
    expires_at = TTLAttribute(null=True)


class SlotsItem(LedgerItem):
    """The unfinished runs of a limited job: a set of ids, not a number, so that both taking and giving repeat."""

    holders = UnicodeSetAttribute(null=True)


class QueueItem(LedgerItem):
    """A run's place among those waiting for a slot."""

    run_id = UnicodeAttribute()


class NumberItem(LedgerItem):
    """Which run has a number."""

    job = UnicodeAttribute()
    run_id = UnicodeAttribute()
    expires_at = TTLAttribute(null=True)


class CounterItem(LedgerItem):
    """The last number that was given out."""

    last = NumberAttribute()


class BookmarkItem(LedgerItem):
    """A job's bookmark, now or at the end of a run. ``pending`` is the run that commits by it and has yet to end."""

    version = NumberAttribute()
    ordinal = NumberAttribute(default=0)
    attempt = NumberAttribute(default=0)
    run_id = UnicodeAttribute(null=True)
    previous_run_id = UnicodeAttribute(null=True)
    state = JSONAttribute(null=True)
    pending = UnicodeAttribute(null=True)
    modified_at = UTCDateTimeAttribute(null=True)


class JobItem(LedgerItem):
    """A job's definition."""

    name = UnicodeAttribute()
    version = NumberAttribute()
    definition = JSONAttribute()


class UnitItem(LedgerItem):
    """A unit of work of a run."""

    number = NumberAttribute()
    state = UnicodeAttribute()
    expires_at = TTLAttribute(null=True)
    rows_loaded = NumberAttribute(default=0)
    rows_rejected = NumberAttribute(default=0)
    bytes_read = NumberAttribute(default=0)
    work_milliseconds = NumberAttribute(default=0)


class DocumentItem(LedgerItem):
    """A document of a door."""

    org = UnicodeAttribute()
    collection = UnicodeAttribute()
    document_id = UnicodeAttribute()
    name = UnicodeAttribute()
    name_scope = UnicodeAttribute(null=True)
    body = JSONAttribute()
    version = NumberAttribute()
    created_at = UTCDateTimeAttribute()
    modified_at = UTCDateTimeAttribute()


class NameItem(LedgerItem):
    """Who has a name."""

    document_id = UnicodeAttribute()


class AccessKeyItem(LedgerItem):
    """An access key; its secret is nowhere in the table."""

    key_id = UnicodeAttribute()
    org = UnicodeAttribute()
    role = UnicodeAttribute()
    description = UnicodeAttribute(null=True)
    created_at = UTCDateTimeAttribute()
    key_expires_at = UTCDateTimeAttribute(null=True)
    revoked_at = UTCDateTimeAttribute(null=True)


class ClaimItem(LedgerItem):
    """Which run loads an uploaded object."""

    run_id = UnicodeAttribute()
    url = UnicodeAttribute()
    claimed_at = UTCDateTimeAttribute()
    expires_at = NumberAttribute()


class TriggerItem(LedgerItem):
    """A trigger. One whose schedule has yet to be written or removed is found by the index of what is due."""

    gsi_due = DueIndex()
    due_pk = UnicodeAttribute(null=True)
    due_sk = UnicodeAttribute(null=True)
    trigger_id = UnicodeAttribute()
    version = NumberAttribute()
    definition = JSONAttribute()


class WatchItem(LedgerItem):
    """A trigger that must hear of a job's runs, as of that version of it."""

    trigger_id = UnicodeAttribute()
    version = NumberAttribute()


class HeardItem(LedgerItem):
    """A trigger has heard how a run ended. Deleted by DynamoDB some time after it expires."""

    expires_at = NumberAttribute()


class DeliveryItem(LedgerItem):
    """Something told to an endpoint, with every try. Deleted by DynamoDB some time after it expires."""

    org = UnicodeAttribute()
    endpoint_id = UnicodeAttribute()
    announcement_id = UnicodeAttribute()
    job = UnicodeAttribute(null=True)
    run_id = UnicodeAttribute(null=True)
    sequence = NumberAttribute(default=0)
    status = UnicodeAttribute()
    document = UnicodeAttribute(null=True)
    state = UnicodeAttribute()
    attempts = NumberAttribute(default=0)
    tried_from = NumberAttribute(default=0)
    log = JSONAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    due_at = UTCDateTimeAttribute(null=True)
    leased_until = UTCDateTimeAttribute(null=True)
    created_at = UTCDateTimeAttribute()
    modified_at = UTCDateTimeAttribute()
    expires_at = TTLAttribute(null=True)


class QuietItem(LedgerItem):
    """What an endpoint was told of a job last. Deleted by DynamoDB some time after it expires."""

    outcome = UnicodeAttribute()
    announcement_id = UnicodeAttribute()
    until_at = UTCDateTimeAttribute()
    expires_at = TTLAttribute(null=True)


def count_page(
    index: Any, pk: str, condition: Condition, behind: dict[str, Any] | None
) -> tuple[int, dict[str, Any] | None]:
    """Count the runs in a part of an index, consistently: as many as one query goes through.

    Returns
    -------
    tuple of int and dict or None
        How many, and the key behind which more may follow.
    """
    page = RunItem._get_connection().query(  # noqa: SLF001 - PynamoDB has no public way to count a page at a time
        pk,
        range_key_condition=condition,
        index_name=index.Meta.index_name,
        exclusive_start_key=behind,
        consistent_read=True,
        select=COUNT,
    )
    return int(page["Count"]), page.get("LastEvaluatedKey")


def bind(table_name: str) -> Connection:
    """Point every model at a table.

    Returns
    -------
    Connection
        The one connection they share, for transactions and batches.
    """
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
