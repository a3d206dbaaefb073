"""States of Singer taps: one item for what each is now."""

from pynamodb.exceptions import DoesNotExist

from jobruns.service.store_ports import StoredSyncState
from jobruns.store import keys
from jobruns.store.conditional import save_if
from jobruns.store.definition_items import SyncStateItem
from jobruns.sync_state import SyncState


class SyncStates:
    """Reads and writes states."""

    def get(self, org: str, key: str) -> StoredSyncState | None:
        """Read a state, consistently: one read."""
        try:
            item = SyncStateItem.get(keys.sync_state_pk(org, key), keys.sync_state_sk(), consistent_read=True)
        except DoesNotExist:
            return None
        state = SyncState(
            org=org,
            key=key,
            version=int(item.version),
            value=item.value,
            run_id=item.run_id,
            modified_at=item.modified_at,
        )
        return StoredSyncState(state, item.document_key)

    def replace(self, stored: StoredSyncState) -> bool:
        """Put the next version in place of a state.

        Returns
        -------
        bool
            False when it has moved in the meantime.
        """
        state = stored.state
        item = SyncStateItem(
            pk=keys.sync_state_pk(state.org, state.key),
            sk=keys.sync_state_sk(),
            kind="sync_state",
            version=state.version,
            value=state.value,
            document_key=stored.document_key,
            run_id=state.run_id,
            modified_at=state.modified_at,
        )
        before = state.version - 1
        unmoved = SyncStateItem.version == before if before else SyncStateItem.pk.does_not_exist()
        return save_if(item, unmoved)
