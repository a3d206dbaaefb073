"""Access keys."""

from datetime import datetime

from pynamodb.exceptions import DoesNotExist

from jobruns.access import AccessKey, Role
from jobruns.store import keys
from jobruns.store.conditional import update_if
from jobruns.store.people_items import AccessKeyItem

MAX_KEYS = 1000


class AccessKeys:
    """Reads and writes access keys."""

    def add(self, key: AccessKey) -> None:
        """Write a key, and list it: first the listing, so that no key works that cannot be found and revoked."""
        for pk, sk in (("KEYS", key.key_id), (keys.key_pk(key.key_id), "KEY")):
            fields = key.model_dump(exclude={"expires_at", "role"})
            AccessKeyItem(
                pk=pk, sk=sk, kind="access_key", role=str(key.role), key_expires_at=key.expires_at, **fields
            ).save()

    def get(self, key_id: str) -> AccessKey | None:
        """Read a key, consistently: one read."""
        try:
            return _read(AccessKeyItem.get(keys.key_pk(key_id), "KEY", consistent_read=True))
        except DoesNotExist:
            return None

    def revoke(self, key_id: str, at: datetime) -> bool:
        """End a key.

        Returns
        -------
        bool
            False when there is no such key.
        """
        for pk, sk in ((keys.key_pk(key_id), "KEY"), ("KEYS", key_id)):
            revocation = [AccessKeyItem.revoked_at.set(at)]
            if not update_if(AccessKeyItem(pk=pk, sk=sk), revocation, AccessKeyItem.pk.exists()):
                return False
        return True

    def all(self) -> list[AccessKey]:
        """Read the keys of all orgs, at most `MAX_KEYS`, by id."""
        return [_read(item) for item in AccessKeyItem.query("KEYS", consistent_read=True, limit=MAX_KEYS)]

    def of_org(self, org: str) -> list[AccessKey]:
        """Read the keys of one org, at most `MAX_KEYS`, by id."""
        found = AccessKeyItem.query(
            "KEYS", filter_condition=AccessKeyItem.org == org, consistent_read=True, limit=MAX_KEYS
        )
        return [_read(item) for item in found]


def _read(item: AccessKeyItem) -> AccessKey:
    return AccessKey(
        key_id=item.key_id,
        org=item.org,
        role=Role(item.role),
        description=item.description,
        created_at=item.created_at,
        expires_at=item.key_expires_at,
        revoked_at=item.revoked_at,
    )
