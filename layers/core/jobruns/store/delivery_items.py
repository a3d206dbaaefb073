"""The items of what endpoints are told, as PynamoDB models."""

from pynamodb.attributes import JSONAttribute, NumberAttribute, TTLAttribute, UnicodeAttribute, UTCDateTimeAttribute

from jobruns.store.items import LedgerItem


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
