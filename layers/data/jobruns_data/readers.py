"""Opens a file by its transform, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator

from jobruns.transform import CsvFormat, Transform
from jobruns_data.csv_reader import read_csv
from jobruns_data.json_reader import read_json_lines
from jobruns_data.rows import Rows
from jobruns_data.source import Readable

__all__ = ["read_rows"]


def read_rows(stream: Readable, transform: Transform) -> Iterator[Rows]:
    """Read a decompressed file to its end.

    Parameters
    ----------
    stream : Readable
    transform : Transform

    Yields
    ------
    Rows
        Good rows with the types of `jobruns_data.schema.arrow_schema`, and the rejected ones between them, in the
        order of the file.

    Raises
    ------
    UnreadableFileError
        The file as a whole cannot be read.
    """
    reader = read_csv if isinstance(transform.format, CsvFormat) else read_json_lines
    yield from reader(stream, transform)
