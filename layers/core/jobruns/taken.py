"""Which objects a job has taken, however many: the state of an ingest job's bookmark. Pure: callers bring the storage.

Each object is remembered as a digest of 16 bytes. Digests lie, sorted, in segments: documents that are written once and
never changed, so that any earlier state stays readable. A run adds one segment, into which the smaller ones before it
are merged, so that a state names few however many runs made it, and each digest is rewritten a few times in all.

Objects are not remembered by the latest time of modification: what was uploaded in parts carries the time at which the
upload was begun, and would be passed over where something newer had been taken before the upload was complete.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from io import BytesIO
from itertools import groupby, islice
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from jobruns.listing import FoundFile

DIGEST_BYTES = 16
"""Of a billion objects two share a digest with a probability of one in a billion billions."""

MAX_SEGMENT_DIGESTS = 1 << 22
"""64 MiB: what is merged passes through memory."""

_SORTED_AT_ONCE = 1 << 20


class Segment(BaseModel):
    """A document of so many digests."""

    model_config = ConfigDict(frozen=True)

    key: str
    count: int = Field(ge=1)


def object_digest(file: FoundFile) -> bytes:
    """Digest what tells an object from all others, and from what was there before it was overwritten.

    Its entity tag is preferred to its version, which a listing does not tell: the same content written again under the
    same key is the same object.
    """
    tag = (file.etag or "").strip('"') or file.version_id or ""
    return hashlib.sha256(f"{file.bucket}\x00{tag}\x00{file.key}".encode()).digest()[:DIGEST_BYTES]


def read_segments(state: Mapping[str, Any]) -> list[Segment]:
    """Read the segments that a bookmark's state names."""
    return [Segment.model_validate(segment) for segment in state.get("segments", [])]


def write_segments(segments: Sequence[Segment]) -> dict[str, Any]:
    """Write segments as a bookmark's state."""
    return {"segments": [segment.model_dump() for segment in segments]} if segments else {}


class Taken:
    """The objects that were taken: ``object_digest(file) in taken``.

    Parameters
    ----------
    contents : iterable of bytes
        Of the segments, the largest first: most of what is asked for is there.
    """

    def __init__(self, contents: Iterable[bytes]) -> None:
        self._segments = [_Digests(content) for content in contents]

    def __contains__(self, digest: bytes) -> bool:
        for segment in self._segments:
            place = bisect_left(segment, digest)
            if place < len(segment) and segment[place] == digest:
                return True
        return False


def add_digests(
    segments: Sequence[Segment],
    digests: Iterable[bytes],
    get: Callable[[str], bytes],
    put: Callable[[bytes], str],
    *,
    max_digests: int = MAX_SEGMENT_DIGESTS,
) -> list[Segment]:
    """Add digests to a state.

    Parameters
    ----------
    segments : sequence of Segment
        The state; none of its documents is changed.
    digests : iterable of bytes
        In any order; read to the end before anything is written.
    get : callable
        Reads a segment's document by its key.
    put : callable
        Writes a new document and gives its key.
    max_digests : int
        Of a segment.

    Returns
    -------
    list of Segment
        The next state, the largest first. Those of one half of `max_digests` or less are each at least twice as large
        as the next.
    """
    fresh = list(_sorted_parts(digests))
    total = sum(len(part) for part in fresh) // DIGEST_BYTES
    if not total:
        return list(segments)
    kept = sorted(segments, key=lambda segment: segment.count, reverse=True)
    merged: list[bytes] = []
    while kept and kept[-1].count < 2 * total and kept[-1].count + total <= max_digests:
        smallest = kept.pop()
        merged.append(get(smallest.key))
        total += smallest.count
    unique = (digest for digest, _ in groupby(merge(*map(_Digests, [*fresh, *merged]))))
    while content := _joined(islice(unique, max_digests)):
        kept.append(Segment(key=put(content), count=len(content) // DIGEST_BYTES))
    return sorted(kept, key=lambda segment: segment.count, reverse=True)


class _Digests(Sequence[bytes]):
    """The digests of a document, read from it where it lies: a list of them would take four times the memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content) // DIGEST_BYTES

    def __getitem__(self, place: Any) -> Any:
        start = place * DIGEST_BYTES
        return self._content[start : start + DIGEST_BYTES]

    def __iter__(self) -> Iterator[bytes]:
        content = self._content
        return (content[start : start + DIGEST_BYTES] for start in range(0, len(content), DIGEST_BYTES))


def _sorted_parts(digests: Iterable[bytes]) -> Iterator[bytes]:
    remaining = iter(digests)
    while part := sorted(islice(remaining, _SORTED_AT_ONCE)):
        yield b"".join(part)


def _joined(digests: Iterable[bytes]) -> bytes:
    content = BytesIO()
    content.writelines(digests)
    return content.getvalue()
