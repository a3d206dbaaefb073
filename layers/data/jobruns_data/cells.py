"""Texts become values, a column at a time.

Each type has one fast way over the whole column (Arrow) and one careful way per text. The careful way is taken only
for a column of a block in which the fast one met something it cannot read, and accepts whatever the fast one accepts,
so that what is read does not depend on what stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from jobruns.datatypes import (
    FALSE_TEXTS,
    TRUE_TEXTS,
    ColumnType,
    EpochUnit,
    Resolution,
    parse_json,
)
from jobruns.layout import LayoutError, compile_layout
from jobruns.transform import Column
from jobruns_data.nested import NestedReader
from jobruns_data.schema import arrow_type

__all__ = ["CellReader"]

_NAIVE: Final = pa.timestamp("us")
_UTC: Final = pa.timestamp("us", tz="UTC")
_ISO: Final = re.compile(
    r"2006-01-02[T ]15:04:05(?P<fraction>[.,](0+|9+))?(?P<zone>Z|Z07:00|Z0700|Z07|-07:00|-0700|-07)?"
)
# What Arrow reads and the careful way alone would not. To ask Arrow about each text costs, so it is asked about these.
_HEXADECIMAL: Final = re.compile(r"[+-]?0[xX][0-9a-fA-F]+")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII)
_PER_SECOND: Final = {
    EpochUnit.SECONDS: 1,
    EpochUnit.CENTISECONDS: 100,
    EpochUnit.MILLISECONDS: 1_000,
    EpochUnit.MICROSECONDS: 1_000_000,
    EpochUnit.NANOSECONDS: 1_000_000_000,
}
_SMALLEST_MOMENT: Final = -62_135_596_800_000_000  # 0001-01-01: readers of the table go no further
_LARGEST_MOMENT: Final = 253_402_300_799_999_999  # 9999-12-31
_SHOWN_CHARACTERS: Final = 200


class CellReader:
    """Reads the texts of one column, in the order that `jobruns.datatypes.Datatype` says.

    Parameters
    ----------
    column : Column
    null_values : iterable of str
        The transform's; the column's own are added.
    """

    def __init__(self, column: Column, null_values: Iterable[str] = ()) -> None:
        self.column = column
        self.type = arrow_type(column)
        texts = column.type in {ColumnType.STRING, ColumnType.JSON}
        self._nulls = frozenset(null_values) | frozenset(column.null_values)
        # An empty text is a text; for every other type it is the absence of a value.
        self._empty_is_missing = not texts or column.default is not None or column.type is ColumnType.JSON
        self._filled = column.denullify and not column.primary
        self._nested = self._nested_reader(null_values)
        self._fast, self._careful = _ways(column)
        self._known_to_arrow: re.Pattern[str] | None = None
        if column.type.integer_range is not None or column.moment.epoch is not None:
            self._known_to_arrow = _HEXADECIMAL
        elif column.type is ColumnType.TIMESTAMP:
            self._known_to_arrow = _MOMENT

    @property
    def is_plain_text(self) -> bool:
        """Whether every text is its own value."""
        if self.column.type is not ColumnType.STRING or self._filled:
            return False
        return not self._nulls and not self._empty_is_missing

    def read(self, texts: pa.Array) -> tuple[pa.Array, list[int]]:
        """Read a column.

        Parameters
        ----------
        texts : pa.Array of pa.string(), shape (rows,)
            Null where the row has no such value.

        Returns
        -------
        values : pa.Array of ``self.type``, shape (rows,)
        bad : list of int
            Ascending row numbers whose text cannot be read; their values are null.
        """
        if self._nested is not None:
            return self.values(texts.to_pylist())
        texts = self._with_nulls(texts)
        bad: list[int] = []
        try:
            values = self._fast(texts)
        except (pa.ArrowInvalid, _DoubtError):
            values, bad = self._read_carefully(texts)
        if self._filled and values.null_count:
            values = pc.fill_null(values, pa.scalar(_ZEROS.get(self.column.type, 0), values.type))
        return values, bad

    def values(self, raw: Iterable[object]) -> tuple[pa.Array, list[int]]:
        """Read values that a JSON parser gave; as `read` otherwise."""
        if self._nested is not None:
            return self._nested.values(self._with_default(raw))
        texts: list[str | None] = []
        wrong: list[int] = []
        for row, value in enumerate(raw):
            try:
                texts.append(self.column.text_of(value))
            except (ValueError, RecursionError):
                texts.append(None)
                wrong.append(row)
        try:
            column = pa.array(texts, pa.string())
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can say and UTF-8 cannot
            wrong += [row for row, text in enumerate(texts) if text is not None and not _encodable(text)]
            broken = set(wrong)
            column = pa.array([None if row in broken else text for row, text in enumerate(texts)], pa.string())
        values, bad = self.read(column)
        return values, sorted({*bad, *wrong})

    def fault(self, raw: object, *, parsed: bool = False) -> str | None:
        """Say what is wrong with one value; None if nothing is.

        Parameters
        ----------
        raw : object
            A text, or what a JSON parser gave.
        parsed : bool
            Whether a JSON parser gave it even if it is a text, which makes a difference to the type json only.
        """
        try:
            if self._nested is not None:
                return self._nested.fault(raw)
            text = raw if isinstance(raw, str) and not parsed else self.column.text_of(raw)
        except (ValueError, RecursionError) as error:
            return str(error)
        return None if text is None else self._fault_of_text(text)

    def _fault_of_text(self, text: str) -> str | None:
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
        if not _encodable(text):
            return f'"{shown}" holds half a surrogate pair'
        if not self.read(pa.array([text], pa.string()))[1]:
            return None
        try:
            self.column.check(text)
        except (ValueError, RecursionError) as error:
            said = str(error).replace(text, shown)
            return said if f'"{shown}"' in said else f'"{shown}": {said}'
        return f'"{shown}" is not a {self.column.type.value}'

    def _nested_reader(self, null_values: Iterable[str]) -> NestedReader | None:
        column = self.column
        if column.element is None:
            return None
        part = Column.model_construct(
            **{name: getattr(column.element, name) for name in type(column.element).model_fields}, name=column.name
        )
        nulls = frozenset(null_values) | frozenset(column.null_values)
        return NestedReader(column, CellReader(part, nulls), self._nulls, empty_for_null=self._filled)

    def _with_default(self, raw: Iterable[object]) -> Iterable[object]:
        """Put the default of an array or a map where it belongs."""
        if self.column.default is None:
            return raw
        default = parse_json(self.column.default)
        replaced = {"", *(self._nulls if self._filled else ())}
        return (default if v is None or (isinstance(v, str) and v in replaced) else v for v in raw)

    def _with_nulls(self, texts: pa.Array) -> pa.Array:
        given = texts
        default = pa.scalar(self.column.default, pa.string())
        if default.is_valid:
            missing = pc.fill_null(pc.equal(given, ""), True)
            texts = pc.if_else(missing, default, given)
        elif self._empty_is_missing:
            texts = pc.if_else(pc.equal(given, ""), default, given)
        if words := sorted(self._nulls - {""} if self._empty_is_missing else self._nulls):
            null = pc.is_in(given, value_set=pa.array(words, pa.string()))
            texts = pc.if_else(null, default if self._filled else pa.scalar(None, pa.string()), texts)
        return texts

    def _read_carefully(self, texts: pa.Array) -> tuple[pa.Array, list[int]]:
        values: list[object] = []
        bad: list[int] = []
        for row, text in enumerate(texts.to_pylist()):
            value = None
            if text is not None:
                try:
                    value = self._careful(text)
                except (ValueError, OverflowError):
                    value = self._as_the_fast_way(text)
                    if value is None:
                        bad.append(row)
            values.append(value)
        return pa.array(values, self.type), bad

    def _as_the_fast_way(self, text: str) -> object:
        """Read a text that only Arrow may know; None if it does not."""
        if self._known_to_arrow is None or self._known_to_arrow.fullmatch(text.strip()) is None:
            return None
        try:
            scalar = self._fast(pa.array([text], pa.string()))[0]
        except (pa.ArrowInvalid, _DoubtError, OverflowError):
            return None
        return scalar.value if pa.types.is_timestamp(scalar.type) else scalar.as_py()


_ZEROS: Final[dict[ColumnType, object]] = {
    ColumnType.BOOLEAN: False,
    ColumnType.STRING: "",
    ColumnType.JSON: "null",
}


class _DoubtError(Exception):
    """The fast way does not vouch for this column."""


_Fast = Callable[[pa.Array], pa.Array]
_Careful = Callable[[str], Any]


def _ways(column: Column) -> tuple[_Fast, _Careful]:
    kind = column.type
    if kind is ColumnType.TIMESTAMP:
        return _moment_ways(column)
    if kind.integer_range is not None:
        narrow, wide = pa.type_for_alias(kind.value), arrow_type(column)

        def read_integer(text: str) -> int | Decimal:
            column.check(text)
            return Decimal(text.strip()) if pa.types.is_decimal(wide) else int(text)

        return lambda texts: _trimmed(texts).cast(narrow).cast(wide), read_integer
    if kind is ColumnType.DOUBLE:

        def read_double(text: str) -> float:
            column.check(text)
            return float(text)

        return lambda texts: _trimmed(texts).cast(pa.float64()), read_double
    if kind is ColumnType.BOOLEAN:
        return _read_booleans, _read_boolean
    if kind is ColumnType.JSON:
        return _read_json, _checked_json
    return lambda texts: texts, lambda text: text


def _trimmed(texts: pa.Array) -> pa.Array:
    return pc.ascii_trim_whitespace(texts)


def _read_booleans(texts: pa.Array) -> pa.Array:
    true = pc.is_in(texts, value_set=pa.array(sorted(TRUE_TEXTS), pa.string()))
    false = pc.is_in(texts, value_set=pa.array(sorted(FALSE_TEXTS), pa.string()))
    known = pc.or_(true, false)
    if pc.sum(known).as_py() != len(texts) - texts.null_count and len(texts):
        raise _DoubtError
    return pc.if_else(known, true, pa.scalar(None, pa.bool_()))


def _read_boolean(text: str) -> bool:
    if text.strip() in TRUE_TEXTS:
        return True
    if text.strip() in FALSE_TEXTS:
        return False
    raise ValueError(text)


def _checked_json(text: str) -> str:
    parse_json(text)
    return text


def _read_json(texts: pa.Array) -> pa.Array:
    try:
        for text in texts.to_pylist():
            if text is not None:
                parse_json(text)
    except ValueError as error:
        raise _DoubtError from error
    return texts


def _moment_ways(column: Column) -> tuple[_Fast, _Careful]:
    form, step = column.moment, column.resolution.microseconds
    if form.epoch is not None:
        per_second = _PER_SECOND[form.epoch]

        def read_epoch(text: str) -> int:
            column.check(text)
            return _in_range(_floored(Fraction(text.strip()) * 1_000_000 // per_second, step))

        return lambda texts: _kept(_epoch_moments(texts, per_second), column.resolution), read_epoch

    layout = compile_layout(form.layout or "")

    def read_layout(text: str) -> int:
        return _in_range(_floored(layout.parse(text), step))

    iso = _ISO.fullmatch(layout.text)
    if iso is None or (iso["fraction"] or "").startswith(",") or layout.fraction_digits is not None:

        def read_each(texts: pa.Array) -> pa.Array:
            try:
                moments = [None if text is None else read_layout(text) for text in texts.to_pylist()]
            except LayoutError as error:
                raise _DoubtError from error
            return pa.array(moments, _UTC)

        return read_each, read_layout

    read_as = _UTC if iso["zone"] else _NAIVE

    def read_iso(texts: pa.Array) -> pa.Array:
        # Arrow also reads a date alone, or without seconds, which the layout does not say.
        if (shortest := pc.min(pc.binary_length(texts)).as_py()) is not None and shortest < 19:
            raise _DoubtError
        return _kept(texts.cast(read_as), column.resolution)

    return read_iso, read_layout


def _epoch_moments(texts: pa.Array, per_second: int) -> pa.Array:
    numbers = _trimmed(texts).cast(pa.int64())
    if per_second <= 1_000_000:
        numbers = pc.multiply_checked(numbers, 1_000_000 // per_second)
    else:
        divisor = per_second // 1_000_000
        down = pc.divide(numbers, divisor)  # towards zero; one less where that was up
        numbers = pc.if_else(pc.greater(pc.multiply(down, divisor), numbers), pc.subtract(down, 1), down)
    return numbers.cast(_NAIVE)


def _kept(moments: pa.Array, resolution: Resolution) -> pa.Array:
    """Cut to the resolution, and refuse what no reader of the table could show."""
    naive = moments.cast(_NAIVE)
    if resolution is not Resolution.MICROSECONDS:
        unit = "second" if resolution is Resolution.SECONDS else "millisecond"
        naive = pc.floor_temporal(naive, unit=unit)
    ends = pc.min_max(naive.cast(pa.int64())).as_py()
    if ends["min"] is not None and (ends["min"] < _SMALLEST_MOMENT or ends["max"] > _LARGEST_MOMENT):
        raise _DoubtError
    return naive.cast(_UTC)


def _floored(microseconds: int, step: int) -> int:
    return microseconds - microseconds % step


def _in_range(microseconds: int) -> int:
    if not _SMALLEST_MOMENT <= microseconds <= _LARGEST_MOMENT:
        raise ValueError("out of range")
    return microseconds


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
