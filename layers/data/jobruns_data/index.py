"""One unit of files becomes data files, rejects and counts."""

from __future__ import annotations

from collections.abc import Sequence

from pyiceberg.table import Table

from jobruns.transform import Transform
from jobruns_data.catalog import TableTarget
from jobruns_data.errors import UnreadableFileError
from jobruns_data.packing import Unpacked
from jobruns_data.readers import read_rows
from jobruns_data.rejects import RejectSink
from jobruns_data.source import ObjectStream
from jobruns_data.units import FailedFile, SourceFile, UnitResult, WrittenFile
from jobruns_data.writer import LOT_BYTES, RunWriter

__all__ = ["index_unit"]


def index_unit(
    table: Table,
    target: TableTarget,
    transform: Transform,
    files: Sequence[SourceFile],
    *,
    run_id: str,
    unit: int,
    rejects: RejectSink,
    write: bool = True,
    lot_bytes: int = LOT_BYTES,
) -> UnitResult:
    """Read the files of a unit and write their good rows as data files that no reader of the table sees yet.

    Doing it again is safe: the data files have new names, the rejects the same ones.

    Parameters
    ----------
    table : Table
        As `jobruns_data.catalog.ensure_table` gives it for the transform.
    target : TableTarget
        The same table's; says where the run's files go.
    transform : Transform
    files : sequence of SourceFile
    run_id : str
    unit : int
        Ordinal of the unit in the run.
    rejects : RejectSink
        Made for the same run and unit.
    write : bool
        False to read, count and reject only, for a dry run.
    lot_bytes : int
        See `RunWriter`.

    Returns
    -------
    UnitResult
        With every file that could not be read; if there is one, nothing is loaded, and the rest of the files are still
        read so that all the failures are known at once.

    Raises
    ------
    botocore.exceptions.ClientError, BotoCoreError
        The lake or the work bucket do not answer. What was written stays below the run's prefix.
    """
    failed: list[FailedFile] = []
    loaded = bytes_read = 0
    with RunWriter(table, target.run_prefix(run_id), lot_bytes=lot_bytes) as writer:
        for file in files:
            stream = ObjectStream(file)
            unpacked = Unpacked(stream, transform.compression, packed_bytes=file.size)
            try:
                for rows in read_rows(unpacked, transform):
                    loaded += rows.batch.num_rows
                    rejects.add(file.url, rows.rejects)
                    if write and not failed:
                        writer.add(rows.batch)
            except UnreadableFileError as error:
                failed.append(FailedFile(url=file.url, reason=error.message))
                writer.discard()
            finally:
                unpacked.close()
            bytes_read += stream.bytes_read
        rejects.flush()
        data_files = [] if failed or not write else writer.finish()
    return UnitResult(
        unit=unit,
        files=len(files),
        rows_loaded=0 if failed else loaded,
        rows_rejected=rejects.rows,
        bytes_read=bytes_read,
        failed=tuple(failed),
        data_files=tuple(WrittenFile.of(file, table.metadata.default_spec_id) for file in data_files),
    )
