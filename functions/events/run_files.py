"""Turns notifications of S3 into what is known of the files of runs.

They come at least once and in no order. Each tells, by its sequencer, whether it is later than what is known of the
same file, so neither repetition nor delay does anything.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools import Logger

from jobruns.errors import JobrunsError, NotFoundError
from jobruns.run import Run
from jobruns.run_file import RunFile, is_runs_own
from jobruns.service.phases import follow_phases
from jobruns.service.ports import Ports
from jobruns.service.run_files import note_file
from jobruns_events.run_metrics import PHASES_FILE, FilePlace, place_of, read_facts, read_phases, tells

WORKER = "jobruns:work"
MAX_READ_BYTES = 64 * 1024 * 1024
"""Of a file that may tell something; a larger one is looked at when the run has ended, if at all."""

_CREATED = ("ObjectCreated:", "s3:ObjectCreated:")
_REMOVED = ("ObjectRemoved:", "s3:ObjectRemoved:")

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class FileMessage:
    """A message of the queue: a notification."""

    message_id: str
    body: str


@dataclass(slots=True)
class Receipt:
    """What became of a batch: how many files were noted, and the messages that must come again."""

    noted: int = 0
    failed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Change:
    message_id: str
    key: str
    file: RunFile


def receive_files(ports: Ports, messages: Iterable[FileMessage]) -> Receipt:
    """Note what messages tell. May be repeated.

    Parameters
    ----------
    ports : Ports
        The outside.
    messages : iterable of FileMessage
        A batch.
    """
    receipt = Receipt()
    changes: dict[tuple[str, str], list[tuple[FilePlace, _Change]]] = {}
    for change in (change for message in messages for change in _read_message(message)):
        place = place_of(change.key)
        if place is not None and is_runs_own(place.path):
            owner = place.root.path if place.root else f"{place.job}/{place.run_id}"
            changes.setdefault((place.org, owner), []).append((place, change))
    for told in changes.values():
        try:
            receipt.noted += _note(ports, told)
        except JobrunsError:
            logger.exception("the files of a run are not noted now", extra={"key": told[0][1].key})
            receipt.failed.update(change.message_id for _, change in told)
    return receipt


def _note(ports: Ports, told: Sequence[tuple[FilePlace, _Change]]) -> int:
    run = _find_run(ports, told[0][0])
    if run is None:
        return 0
    noted = 0
    for place, change in told:
        found = change.file.model_copy(update={"path": place.path})
        facts = {} if found.size is None else _read_facts(ports, run, change.key, found)
        noted += note_file(ports, run, found.model_copy(update={"facts": facts}))
        if place.path == PHASES_FILE and found.size is not None:
            run = _follow(ports, run, change.key)
    return noted


def _find_run(ports: Ports, place: FilePlace) -> Run | None:
    if place.root is not None:
        return ports.runs.rooted(place.org, place.root)
    return ports.runs.get(place.org, str(place.job), str(place.run_id))


def _read_facts(ports: Ports, run: Run, key: str, file: RunFile) -> dict[str, Any]:
    if not tells(file.path) or (file.size or 0) > MAX_READ_BYTES:
        return {}
    try:
        facts = dict(read_facts(file.path, lambda: ports.run_objects.get(key)))
    except NotFoundError:  # it was deleted since, of which another message tells
        return {}
    if facts:
        return facts
    # One that is broken, or half written, does not make what was known untrue.
    known = (before.facts for before in ports.run_files.all(run.org, run.run_id) if before.path == file.path)
    return next(known, {})


def _follow(ports: Ports, run: Run, key: str) -> Run:
    try:
        phases = read_phases(ports.run_objects.get(key))
    except NotFoundError:
        return run
    return follow_phases(ports, run, phases, WORKER)


def _read_message(message: FileMessage) -> Iterator[_Change]:
    """Read a notification; what is none, such as S3's test event, says nothing."""
    try:
        records = json.loads(message.body).get("Records", [])
    except (ValueError, AttributeError):
        logger.warning("a message is no notification", extra={"message_id": message.message_id})
        return
    for record in records:
        try:
            change = _read_record(message.message_id, record)
        except (KeyError, TypeError, ValueError):
            logger.warning("a record is no notification's", extra={"message_id": message.message_id})
            continue
        if change is not None:
            yield change


def _read_record(message_id: str, record: dict[str, Any]) -> _Change | None:
    kind, told = str(record["eventName"]), record["s3"]["object"]
    removed = kind.startswith(_REMOVED)
    if not removed and not kind.startswith(_CREATED):
        return None
    file = RunFile(
        path="",
        size=None if removed else int(told.get("size", 0)),
        etag=str(told.get("eTag", "")).strip('"') or None,
        sequencer=str(told.get("sequencer", "")),
        modified_at=datetime.fromisoformat(record["eventTime"]),
    )
    return _Change(message_id, unquote_plus(str(told["key"])), file)
