"""The items of who may call, as PynamoDB models: users, roles and access keys."""

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute

from jobruns.store.items import LedgerItem


class UserItem(LedgerItem):
    """A user. In the list of its org's it has neither what is kept of its password nor its generation."""

    name = UnicodeAttribute()
    org = UnicodeAttribute()
    role = UnicodeAttribute()
    active = BooleanAttribute()
    password = UnicodeAttribute(null=True)
    generation = UnicodeAttribute(null=True)
    version = NumberAttribute()
    created_at = UTCDateTimeAttribute()
    modified_at = UTCDateTimeAttribute()


class RoleItem(LedgerItem):
    """An org's own role, and how many users have it. ``everything`` is told for conditions to look at."""

    name = UnicodeAttribute()
    org = UnicodeAttribute()
    grants = JSONAttribute()
    everything = BooleanAttribute()
    extra = JSONAttribute(null=True)
    holders = NumberAttribute()
    version = NumberAttribute()
    created_at = UTCDateTimeAttribute()
    modified_at = UTCDateTimeAttribute()


class HeadcountItem(LedgerItem):
    """How many users and roles of its own an org has."""

    users = NumberAttribute(null=True)
    roles = NumberAttribute(null=True)


class AccessKeyItem(LedgerItem):
    """An access key; its secret is nowhere in the table."""

    key_id = UnicodeAttribute()
    org = UnicodeAttribute()
    role = UnicodeAttribute()
    description = UnicodeAttribute(null=True)
    created_at = UTCDateTimeAttribute()
    key_expires_at = UTCDateTimeAttribute(null=True)
    revoked_at = UTCDateTimeAttribute(null=True)
