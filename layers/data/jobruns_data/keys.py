"""Primary keys: whole numbers and texts, in a column each.

A table's rows are found by Iceberg's bounds of its key. Whole numbers therefore stay numbers, whose order is that in
which most of them are given out; as texts, 1000000 would lie between 1 and 2. Every other key is a text. What is
neither (a fraction, true) is written as JSON, and a text that could be taken for such a one, as JSON in quotes: ``1.5``
and ``"1.5"`` are two keys.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from jobruns_data.kinds import NUMBER_PATTERN, compact_json

__all__ = [
    "KeySpace",
    "KeyValue",
    "Keys",
    "generated_keys",
    "key_token",
    "key_values",
    "keys_of_texts",
    "keys_of_values",
    "named",
]

KeyValue = int | float | str | bool


class KeySpace(StrEnum):
    """Keys of one column."""

    NUMBERS = "nkey"
    TEXTS = "tkey"

    @property
    def arrow_type(self) -> pa.DataType:
        """Type of the column."""
        return pa.int64() if self is KeySpace.NUMBERS else pa.string()


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of rows: each is in one of the two arrays and null in the other; a row without a key is null in both."""

    numbers: pa.Array
    texts: pa.Array

    def of(self, space: KeySpace) -> pa.Array:
        """Give one array."""
        return self.numbers if space is KeySpace.NUMBERS else self.texts


_WHOLE: Final = r"^(?:0|-?[1-9]\d{0,17})$"  # what surely fits into 64 bits
_JSON_LIKE: Final = r'(?s)^(?:".*|true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$'
_LOOKED_AT: Final = rf"{_JSON_LIKE}|^(?:TRUE|FALSE|NULL|undefined|NaN|{NUMBER_PATTERN})$"
_IS_JSON_LIKE: Final = re.compile(_JSON_LIKE, re.ASCII)
_IS_NUMBER: Final = re.compile(NUMBER_PATTERN, re.ASCII)
_DIGITS: Final = 300  # a double has no more


def keys_of_texts(texts: pa.Array) -> Keys:
    """Read keys from the cells of a text file, by the same rules as `jobruns_data.kinds.type_texts` has for values.

    Whole numbers are kept exactly, however long: two that a double could not tell apart stay two. The empty text is a
    key, null is none.
    """
    whole = pc.match_substring_regex(texts, _WHOLE)
    if texts.null_count == 0 and pc.all(whole).as_py():
        return Keys(pc.cast(texts, pa.int64()), pa.nulls(len(texts), pa.string()))
    numbers = pc.cast(pc.if_else(whole, texts, None), pa.int64())
    rest = pc.if_else(whole, None, texts)
    looked_at = pc.match_substring_regex(rest, _LOOKED_AT)
    if not pc.any(looked_at).as_py():
        return Keys(numbers, rest)
    read = [_stored(None if text is None else _of_text(text)) for text in pc.if_else(looked_at, rest, None).to_pylist()]
    plain = pc.if_else(looked_at, None, rest)
    return Keys(
        pc.coalesce(numbers, pa.array([number for number, _ in read], pa.int64())),
        pc.coalesce(plain, pa.array([text for _, text in read], pa.string())),
    )


def keys_of_values(values: Sequence[Any]) -> Keys:
    """Take keys from JSON values; texts stay texts."""
    stored = [_stored(value) for value in values]
    return Keys(pa.array([n for n, _ in stored], pa.int64()), pa.array([t for _, t in stored], pa.string()))


def key_values(space: KeySpace, array: pa.Array) -> list[KeyValue | None]:
    """Give stored keys as JSON has them."""
    stored: list[Any] = array.to_pylist()
    if space is KeySpace.NUMBERS:
        return stored
    return [json.loads(text) if text is not None and _IS_JSON_LIKE.fullmatch(text) else text for text in stored]


def named(keys: Keys) -> list[KeyValue | None]:
    """Give keys as JSON has them, in their order."""
    numbers = key_values(KeySpace.NUMBERS, keys.numbers)
    texts = key_values(KeySpace.TEXTS, keys.texts)
    return [text if number is None else number for number, text in zip(numbers, texts, strict=True)]


def key_token(key: KeyValue | None) -> tuple[str, KeyValue | None]:
    """Tell keys apart that Python takes for the same: true and 1."""
    return ("bool" if isinstance(key, bool) else "", key)


def generated_keys(run_id: str, first: int, count: int) -> pa.Array:
    """Make keys for rows that have none: the same ones for the same run, and others for every other run."""
    # Counting on from the largest key would give the rows of two loads at once the same keys.
    start = int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:6], "big") * 16 + 1
    return pa.array(range(start + first, start + first + count), pa.int64())


def _of_text(text: str) -> KeyValue | None:
    if text in {"null", "NULL", "undefined", "NaN"}:
        return None
    if text in {"true", "TRUE", "false", "FALSE"}:
        return text in {"true", "TRUE"}
    if len(text) > _DIGITS or not _IS_NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


def _stored(value: Any) -> tuple[int | None, str | None]:  # noqa: PLR0911 - one way out for each kind
    match value:
        case None:
            return None, None
        case str():
            text = value if value.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", value)
            return None, compact_json(text) if _IS_JSON_LIKE.fullmatch(text) else text
        case bool():
            return None, compact_json(value)
        case float() if value.is_integer():
            return _stored(int(value))
        case int() if -(2**63) <= value < 2**63:
            return value, None
        case int() | float():
            return None, compact_json(value)
        case dict() | list():
            return None, compact_json(compact_json(value))
    raise TypeError(f"{type(value).__name__} is no key")
