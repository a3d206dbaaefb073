"""What a load does with its job's bookmark: leave out the objects that were taken, and add its own when it commits."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pyiceberg.exceptions import NoSuchTableError

from ingest.load import Load, open_load
from jobruns.aws.objects import WorkObjects
from jobruns.bookmark import Bookmark
from jobruns.errors import BookmarkConflictError, NotFoundError
from jobruns.listing import FoundFile, Unit, read_lines
from jobruns.run import BookmarkOption, BookmarkStep, Run
from jobruns.service.bookmarks import open_bookmark
from jobruns.service.ports import Ports
from jobruns.taken import Taken, add_digests, object_digest, read_segments, write_segments
from jobruns_data.catalog import load_table, open_catalog
from jobruns_data.commit import CommitOutcome, find_commit

NAMED_FILES = 5
"""Files taken meanwhile that the message of a run names."""


class TakenMeanwhileError(BookmarkConflictError):
    """Another run has taken some of the files since this one listed them; a new run leaves them out."""


@dataclass(frozen=True, slots=True)
class LoadBookmark:
    """The bookmark as one load sees it.

    Parameters
    ----------
    ports : Ports
    work : WorkObjects
        Holds the segments.
    lake_bucket : str
    load : Load
    """

    ports: Ports
    work: WorkObjects
    lake_bucket: str
    load: Load

    def leave_out_taken(self, files: Iterable[FoundFile]) -> Iterable[FoundFile]:
        """Let those files pass that no success of the job has taken; all where the run does without a bookmark.

        Raises
        ------
        BookmarkConflictError
            Another run of the job is committing; ask again.
        """
        if self.load.run.bookmark_option is BookmarkOption.DISABLE:
            return files
        taken = self._taken(self._open())
        return (file for file in files if object_digest(file) not in taken)

    def propose_step(self, units: int) -> BookmarkStep:
        """Make the state in which the files of the load's units are taken too, from what the bookmark is now.

        It may have moved since the files were listed: what matters is that none of them was taken.

        Raises
        ------
        TakenMeanwhileError
            Some were.
        BookmarkConflictError
            Another run of the job is committing; ask again.
        """
        bookmark = self._open()
        if not units:
            return bookmark.step(bookmark.state)
        taken = self._taken(bookmark)
        digests: list[bytes] = []
        clashes: list[str] = []
        for file in self._files():
            digest = object_digest(file)
            digests.append(digest)
            if digest in taken:
                clashes.append(file.url)
        if clashes:
            named = ", ".join(clashes[:NAMED_FILES]) + (", ..." if len(clashes) > NAMED_FILES else "")
            raise TakenMeanwhileError(
                f"another run of the job has loaded {len(clashes)} of the files since they were listed ({named}); "
                "nothing of this run was kept: start it again, and it takes only what is left; "
                "or let the job have one run at a time"
            )
        segments = add_digests(read_segments(bookmark.state), digests, self.work.get, self._put)
        return bookmark.step(write_segments(segments))

    def _open(self) -> Bookmark:
        return open_bookmark(self.ports, self.load.run, self._has_committed)

    def _taken(self, bookmark: Bookmark) -> Taken:
        return Taken(self.work.get(segment.key) for segment in read_segments(bookmark.state))

    def _put(self, content: bytes) -> str:
        # Kept as long as the job may be reset to here, so not below runs/, where documents expire.
        run = self.load.run
        key = f"bookmarks/{run.org}/{run.run_id}/{secrets.token_hex(8)}"
        self.work.put(key, content)
        return key

    def _files(self) -> Iterator[FoundFile]:
        units = [Unit.model_validate(unit) for unit in self.work.get_json(self.load.units_key)]
        for key in dict.fromkeys(unit.files_key for unit in units):
            yield from read_lines(self.work.get(key))

    def _has_committed(self, run: Run) -> bool:
        try:
            held = open_load(self.ports, self.work, self.lake_bucket, run.org, run.job, run.run_id)
        except NotFoundError:
            return False  # the table has been deleted, and its rows with it
        return find_outcome(self.lake_bucket, held) is not None


def find_outcome(lake_bucket: str, load: Load) -> CommitOutcome | None:
    """Look for what a load has committed."""
    try:
        table = load_table(open_catalog(lake_bucket), load.target)
    except NoSuchTableError:
        return None
    return find_commit(table, load.run.run_id)
