"""What belongs to the document of a run and is too long for the ledger: it lies among the files of runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aws_lambda_powertools import Logger

from jobruns.errors import NotFoundError
from jobruns.run import Run
from jobruns.run_file import RunFile, files_prefix
from jobruns.service.ports import RunObjects
from jobruns_events.json_text import read_object
from jobruns_events.run_metrics import EXPORT_FILES, read_export
from jobruns_events.statuses import DOOR, own_facts

__all__ = ["OUTCOMES_FILE", "read_outcomes", "with_request"]

OUTCOMES_FILE: Final = "export_details.json"
"""What a worker outside reported of each record, where that is long."""

MAX_OUTCOMES_BYTES: Final = 16 << 20
"""A longer file that says what became of each record is not read; the summary of it is known all the same."""

logger = Logger(child=True)


def with_request(objects: RunObjects, run: Run) -> Run:
    """Give a run with what its caller sent along and the ledger does not keep, if there is such: one read then."""
    own = own_facts(run)
    large, key = own.get("large"), own.get("request_key")
    if not large or not key:
        return run
    request = _read(objects, str(key)) or {}
    sent = {name: request[name] for name in large if name in request}
    return run.model_copy(update={"extra": {**run.extra, DOOR: {**own, **sent}}})


def read_outcomes(objects: RunObjects, run: Run, files: Sequence[RunFile]) -> Mapping[str, Any] | None:
    """Read what became of each record of a run; one read where the ledger does not have it, none otherwise.

    Returns
    -------
    mapping or None
        By stream; ``None`` where nothing is known, or the ledger has all of it.
    """
    if "exportDetails" in run.metrics:
        return None
    prefix = files_prefix(run)
    if run.metrics.get("exportDetails_truncated"):
        return _read(objects, prefix + OUTCOMES_FILE)
    found = {file.path: file for file in files}
    file = next((found[path] for path in EXPORT_FILES if path in found), None)
    if file is None or "exportDetails_truncated" not in file.facts or (file.size or 0) > MAX_OUTCOMES_BYTES:
        return None
    try:
        read = read_export(objects.get(prefix + file.path))
    except NotFoundError:  # it was deleted after it was noted
        return None
    return read["exportDetails"] if read else None


def _read(objects: RunObjects, key: str) -> dict[str, Any] | None:
    try:
        return read_object(objects.get(key))
    except NotFoundError:
        logger.warning("a part of a run's document is gone", extra={"key": key})
        return None
