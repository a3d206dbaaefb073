"""Bookmarks of jobs: one item for what each is now, and one for what it was at the end of each run that moved it.

What it was stays when the job goes, as its runs do; the bookmark itself goes with the job, in one transaction.
"""

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition

from jobruns.bookmark import Bookmark
from jobruns.run import Run
from jobruns.store import keys
from jobruns.store.conditional import save_if, update_if
from jobruns.store.definition_items import BookmarkItem, JobItem
from jobruns.store.transaction import RefusedError, Transaction, TransactionalStore

_STORED = tuple(name for name in Bookmark.model_fields if name not in ("org", "job"))


def claim_in(transaction: Transaction, run: Run) -> None:
    """Let a run that begins to commit hold the bookmark, within a transaction: part ``bookmark``.

    It is refused when the bookmark is not as the run's step found it, or another run holds it.
    """
    if run.bookmark is None:
        return
    version = run.bookmark.from_version
    item = BookmarkItem(pk=keys.job_pk(run.org, run.job), sk=keys.bookmark_sk())
    actions = [
        BookmarkItem.pending.set(run.run_id),
        BookmarkItem.version.set(version),
        BookmarkItem.kind.set("bookmark"),
    ]
    transaction.update("bookmark", item, actions, _at(version) & BookmarkItem.pending.does_not_exist())


def delete_in(transaction: Transaction, org: str, job: str) -> None:
    """Delete a job's bookmark within a transaction."""
    transaction.delete("bookmark", BookmarkItem(pk=keys.job_pk(org, job), sk=keys.bookmark_sk()))


class Bookmarks(TransactionalStore):
    """Reads and writes bookmarks."""

    def get(self, org: str, job: str) -> Bookmark | None:
        """Read a job's bookmark, consistently: one read."""
        return _read(org, job, keys.bookmark_sk())

    def of_run(self, org: str, job: str, run_id: str) -> Bookmark | None:
        """Read what the bookmark was at the end of a run, consistently: one read."""
        return _read(org, job, keys.bookmark_sk(run_id))

    def advance(self, entry: Bookmark, *, claimed: bool) -> bool:
        """Move the bookmark to where a run's success leads, and put that on record: one transaction.

        A bookmark that was reset while a run held it stays where it is, and one whose job was deleted is not made
        again. What the run left is on record all the same, where the job is.

        Parameters
        ----------
        entry : Bookmark
            The bookmark at the end of the run.
        claimed : bool
            Whether the run must hold the bookmark; if not, nobody may.

        Returns
        -------
        bool
            Whether all is done, now or by an earlier call. Without a claim it is false when another run was faster;
            the bookmark must then be read again.
        """
        pk = keys.job_pk(entry.org, entry.job)
        pending = BookmarkItem.pending
        holds = pending == entry.run_id if claimed else pending.does_not_exist()
        transaction = self._begin()
        transaction.check("job", JobItem(pk=pk, sk="JOB"), JobItem.pk.exists())
        transaction.put("entry", _item(entry, entry.run_id), BookmarkItem.pk.does_not_exist())
        transaction.put("bookmark", _item(entry), _at(entry.version - 1) & holds)
        try:
            transaction.commit()
        except RefusedError as refusal:
            if "job" in refusal.parts:
                self.release(entry.org, entry.job, str(entry.run_id))
                return True
            if "entry" in refusal.parts:
                return True
            if claimed:
                save_if(_item(entry, entry.run_id), BookmarkItem.pk.does_not_exist())
            return claimed
        return True

    def release(self, org: str, job: str, run_id: str) -> None:
        """Let the bookmark go that a run holds; nothing happens where it holds none."""
        item = BookmarkItem(pk=keys.job_pk(org, job), sk=keys.bookmark_sk())
        update_if(item, [BookmarkItem.pending.remove()], BookmarkItem.pending == run_id)

    def replace(self, bookmark: Bookmark) -> bool:
        """Put the next version in place of a bookmark, whoever holds it.

        Returns
        -------
        bool
            False when it has moved in the meantime.
        """
        return save_if(_item(bookmark), _at(bookmark.version - 1))


def _at(version: int) -> Condition:
    """Require a version; version 0 is there also where there is no item."""
    there = BookmarkItem.version == version
    return there if version else (BookmarkItem.pk.does_not_exist() | there)


def _item(bookmark: Bookmark, run_id: str | None = None) -> BookmarkItem:
    fields = {name: getattr(bookmark, name) for name in _STORED}
    return BookmarkItem(
        pk=keys.job_pk(bookmark.org, bookmark.job),
        sk=keys.bookmark_sk(run_id),
        kind="bookmark" if run_id is None else "bookmark_of_run",
        **{**fields, "state": bookmark.state or None},
    )


def _read(org: str, job: str, sort_key: str) -> Bookmark | None:
    try:
        item = BookmarkItem.get(keys.job_pk(org, job), sort_key, consistent_read=True)
    except DoesNotExist:
        return None
    fields = {name: getattr(item, name) for name in _STORED}
    fields = {name: value for name, value in fields.items() if value is not None}
    return Bookmark.model_validate({**fields, "org": org, "job": job})
