"""Segments of digests: what was added is there, nothing else is, and a state stays small."""

import secrets
from collections import Counter
from itertools import pairwise
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.listing import FoundFile
from jobruns.taken import (
    DIGEST_BYTES,
    Segment,
    Taken,
    add_digests,
    object_digest,
    read_segments,
    write_segments,
)

DIGESTS = st.integers(0, 400).map(lambda number: number.to_bytes(DIGEST_BYTES, "big"))


class Shelf:
    """Documents that are written once."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.written: Counter[bytes] = Counter()

    def put(self, content: bytes) -> str:
        key = str(len(self.held))
        self.held[key] = content
        self.written.update(content[at : at + DIGEST_BYTES] for at in range(0, len(content), DIGEST_BYTES))
        return key

    def taken(self, segments: list[Segment]) -> Taken:
        return Taken(self.held[segment.key] for segment in segments)


def file(
    key: str = "in/a.csv", *, bucket: str = "b", etag: str | None = '"e1"', version: str | None = None
) -> FoundFile:
    return FoundFile(bucket, key, 1, etag, version)


def test_an_object_is_told_by_its_bucket_its_key_and_its_content() -> None:
    same = {object_digest(file(etag='"e1"')), object_digest(file(etag="e1")), object_digest(file(version="v2"))}
    assert len(same) == 1
    others = [file("in/b.csv"), file(bucket="c"), file(etag='"e2"'), file(etag=None, version="v1"), file(etag=None)]
    digests = {object_digest(other) for other in others} | same
    assert len(digests) == 6
    assert {len(digest) for digest in digests} == {DIGEST_BYTES}


def test_parts_of_names_are_not_taken_for_each_other() -> None:
    assert object_digest(FoundFile("b", "a1", 1, "e")) != object_digest(FoundFile("b", "1", 1, "ea"))
    assert object_digest(FoundFile("ba", "1", 1, "e")) != object_digest(FoundFile("b", "a1", 1, "e"))


@given(st.lists(st.lists(DIGESTS), max_size=12), st.sampled_from([4, 16, 1000]))
def test_what_was_added_is_there_and_nothing_else_is(drops: list[list[bytes]], most: int) -> None:
    shelf, segments, expected = Shelf(), list[Segment](), set[bytes]()
    for drop in drops:
        taken = shelf.taken(segments)
        fresh = [digest for digest in drop if digest not in taken]
        assert set(fresh) == set(drop) - expected
        before = dict(shelf.held)
        was = segments
        segments = add_digests(segments, fresh, shelf.held.__getitem__, shelf.put, max_digests=most)
        expected |= set(drop)
        assert {key: shelf.held[key] for key in before} == before
        if not fresh:
            assert segments == was
    taken = shelf.taken(segments)
    assert all(digest in taken for digest in expected)
    assert not any(number.to_bytes(DIGEST_BYTES, "big") in taken for number in range(401, 420))
    assert sum(segment.count for segment in segments) == len(expected)
    for segment in segments:
        content = shelf.held[segment.key]
        digests = [content[at : at + DIGEST_BYTES] for at in range(0, len(content), DIGEST_BYTES)]
        assert len(digests) == segment.count <= most
        assert digests == sorted(set(digests))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.sampled_from([64, 10_000]))
def test_a_state_names_few_segments_and_a_digest_is_rewritten_a_few_times(counts: list[int], most: int) -> None:
    shelf, segments = Shelf(), list[Segment]()
    for count in counts:
        fresh = [secrets.token_bytes(DIGEST_BYTES) for _ in range(count)]
        segments = add_digests(segments, fresh, shelf.held.__getitem__, shelf.put, max_digests=most)
    total = sum(counts)
    assert len(segments) <= log2(total) + 1 + 2 * total / most
    small = [segment.count for segment in segments if segment.count <= most / 2]
    assert all(larger >= 2 * smaller for larger, smaller in pairwise(small))
    # Each time it is, it comes into a segment at least half as large again.
    assert max(shelf.written.values()) <= 1 + log2(total) / log2(1.5)


def test_a_state_is_json_and_an_empty_one_says_nothing() -> None:
    segments = [Segment(key="bookmarks/o/r/1", count=2), Segment(key="bookmarks/o/r/2", count=1)]
    assert read_segments(write_segments(segments)) == segments
    assert write_segments([]) == {}
    assert read_segments({}) == []


@pytest.mark.parametrize("digests", [[], [b"\x00" * DIGEST_BYTES, b"\xff" * DIGEST_BYTES]])
def test_the_first_and_the_last_digest_are_found(digests: list[bytes]) -> None:
    shelf = Shelf()
    taken = shelf.taken(add_digests([], digests, shelf.held.__getitem__, shelf.put))
    for digest in (b"\x00" * DIGEST_BYTES, b"\xff" * DIGEST_BYTES, b"\x01" * DIGEST_BYTES):
        assert (digest in taken) == (digest in digests)
