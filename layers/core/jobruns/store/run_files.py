"""What is known of the files of runs: the latest of each, whatever the order in which it is told."""

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition

from jobruns.errors import StaleWriteError
from jobruns.retention import Retention
from jobruns.run_file import RunFile
from jobruns.store import keys
from jobruns.store.conditional import save_if
from jobruns.store.run_part_items import FileItem

MAX_TRIES = 8
MAX_FILES = 10_000


class RunFiles:
    """Reads and writes what is known of files.

    Parameters
    ----------
    retention : Retention
        How long it is kept.
    """

    def __init__(self, retention: Retention) -> None:
        self._retention = retention

    def note(self, org: str, run_id: str, file: RunFile) -> bool:
        """Note how a file is: one read and one write, or one read where something later is known of it.

        Returns
        -------
        bool
            False where nothing was written.

        Raises
        ------
        StaleWriteError
            A bounded number of tries all lost against other writers.
        """
        item = self._item(org, run_id, file)
        for _ in range(MAX_TRIES):
            known = _read(item.pk, item.sk)
            if known is not None and not file.follows(known):
                return False
            unchanged: Condition = FileItem.pk.does_not_exist()
            if known is not None:
                unchanged = (FileItem.sequencer == known.sequencer) & (FileItem.modified_at == known.modified_at)
            if save_if(item, unchanged):
                return True
        raise StaleWriteError(f"what is known of {file.path} is being changed by others; tell it again")

    def all(self, org: str, run_id: str) -> list[RunFile]:
        """Read what is known of a run's files, by path, consistently. What is gone is left out."""
        found = FileItem.query(
            keys.run_pk(org, run_id), FileItem.sk.startswith(keys.file_sk("")), consistent_read=True, limit=MAX_FILES
        )
        return [file for file in map(_file, found) if file.size is not None]

    def _item(self, org: str, run_id: str, file: RunFile) -> FileItem:
        return FileItem(
            pk=keys.run_pk(org, run_id),
            sk=keys.file_sk(file.path),
            kind="file",
            size=file.size,
            etag=file.etag,
            sequencer=file.sequencer,
            modified_at=file.modified_at,
            facts=file.facts or None,
            expires_at=self._retention.history_expires_at(file.modified_at),
        )


def _read(pk: str, sk: str) -> RunFile | None:
    try:
        return _file(FileItem.get(pk, sk, consistent_read=True))
    except DoesNotExist:
        return None


def _file(item: FileItem) -> RunFile:
    return RunFile(
        path=item.sk.removeprefix(keys.file_sk("")),
        size=None if item.size is None else int(item.size),
        etag=item.etag,
        sequencer=item.sequencer,
        modified_at=item.modified_at,
        facts=item.facts or {},
    )
