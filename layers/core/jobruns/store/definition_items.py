"""The items of jobs, of their triggers and of the doors' documents, as PynamoDB models."""

from pynamodb.attributes import (
    JSONAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)

from jobruns.store.indexes import DueIndex
from jobruns.store.items import LedgerItem


class JobItem(LedgerItem):
    """A job's definition."""

    name = UnicodeAttribute()
    version = NumberAttribute()
    definition = JSONAttribute()


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


class SyncStateItem(LedgerItem):
    """The state of a tap, or where it lies."""

    version = NumberAttribute()
    value = JSONAttribute(null=True)
    document_key = UnicodeAttribute(null=True)
    run_id = UnicodeAttribute(null=True)
    modified_at = UTCDateTimeAttribute()


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
    expires_at = TTLAttribute(null=True)


class NameItem(LedgerItem):
    """Who has a name."""

    document_id = UnicodeAttribute()
    expires_at = TTLAttribute(null=True)
