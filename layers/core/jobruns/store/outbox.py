"""What the ledger table's stream tells of runs: how each was before a write of it, and how it is after.

The run's own item is the outbox. It is written in the transaction that moves the run, so nothing happens to a run that
the stream does not tell, and the stream has the writes of one item in their order.
"""

from collections.abc import Mapping
from typing import Any

from jobruns.run import Run
from jobruns.store.run_items import RunItem, read_run

RUN_KEYS = "RUN#"
"""What the sort keys of runs begin with; the stream is filtered by it."""


class UnreadableImageError(ValueError):
    """A record of the stream is not as this version of the ledger writes runs. It will not be at another try either."""


def read_images(record: Mapping[str, Any]) -> tuple[Run | None, Run] | None:
    """Read a record of the stream, as Lambda hands it over.

    Returns
    -------
    tuple of Run or None and Run, or None
        How the run was, ``None`` where it was not yet, and how it is. ``None`` for what is no news of a run: other
        items, what was deleted, signs of life and counts of progress.

    Raises
    ------
    UnreadableImageError
        No run can be read from it.
    """
    try:
        change = record["dynamodb"]
        new, old = change.get("NewImage"), change.get("OldImage")
        if new is None or not change["Keys"]["sk"]["S"].startswith(RUN_KEYS) or (old and _moment(old) == _moment(new)):
            return None
        return (_read(old) if old else None), _read(new)
    # PynamoDB raises a TypeError where a value does not fit its attribute, and pydantic a ValueError.
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableImageError(f"no run can be read from the record: {error!r:.500}") from error


def _moment(image: Mapping[str, Any]) -> tuple[str, bool]:
    """Give what moves with everything that is worth telling, without reading the rest."""
    return image["version"]["N"], bool(image["settled"]["BOOL"])


def _read(image: Mapping[str, Any]) -> Run:
    return read_run(RunItem.from_raw_data(dict(image)))
