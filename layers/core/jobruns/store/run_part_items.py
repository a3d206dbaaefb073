"""The items that lie beside runs, as PynamoDB models: what leads to a run, and what is kept of one."""

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
)

from jobruns.store.items import LedgerItem


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


class AttemptItem(LedgerItem):
    """Which run is a certain automatic retry of another."""

    run_id = UnicodeAttribute()
    expires_at = TTLAttribute(null=True)


class TokenItem(LedgerItem):
    """Which run a caller's token started. Deleted by DynamoDB some time after it expires."""

    run_id = UnicodeAttribute()
    runs = NumberAttribute(null=True)
    expires_at = NumberAttribute()


class NumberItem(LedgerItem):
    """Which run has a number."""

    job = UnicodeAttribute()
    run_id = UnicodeAttribute()
    expires_at = TTLAttribute(null=True)


class CounterItem(LedgerItem):
    """The last number that was given out."""

    last = NumberAttribute()


class SlotsItem(LedgerItem):
    """The unfinished runs of a limited job: a set of ids, not a number, so that both taking and giving repeat."""

    holders = UnicodeSetAttribute(null=True)


class QueueItem(LedgerItem):
    """A run's place among those waiting for a slot."""

    run_id = UnicodeAttribute()


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


class UnitItem(LedgerItem):
    """A unit of work of a run."""

    number = NumberAttribute()
    state = UnicodeAttribute()
    expires_at = TTLAttribute(null=True)
    rows_loaded = NumberAttribute(default=0)
    rows_rejected = NumberAttribute(default=0)
    bytes_read = NumberAttribute(default=0)
    work_milliseconds = NumberAttribute(default=0)


class FileItem(LedgerItem):
    """A file of a run, as S3 last told of it; one that is gone has no size."""

    size = NumberAttribute(null=True)
    etag = UnicodeAttribute(null=True)
    sequencer = UnicodeAttribute()
    modified_at = UTCDateTimeAttribute()
    facts = JSONAttribute(null=True)
    expires_at = TTLAttribute(null=True)


class ClaimItem(LedgerItem):
    """Which run loads an uploaded object."""

    run_id = UnicodeAttribute()
    url = UnicodeAttribute()
    claimed_at = UTCDateTimeAttribute()
    expires_at = NumberAttribute()
