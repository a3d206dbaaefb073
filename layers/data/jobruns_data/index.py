"""One unit of files becomes data files, rejects and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyiceberg.table import Table

from jobruns.transform import Transform
from jobruns_data.ahead import READ_AHEAD, ReadAhead
from jobruns_data.catalog import TableTarget
from jobruns_data.errors import UnreadableFileError
from jobruns_data.packing import Unpacked
from jobruns_data.readers import RowReader
from jobruns_data.rejects import RejectSink
from jobruns_data.rows import Rows
from jobruns_data.units import FailedFile, SourceFile, UnitResult, WrittenFile
from jobruns_data.writer import LOT_BYTES, RunWriter

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["index_unit"]


def index_unit(  # noqa: PLR0913 - each setting of a load is one
    table: Table,
    target: TableTarget,
    transform: Transform,
    files: Sequence[SourceFile],
    *,
    run_id: str,
    unit: int,
    rejects: RejectSink,
    write: bool = True,
    client: S3Client | None = None,
    read_ahead: int = READ_AHEAD,
    max_file_rows: int = 0,
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
    client : S3Client, optional
        What the files are read with; left out, the process's own.
    read_ahead : int
        See `ReadAhead`. The result is the same whatever it is.
    max_file_rows, lot_bytes : int
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
    with (
        RunWriter(table, target.run_prefix(run_id), lot_bytes=lot_bytes, max_file_rows=max_file_rows) as writer,
        ReadAhead(files, read_ahead, client) as opened,
    ):

        def take(url: str, rows: Rows) -> None:
            nonlocal loaded
            loaded += rows.batch.num_rows
            rejects.add(url, rows.rejects)
            if write and not failed:
                writer.add(rows.batch)

        reader = RowReader(transform, take)
        for file, stream in opened:
            unpacked = Unpacked(stream, transform.compression, packed_bytes=file.size)
            try:
                reader.read(file.url, unpacked)
            except UnreadableFileError as error:
                failed.append(FailedFile(url=file.url, reason=error.message))
                writer.discard()
            finally:
                unpacked.close()
            bytes_read += stream.bytes_read
        reader.finish()
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
