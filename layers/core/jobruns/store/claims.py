"""Claims: which run loads an uploaded object into a table."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from jobruns.service.uploads import Claim
from jobruns.store import keys
from jobruns.store.run_part_items import ClaimItem
from jobruns.store.transaction import MAX_PARTS, RefusedError, TransactionalStore
from jobruns.uploads import UploadedObject

CLAIM_DAYS = 30
"""Longer than a message can live in the upload queue and then in its dead-letter queue: 14 days each."""

_TRIES = 3
"""The first try learns what is held; another is lost only to somebody who claims the same objects meanwhile."""


class Claims(TransactionalStore):
    """Writes claims."""

    def claim(
        self,
        org: str,
        table_id: str,
        run_id: str,
        objects: Sequence[UploadedObject],
        at: datetime,
        taken_from: Mapping[str, str] | None = None,
    ) -> dict[str, Claim]:
        """Claim objects for a run: one transaction for each hundred, two where others hold some of them.

        Parameters
        ----------
        org, table_id, run_id : str
            Whose, which table's, for which run.
        objects : sequence of UploadedObject
            No two with the same identity.
        at : datetime
            Now.
        taken_from : mapping of str to str, optional
            By identity, the run that must hold the claim now. Without it nobody may.

        Returns
        -------
        dict of str to Claim
            The objects that were refused, by identity, with who holds them. All others are the run's.
        """
        refused: dict[str, Claim] = {}
        for start in range(0, len(objects), MAX_PARTS):
            wanted = {found.identity: found for found in objects[start : start + MAX_PARTS]}
            for _ in range(_TRIES):
                met = self._try(org, table_id, run_id, wanted, at, taken_from or {})
                refused |= met
                left = {identity: found for identity, found in wanted.items() if identity not in met}
                if not met or not left:
                    break
                wanted = left
            else:
                # Somebody claims the very same objects, one after the other: whose they are will be seen later.
                refused |= {identity: Claim(run_id, at) for identity in wanted}
        return refused

    def _try(
        self,
        org: str,
        table_id: str,
        run_id: str,
        wanted: Mapping[str, UploadedObject],
        at: datetime,
        taken_from: Mapping[str, str],
    ) -> dict[str, Claim]:
        transaction = self._begin()
        for identity, found in wanted.items():
            holder = taken_from.get(identity)
            free = ClaimItem.run_id == holder if holder else ClaimItem.pk.does_not_exist()
            item = ClaimItem(
                pk=keys.claim_pk(org, table_id),
                sk=identity,
                kind="claim",
                run_id=run_id,
                url=found.url,
                claimed_at=at,
                expires_at=int((at + timedelta(days=CLAIM_DAYS)).timestamp()),
            )
            # One's own claim is met when the answer to the first try was lost.
            transaction.put(identity, item, free | (ClaimItem.run_id == run_id))
        try:
            transaction.commit()
        except RefusedError as refusal:
            return {identity: _read(raw, run_id, at) for identity, raw in refusal.parts.items()}
        return {}


def _read(raw: dict[str, Any] | None, run_id: str, at: datetime) -> Claim:
    if raw is None:
        # The claim that was to be taken over is gone: it expired this moment.
        return Claim(run_id, at)
    item = ClaimItem.from_raw_data(raw)
    return Claim(item.run_id, item.claimed_at)
