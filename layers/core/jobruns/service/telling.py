"""What may be told of a run, checked before anything is written."""

from datetime import UTC, datetime
from typing import Any

from jobruns.errors import InvalidInputError
from jobruns.lifecycle import TELLABLE, Told

MAX_MESSAGE_BYTES = 32_768
"""A long traceback. The run, its two index entries and the history each keep it, and an item has 400 KB at most."""

MAX_PLACE_BYTES = 2_048
"""Of a source or a destination: the longest ``s3://`` URL has half of that."""


def read_told(told: Told) -> dict[str, Any]:
    """Check what is told of a run.

    Returns
    -------
    dict
        The same, times in UTC.

    Raises
    ------
    InvalidInputError
        A field is not one that can be told, a text is too long, or a time is none.
    """
    if unknown := told.keys() - TELLABLE:
        raise InvalidInputError(f"{min(unknown)}: is not to be told of a run", field=min(unknown))
    checked = dict(told)
    if checked.get("counts", True) not in (True, False):
        raise InvalidInputError("counts: is true or false", field="counts")
    for field, most in (("message", MAX_MESSAGE_BYTES), ("source", MAX_PLACE_BYTES), ("destination", MAX_PLACE_BYTES)):
        if len((checked.get(field) or "").encode()) > most:
            raise InvalidInputError(f"{field}: has more than {most} bytes", field=field)
    for field in ("reported_start_at", "reported_end_at"):
        if checked.get(field) is not None:
            checked[field] = _utc(checked[field], field)
    return checked


def _utc(at: datetime, field: str) -> datetime:
    if at.tzinfo is None:
        raise InvalidInputError(f"{field}: says no offset from UTC", field=field)
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise InvalidInputError(f"{field}: is out of range in UTC", field=field) from None
