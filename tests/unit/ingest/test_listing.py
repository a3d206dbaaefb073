"""Which files, in which portions: over any listing."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.errors import InvalidInputError
from jobruns.listing import (
    MAX_UNIT_FILES,
    Carryover,
    FoundFile,
    Unit,
    group_files,
    read_lines,
    select_files,
    write_line,
    write_units,
)
from tests.peaks import Peak

FILES = st.builds(
    FoundFile,
    bucket=st.just("b"),
    key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    size=st.integers(0, 100),
    etag=st.none() | st.just('"e"'),
    version_id=st.none() | st.just("v"),
)
LISTINGS = st.lists(FILES, max_size=60)


@given(LISTINGS, st.integers(1, 150), st.integers(1, 7))
def test_units_keep_the_order_and_their_bounds(files: list[FoundFile], unit_bytes: int, most: int) -> None:
    units = list(group_files(iter(files), unit_bytes, most))
    assert [file for unit in units for file in unit] == files
    for unit in units:
        assert 1 <= len(unit) <= most
        assert len(unit) == 1 or sum(file.size for file in unit) <= unit_bytes
    for unit, following in pairwise(units):
        assert len(unit) == most or sum(file.size for file in unit) + following[0].size > unit_bytes


def test_a_file_larger_than_a_unit_is_alone() -> None:
    sizes = [10, 200, 10, 10, 90]
    files = [FoundFile("b", str(number), size) for number, size in enumerate(sizes)]
    assert [[file.size for file in unit] for unit in group_files(files, 100)] == [[10], [200], [10, 10], [90]]


@given(LISTINGS, st.integers(1, 150), st.integers(1, 400))
def test_each_unit_finds_its_own_files_again(files: list[FoundFile], unit_bytes: int, document_bytes: int) -> None:
    written: dict[str, bytes] = {}
    groups = list(group_files(files, unit_bytes))
    units = write_units(((group, None) for group in groups), "p/", written.__setitem__, document_bytes=document_bytes)
    assert [unit.unit for unit in units] == list(range(len(groups)))
    for unit, group in zip(units, groups, strict=True):
        part = written[unit.files_key][unit.offset : unit.offset + unit.length]
        assert read_lines(part) == group
        assert unit.files == len(group)
    assert sum(map(len, written.values())) == sum(unit.length for unit in units)


@given(FILES)
def test_a_file_is_one_line(file: FoundFile) -> None:
    line = write_line(file)
    assert line.count(b"\n") == 1
    assert read_lines(line) == [file]


def test_folders_are_no_files_and_the_limit_counts_what_matches() -> None:
    listed = [("in/", 0), ("in/a.csv", 1), ("in/b.txt", 1), ("in/empty", 0), ("in/c.csv", 1), ("in/d.csv", 1)]
    files = [FoundFile("b", key, size) for key, size in listed]
    assert [file.key for file in select_files(files, "", 0)] == [
        "in/a.csv",
        "in/b.txt",
        "in/empty",
        "in/c.csv",
        "in/d.csv",
    ]
    assert [file.key for file in select_files(files, r"^s3://b/in/.*\.csv$", 2)] == ["in/a.csv", "in/c.csv"]


def test_no_more_is_listed_than_wanted() -> None:
    def listing() -> Iterator[FoundFile]:
        yield FoundFile("b", "a", 1)
        raise AssertionError("it went on listing")

    assert len(list(select_files(listing(), "", 1))) == 1


def test_too_many_units_are_refused() -> None:
    groups = (([FoundFile("b", str(number), 1)], None) for number in range(4))
    with pytest.raises(InvalidInputError, match="more than 3 units"):
        write_units(groups, "p/", lambda key, content: None, max_units=3)


def test_a_large_listing_takes_little_memory_and_its_units_are_small() -> None:
    count, longest = 100_000, 0
    files = (FoundFile("b", f"some/long/prefix/{number:08d}/of/a/file.csv.gz", 1000, '"e"') for number in range(count))
    written = 0

    def put(key: str, content: bytes) -> None:
        nonlocal written, longest
        written += len(content)
        longest = max(longest, len(content))

    peak = Peak()
    units = write_units(((group, None) for group in group_files(files, 1 << 30)), "runs/r/files/x-", put)
    assert len(units) == count // MAX_UNIT_FILES
    assert written > 5_000_000
    assert longest < 10 << 20
    assert peak.bytes < 60 << 20
    assert max(len(unit.model_dump_json()) for unit in units) < 200
    assert Unit.model_validate_json(units[-1].model_dump_json()) == units[-1]


@given(st.data())
def test_every_file_of_a_retry_is_in_one_unit_and_carried_units_are_whole(data: st.DataObject) -> None:
    before = data.draw(st.lists(FILES, max_size=20, unique_by=write_line))
    groups = list(group_files(before, 150, 4))
    units = [Unit(unit=n, files_key="k", offset=0, length=1, files=len(group)) for n, group in enumerate(groups)]
    done = {unit.unit: unit for unit in units if data.draw(st.booleans())}
    again = [file for file in before if data.draw(st.integers(0, 4))]
    again += [file for file in data.draw(st.lists(FILES, max_size=5, unique_by=write_line)) if file not in before]
    carryover = Carryover("run", done, data.draw(st.sampled_from([3, 1000])))
    for unit in carryover.units:
        carryover.learn(unit, groups[unit.unit])
    read = list(carryover.sort_out(again))
    read += [file for unit in carryover.broken() for file in carryover.noted(groups[unit.unit])]
    carried = [groups[unit.unit] for unit in carryover.complete()]
    assert sorted(map(write_line, read + [file for group in carried for file in group])) == sorted(
        map(write_line, again)
    )
    assert all(unit.unit in done for unit in carryover.complete())
    # What can be told from its next version, and is all there, is not read again.
    for unit in carryover.units:
        group = groups[unit.unit]
        whole = all(file in again and file.etag is not None for file in group)
        assert (unit in carryover.complete()) == whole


def test_units_beyond_the_bound_are_not_carried_over() -> None:
    units = {n: Unit(unit=n, files_key="k", offset=0, length=1, files=2) for n in range(4)}
    assert [unit.unit for unit in Carryover("run", units, 5).units] == [0, 1]
