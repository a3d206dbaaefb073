"""Which files a load reads, and in which portions. Pure: who lists a bucket hands the objects in, one by one.

A load may have a million files, so nothing here keeps them: they go by, are grouped into units, and are written as JSON
lines into documents of a few megabytes. A unit says which lines of which document are its own.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from pydantic import BaseModel, ConfigDict

from jobruns.errors import InvalidInputError
from jobruns.table import compile_pattern

MAX_UNIT_FILES = 1000
"""So many small files are read in about the time one large file is; more would be too much to do again."""

MAX_UNITS = 100_000
DOCUMENT_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An object to load.

    Parameters
    ----------
    bucket, key : str
    size : int
        Bytes.
    etag : str or None
        As S3 writes it, with quotes.
    version_id : str or None
    """

    bucket: str
    key: str
    size: int
    etag: str | None = None
    version_id: str | None = None

    @property
    def url(self) -> str:
        """The object as a URL: ``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"


class Unit(BaseModel):
    """One portion of a load: bytes ``offset`` to ``offset + length`` of the document ``files_key`` name its files."""

    model_config = ConfigDict(frozen=True)

    unit: int
    files_key: str
    offset: int
    length: int
    files: int


def select_files(files: Iterable[FoundFile], pattern: str, max_files: int) -> Iterator[FoundFile]:
    """Let those files pass that a load asks for.

    Parameters
    ----------
    files : iterable of FoundFile
        In the order of their keys. It is read no further than needed.
    pattern : str
        Searched for in the URL; empty lets all pass.
    max_files : int
        How many pass at most; 0 is no limit.
    """
    search = compile_pattern(pattern).search if pattern else None
    wanted = (
        file
        for file in files
        # What consoles make to show an empty folder.
        if not (file.size == 0 and file.key.endswith("/")) and (search is None or search(file.url))
    )
    return islice(wanted, max_files or None)


def group_files(
    files: Iterable[FoundFile], unit_bytes: int, max_unit_files: int = MAX_UNIT_FILES
) -> Iterator[list[FoundFile]]:
    """Group files into units, in order: as many as fit into `unit_bytes`; one that is larger is a unit alone."""
    unit: list[FoundFile] = []
    size = 0
    for file in files:
        if unit and (size + file.size > unit_bytes or len(unit) >= max_unit_files):
            yield unit
            unit, size = [], 0
        unit.append(file)
        size += file.size
    if unit:
        yield unit


def write_units(
    groups: Iterable[list[FoundFile]],
    prefix: str,
    put: Callable[[str, bytes], None],
    *,
    document_bytes: int = DOCUMENT_BYTES,
    max_units: int = MAX_UNITS,
) -> list[Unit]:
    """Write the files of each unit down.

    Parameters
    ----------
    groups : iterable of list of FoundFile
        The units; read one by one.
    prefix : str
        Of the documents' keys.
    put : callable
        Writes a document.
    document_bytes : int
        A document is written when it has reached this.
    max_units : int
        More are refused.

    Returns
    -------
    list of Unit
        Numbered from 0.

    Raises
    ------
    InvalidInputError
        There are too many units.
    """
    units: list[Unit] = []
    written = bytearray()
    documents = 0
    for group in groups:
        if len(units) >= max_units:
            raise InvalidInputError(
                f"the files make more than {max_units} units; aggregate more bytes into one unit, or load fewer files",
                field="unit_bytes",
            )
        offset = len(written)
        for file in group:
            written += write_line(file)
        key = f"{prefix}{documents:05d}.jsonl"
        units.append(
            Unit(unit=len(units), files_key=key, offset=offset, length=len(written) - offset, files=len(group))
        )
        if len(written) >= document_bytes:
            put(key, bytes(written))
            written.clear()
            documents += 1
    if written:
        put(f"{prefix}{documents:05d}.jsonl", bytes(written))
    return units


def write_line(file: FoundFile) -> bytes:
    """Write a file down: a line of JSON."""
    members = [file.bucket, file.key, file.size, file.etag, file.version_id]
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"


def read_lines(content: bytes) -> list[FoundFile]:
    """Read what `write_line` wrote."""
    return [FoundFile(*json.loads(line)) for line in content.splitlines()]
