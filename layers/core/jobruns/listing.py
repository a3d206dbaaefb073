"""Which files a load reads, and in which portions. Pure: who lists a bucket hands the objects in, one by one.

A load may have a million files, so nothing here keeps them: they go by, are grouped into units, and are written as JSON
lines into documents of a few megabytes. A unit says which lines of which document are its own.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from pydantic import BaseModel, ConfigDict

from jobruns.errors import InvalidInputError
from jobruns.table import compile_pattern

MAX_UNIT_FILES = 1000
"""So many small files are read in about the time one large file is; more would be too much to do again."""

MAX_UNITS = 100_000
DOCUMENT_BYTES = 8 << 20
MAX_CARRIED_FILES = 1_000_000


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


class Carried(BaseModel):
    """A unit of an earlier run, which has done it."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    unit: int


class Unit(BaseModel):
    """One portion of a load: bytes ``offset`` to ``offset + length`` of the document ``files_key`` name its files.

    Where it is ``carried``, an earlier run has read the same files, and its result is taken over.
    """

    model_config = ConfigDict(frozen=True)

    unit: int
    files_key: str
    offset: int
    length: int
    files: int
    carried: Carried | None = None


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


class Carryover:
    """Sorts the files of a retry: those of units that the run before has done, and the rest.

    A unit is carried over when all its files are there, unchanged. Files are remembered by digests: a million take some
    100 MB.

    Parameters
    ----------
    run_id : str
        The run before.
    units : mapping of int to Unit
        Those of its units that may be carried over, by number.
    max_files : int
        Units beyond so many files are not carried over.
    """

    def __init__(self, run_id: str, units: Mapping[int, Unit], max_files: int = MAX_CARRIED_FILES) -> None:
        self.run_id = run_id
        self.units: list[Unit] = []
        self._missing: dict[int, int] = {}
        self._owners: dict[bytes, int] = {}
        for number in sorted(units):
            max_files -= units[number].files
            if max_files < 0:
                break
            self.units.append(units[number])

    def learn(self, unit: Unit, files: Iterable[FoundFile]) -> None:
        """Remember which files a unit has read; one with a file that nobody can tell from its next version is left."""
        digests = [_digest(file) for file in files if file.etag is not None]
        if len(digests) == unit.files:
            self._missing[unit.unit] = unit.files
            self._owners.update(dict.fromkeys(digests, unit.unit))

    def sort_out(self, files: Iterable[FoundFile]) -> Iterator[FoundFile]:
        """Let those files pass that no such unit has read, and note the others."""
        for file in files:
            digest = _digest(file)
            owner = self._owners.get(digest)
            if owner is None:
                yield file
            elif owner >= 0:
                self._owners[digest] = ~owner
                self._missing[owner] -= 1

    def complete(self) -> list[Unit]:
        """Give the units that are carried over, once all files have been sorted."""
        return [unit for unit in self.units if self._missing.get(unit.unit) == 0]

    def broken(self) -> list[Unit]:
        """Give the other units of which files were noted: these must be read again."""
        return [unit for unit in self.units if 0 < self._missing.get(unit.unit, 0) < unit.files]

    def noted(self, files: Iterable[FoundFile]) -> Iterator[FoundFile]:
        """Let those files pass that were noted."""
        return (file for file in files if self._owners.get(_digest(file), 0) < 0)


def write_units(
    groups: Iterable[tuple[list[FoundFile], Carried | None]],
    prefix: str,
    put: Callable[[str, bytes], None],
    *,
    document_bytes: int = DOCUMENT_BYTES,
    max_units: int = MAX_UNITS,
) -> list[Unit]:
    """Write the files of each unit down.

    Parameters
    ----------
    groups : iterable of pairs of a list of FoundFile and Carried or None
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
    for group, carried in groups:
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
            Unit(
                unit=len(units),
                files_key=key,
                offset=offset,
                length=len(written) - offset,
                files=len(group),
                carried=carried,
            )
        )
        if len(written) >= document_bytes:
            put(key, bytes(written))
            written.clear()
            documents += 1
    if written:
        put(f"{prefix}{documents:05d}.jsonl", bytes(written))
    return units


def _digest(file: FoundFile) -> bytes:
    return hashlib.sha256(write_line(file)).digest()[:16]


def write_line(file: FoundFile) -> bytes:
    """Write a file down: a line of JSON."""
    members = [file.bucket, file.key, file.size, file.etag, file.version_id]
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"


def read_lines(content: bytes) -> list[FoundFile]:
    """Read what `write_line` wrote."""
    return [FoundFile(*json.loads(line)) for line in content.splitlines()]
