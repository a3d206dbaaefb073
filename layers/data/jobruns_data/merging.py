"""What a write does to a table as it is: which files are written again, and which rows are new.

May be planned again after another commit; what was done for files that are still there is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from jobruns.operation import WriteAction
from jobruns_data.attributes import CREATED, UPDATED, Layout, grow_table
from jobruns_data.catalog import TableTarget
from jobruns_data.errors import UncommittableError
from jobruns_data.incoming import Incoming
from jobruns_data.keys import Keys, KeySpace, KeyValue, generated_keys, key_token, key_values, named
from jobruns_data.kinds import Kind, kinds_by_weight
from jobruns_data.payload import CHUNK_ROWS, GIVEN, KEY, TIMES, Chunk, Payload, key_range
from jobruns_data.placing import FileWriter, Plan
from jobruns_data.stored import StoredFile, stored_files

__all__ = ["Merge"]

_FILE_BYTES: Final = 32 << 20
_SPARSE: Final = 16  # rows of a file for each that comes, above which its keys are looked at first
_SMALL_ROWS: Final = 16_384
_SMALL_FILES: Final = 8
_RELEASED_FILES: Final = 4
_TAKEN_ALONG_ROWS: Final = 65_536


@dataclass(slots=True)
class _FileWork:
    """What was found out about one file: by chunk, which of its rows the file has; and what is put in its place."""

    matched: dict[int, pa.Array] = field(default_factory=dict)
    replacement: Future[DataFile] | None = None

    @property
    def failed(self) -> bool:
        """Whether the replacement could not be written."""
        return _failed(self.replacement)


@dataclass(frozen=True, slots=True)
class _Fresh:
    """Files of new rows, with what they were made for."""

    hits: Mapping[int, pa.Array]
    along: tuple[str, ...]
    files: tuple[Future[DataFile], ...]
    rows: int

    def fits(self, hits: Mapping[int, pa.Array], along: tuple[str, ...]) -> bool:
        """Whether they are right for this too."""
        return (
            self.along == along
            and self.hits.keys() == hits.keys()
            and all(hit.equals(hits[ordinal]) for ordinal, hit in self.hits.items())
            and not any(_failed(file) for file in self.files)
        )


class Merge:
    """One write: takes rows, and plans the commit against the table as it is.

    Parameters
    ----------
    catalog : Catalog
    target : TableTarget
    table : Table
        As loaded.
    action : WriteAction
    run_id : str
    at : datetime
        What the rows' times become.
    name_keys : bool
        Whether to keep the keys in the order in which they come.
    lot_bytes : int
        See `Payload`.
    """

    def __init__(
        self,
        catalog: Catalog,
        target: TableTarget,
        table: Table,
        action: WriteAction,
        *,
        run_id: str,
        at: datetime,
        name_keys: bool,
        lot_bytes: int,
    ) -> None:
        self._catalog, self._target, self._table = catalog, target, table
        self._layout = Layout.of(table)
        self._action = action
        self._run_id = run_id
        self._at = pa.scalar(at, pa.timestamp("us", tz="UTC"))
        self._payloads = {
            space: Payload(
                first_wins=action is WriteAction.INSERT, columns_of=self._columns_of, lot_bytes=lot_bytes // 2
            )
            for space in KeySpace
        }
        self._given: dict[str, None] = {}
        self._without_kind: dict[str, None] = {}
        self._total = self._generated = 0
        self._named: list[KeyValue | None] | None = [] if name_keys else None
        self._existing: set[tuple[str, KeyValue | None]] = set()
        self._done: dict[tuple[KeySpace, str], _FileWork] = {}
        self._fresh: dict[KeySpace, _Fresh] = {}

    @property
    def table(self) -> Table:
        """The table as it was last seen."""
        return self._table

    def close(self) -> None:
        """Delete what is on the disk."""
        for payload in self._payloads.values():
            payload.__exit__()

    def take(self, rows: Incoming) -> None:
        """Take some rows."""
        if not rows.rows:
            return
        self._total += rows.rows
        self._given.update(dict.fromkeys(rows.values))
        keys = self._all_keys(rows)
        if self._named is not None:
            self._named.extend(named(keys))
        spaces = [space for space in KeySpace if keys.of(space).null_count < rows.rows]
        spaces.sort(key=lambda space: int(keys.of(space).null_count))
        needs = {name: kinds for name, values in rows.values.items() if (kinds := kinds_by_weight(values))}
        self._without_kind.update({name: None for name in rows.values if name not in needs})
        self._grow(needs, spaces)
        columns: dict[str, pa.Array] = {}
        for name, values in rows.values.items():
            found = self._layout.attributes.get(name)
            if found is not None and not found.declared:  # its column may get another type yet
                columns.update(found.encode(values, rows.rows))
        for name, given in (rows.given or {}).items():
            columns[GIVEN + name] = given
        for space in spaces:
            own = keys.of(space)
            table = pa.table({KEY: own, **columns})
            self._payloads[space].add(table if own.null_count == 0 else table.filter(pc.is_valid(own)))

    def finish(self) -> None:
        """Take no more."""
        self._grow(dict.fromkeys(self._without_kind, ()), ())
        for payload in self._payloads.values():
            payload.finish()

    def plan(self, table: Table, writer: FileWriter) -> Plan:
        """Say what is to be done to the table."""
        if table.metadata.table_uuid != self._table.metadata.table_uuid:
            raise UncommittableError(f"the table {'.'.join(table.name())} was dropped and made again meanwhile")
        self._layout = Layout.of(table)
        self._existing.clear()
        plan = Plan(counts={"total": self._total, "written": 0, "inserted": 0, "updated": 0})
        files = stored_files(table)
        for space, payload in self._payloads.items():
            column = self._layout.key_columns.get(space)
            if payload.rows and column is not None:
                self._plan_space(space, column, [f for f in files if not f.lacks(column)], plan, writer)
        if self._action is WriteAction.UPSERT:
            plan.counts["written"] = self._total
        return plan

    def named_keys(self) -> dict[str, tuple[KeyValue, ...]]:
        """Name the keys written and skipped by the last plan."""
        written: list[KeyValue] = []
        skipped: list[KeyValue] = []
        seen: set[tuple[str, KeyValue | None]] = set()
        for key in self._named or []:
            if key is None:
                continue
            token = key_token(key)
            match self._action:
                case WriteAction.INSERT:
                    good = token not in self._existing and token not in seen
                case WriteAction.UPDATE:
                    good = token in self._existing
                case WriteAction.UPSERT:
                    good = True
            seen.add(token)
            (written if good else skipped).append(key)
        return {"written_keys": tuple(written), "skipped_keys": tuple(skipped)}

    def _columns_of(self, attribute: str) -> Sequence[str]:
        found = self._layout.attributes.get(attribute)
        return () if found is None else found.columns

    def _grow(self, needs: Mapping[str, Sequence[Kind]], spaces: Sequence[KeySpace]) -> None:
        self._table = grow_table(self._catalog, self._target, self._table, needs, spaces)
        self._layout = Layout.of(self._table)

    def _all_keys(self, rows: Incoming) -> Keys:
        keys = rows.keys or Keys(pa.nulls(rows.rows, pa.int64()), pa.nulls(rows.rows, pa.string()))
        if self._action is WriteAction.UPDATE:
            return keys
        missing = pc.and_(pc.is_null(keys.numbers), pc.is_null(keys.texts))
        wanted = int(pc.sum(missing).as_py() or 0)
        if not wanted:
            return keys
        made = generated_keys(self._run_id, self._generated, wanted)
        self._generated += wanted
        return Keys(pc.replace_with_mask(keys.numbers, missing, made), keys.texts)

    def _plan_space(
        self, space: KeySpace, column: str, files: list[StoredFile], plan: Plan, writer: FileWriter
    ) -> None:
        payload = self._payloads[space]
        hits: dict[int, pa.Array] = {}
        untouched: list[StoredFile] = []
        for file in files:
            work = self._done.get((space, file.path))
            if work is None or work.failed:
                work = self._done[space, file.path] = self._work_on(file, column, payload, writer)
                file.forget()
                # What one thread took and another freed stays with the process otherwise: 7 MB for each file.
                if len(self._done) % _RELEASED_FILES == 0:
                    pa.default_memory_pool().release_unused()
            for ordinal, hit in work.matched.items():
                hits[ordinal] = pc.or_(hits[ordinal], hit) if ordinal in hits else hit
            if work.replacement is None:
                untouched.append(file)
            else:
                plan.removed.append(file.data_file)
                plan.added.append(work.replacement)
        self._count_hits(space, payload, hits, plan)
        if self._action is not WriteAction.UPDATE:
            self._add_fresh(space, column, hits, untouched, plan, writer)

    def _work_on(self, file: StoredFile, column: str, payload: Payload, writer: FileWriter) -> _FileWork:
        """Find the rows that a file has, and write it again with what comes for them."""
        work = _FileWork()
        low, high = file.bounds(column)
        coming = sum(len(keys) for _, _, keys in _keys_between(payload, low, high))
        inserting = self._action is WriteAction.INSERT
        if coming and (inserting or coming * _SPARSE < file.rows):
            keys = _whole(file.column_where(column, lambda least, most: any(_keys_between(payload, least, most))))
            for ordinal, start, some in _keys_between(payload, low, high):
                hit = pc.is_in(some, value_set=keys)
                if pc.any(hit).as_py():
                    after = len(payload.chunk(ordinal).rows) - start - len(some)
                    work.matched[ordinal] = pa.concat_arrays([_none(start), hit, _none(after)])
            coming = len(work.matched)
        if coming and not inserting:
            file.fetch()
            self._change(file, column, payload, work, writer)
        return work

    def _change(self, file: StoredFile, column: str, payload: Payload, work: _FileWork, writer: FileWriter) -> None:
        rows = file.read()
        keys = _whole(rows[column])
        work.matched.clear()
        for chunk in payload.chunks_between(*file.bounds(column)):
            # For each row of the file, where in the chunk that is which comes for it.
            coming = _whole(chunk.rows[KEY])
            source = pc.index_in(keys, value_set=coming)
            if source.null_count < len(source):
                rows = self._merged(rows, chunk.rows, source)
                work.matched[chunk.ordinal] = pc.is_in(coming, value_set=keys)
        if work.matched:
            work.replacement = writer.write(rows)

    def _merged(self, rows: pa.Table, coming: pa.Table, source: pa.Array) -> pa.Table:
        hit = pc.is_valid(source)
        for name in self._given:
            where = hit
            if GIVEN + name in coming.column_names:
                where = pc.and_(hit, pc.fill_null(_whole(coming[GIVEN + name]).take(source), False))
            every = pc.all(where).as_py()
            for column in self._columns_of(name):
                index = rows.column_names.index(column)
                kind = rows.schema.field(index).type
                new = coming[column].take(source) if column in coming.column_names else pa.nulls(len(rows), kind)
                rows = rows.set_column(index, column, new if every else pc.if_else(where, new, rows[column]))
        times = pc.if_else(hit, self._at, rows[UPDATED])
        return rows.set_column(rows.column_names.index(UPDATED), UPDATED, times)

    def _count_hits(self, space: KeySpace, payload: Payload, hits: Mapping[int, pa.Array], plan: Plan) -> None:
        updating = self._action is WriteAction.UPDATE
        if self._action is not WriteAction.INSERT:
            plan.counts["updated"] += _count(hits)
        if not updating and self._named is None:
            return
        for ordinal, hit in hits.items():
            rows = payload.chunk(ordinal).rows
            if updating:
                many = TIMES in rows.column_names
                plan.counts["written"] += pc.sum(rows[TIMES].filter(hit) if many else hit).as_py()
            if self._named is not None:
                keys = key_values(space, rows[KEY].filter(hit))
                self._existing.update(key_token(key) for key in keys)

    def _add_fresh(
        self,
        space: KeySpace,
        column: str,
        hits: Mapping[int, pa.Array],
        untouched: Sequence[StoredFile],
        plan: Plan,
        writer: FileWriter,
    ) -> None:
        """Put files of the rows whose key there is not."""
        payload = self._payloads[space]
        rows = payload.distinct_rows - _count(hits) if payload.chunks == 1 else payload.rows
        along = [file for file in untouched if file.rows <= _SMALL_ROWS and file.exact]
        if not rows or rows > _TAKEN_ALONG_ROWS or len(along) < _SMALL_FILES:
            along = []
        paths = tuple(file.path for file in along)
        fresh = self._fresh.get(space)
        if fresh is None or not fresh.fits(hits, paths):
            fresh = self._fresh[space] = self._write_fresh(column, payload, hits, along, writer)
        plan.removed.extend(file.data_file for file in along)
        plan.added.extend(fresh.files)
        plan.counts["inserted"] += fresh.rows
        if self._action is WriteAction.INSERT:
            plan.counts["written"] += fresh.rows

    def _write_fresh(
        self,
        column: str,
        payload: Payload,
        hits: Mapping[int, pa.Array],
        along: Sequence[StoredFile],
        writer: FileWriter,
    ) -> _Fresh:
        files: list[Future[DataFile]] = []
        kept: list[pa.Table] = []
        total = waiting = 0
        for ordinal in range(payload.chunks):
            rows = self._new_rows(column, payload.chunk(ordinal), hits.get(ordinal))
            if not len(rows):
                continue
            kept.append(rows)
            total += len(rows)
            waiting += len(rows)
            if not along and (waiting >= CHUNK_ROWS * 3 // 4 or sum(table.nbytes for table in kept) >= _FILE_BYTES):
                files.append(writer.write(pa.concat_tables(kept, promote_options="default")))
                kept, waiting = [], 0
        if kept:
            kept.extend(file.read() for file in along)
            rows = pa.concat_tables(kept, promote_options="default").combine_chunks()
            rows = rows.take(pc.sort_indices(rows[column])) if along else rows
            files.extend(writer.write(rows.slice(at, CHUNK_ROWS)) for at in range(0, len(rows), CHUNK_ROWS))
        return _Fresh(hits, tuple(file.path for file in along), tuple(files), total)

    def _new_rows(self, column: str, chunk: Chunk, hit: pa.Array | None) -> pa.Table:
        rows = chunk.rows
        if hit is not None:
            rows = rows.filter(pc.invert(hit))
        names = {KEY: column} | {name: name for a in self._layout.attributes.values() for name in a.columns}
        own = [name for name in rows.column_names if name in names]
        times = pa.repeat(self._at, len(rows))
        return (
            rows.select(own)
            .rename_columns([names[name] for name in own])
            .append_column(CREATED, times)
            .append_column(UPDATED, times)
        )


def _keys_between(payload: Payload, low: Any, high: Any) -> Iterator[tuple[int, int, pa.Array]]:
    """Give the keys from ``low`` to ``high``, both included, with their chunk and their place in it."""
    for chunk in payload.chunks_between(low, high):
        keys = chunk.rows[KEY]
        start, end = key_range(keys, low, high, with_high=True)
        if start < end:
            yield chunk.ordinal, start, _whole(keys.slice(start, end - start))


def _whole(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _none(rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(False), rows)


def _count(hits: Mapping[int, pa.Array]) -> int:
    return sum(int(pc.sum(hit).as_py() or 0) for hit in hits.values())


def _failed(file: Future[DataFile] | None) -> bool:
    return file is not None and file.done() and file.exception() is not None
