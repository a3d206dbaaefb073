"""Use cases of the upload queue: start runs for what arrived, and put back what a failed run was to load.

Messages come at least once, in any order, to several invocations at a time, each of which may die anywhere. Each object
is loaded once all the same. The argument:

* An object is loaded by a run that names it in its manifest. The manifest is written before the run is created and
  never after, and it names only objects whose claim the run held: a claim is one item per table and object, written
  on condition, so that one run holds it at a time.
* A claim passes from one run to another only by a write on condition that the old holder still has it, and only when
  the old holder can load nothing any more: it ended without success, and such a run leaves no row behind; or it does
  not exist and never will, because its id was marked as one that no run may have. The mark and the creation of a run
  are conditional writes of the same item, so that one of them loses. A run that was created therefore held all its
  claims at that moment, and keeps them until it ends.
* So of all the runs that name an object at most one can succeed. And none is forgotten: a message is acknowledged
  only when its object's holder exists. If that run succeeds the object is loaded. If it fails its objects go back to
  the queue before the run counts as settled, repeated until that is done. If it was stopped by a person, that was the
  wish.
* A holder that does not exist may be about to be created, so it is left alone for `CLAIM_PATIENCE_SECONDS`, and the
  message comes back. This is for politeness only: nothing above depends on a clock.

A run whose commit could not be decided is the exception. Its rows may be in the table, so its objects go to the
dead-letter queue, and only a redrive by somebody who has looked takes them on.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Protocol

from aws_lambda_powertools import Logger

from jobruns.access import system_principal
from jobruns.errors import AlreadyExistsError, InvalidInputError, JobrunsError
from jobruns.ids import new_id
from jobruns.lifecycle import COMMIT_UNKNOWN
from jobruns.run import Run, RunState, TriggerKind
from jobruns.service.loads import load_table
from jobruns.service.ports import Ports
from jobruns.service.starts import load_arguments
from jobruns.service.tables import find_table_by_id, find_transform
from jobruns.service.watches import list_watches
from jobruns.table import LoadSpec
from jobruns.uploads import (
    MAX_ATTEMPTS,
    UploadedObject,
    UploadGroup,
    WatchList,
    parse_notification,
    read_manifest,
    write_manifest,
    write_notification,
)

CLAIM_PATIENCE_SECONDS = 10
"""A claimer starts its run within a second or two, or it is dead. Far below the queue's visibility timeout times the
deliveries it allows, so that a message outlives its dead claimer."""

RETRY_DELAY_SECONDS = 2
"""Files that failed come back after this long, so that those that did not are gone by then."""

MAX_REASON_CHARACTERS = 1000
FAILED_FILES_METRIC = "failed_files_key"
"""Where a failed run says in which document of the work bucket its failed files are named."""

DOOR = "upload"

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """Which run an object is for, since when."""

    run_id: str
    claimed_at: datetime


class ClaimStore(Protocol):
    """Claims; see `jobruns.store.claims`."""

    def claim(
        self,
        org: str,
        table_id: str,
        run_id: str,
        objects: Sequence[UploadedObject],
        at: datetime,
        taken_from: Mapping[str, str] | None = None,
    ) -> dict[str, Claim]:
        """Claim objects for a run; give those that were refused, with who holds them."""


class UploadQueue(Protocol):
    """The upload queue and its dead letters."""

    def send(self, bodies: Sequence[str], delay_seconds: int) -> None:
        """Send messages to be handled after a delay."""

    def bury(self, bodies: Sequence[str], attributes: Mapping[str, str]) -> None:
        """Put messages into the dead-letter queue, with attributes for whoever looks at them."""


class Files(Protocol):
    """Documents of the work bucket, as bytes."""

    def put(self, key: str, content: bytes) -> None: ...  # noqa: D102
    def get(self, key: str) -> bytes: ...  # noqa: D102
    def get_json(self, key: str) -> object: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class UploadPorts:
    """What the use cases of uploads stand on beside the rest."""

    claims: ClaimStore
    queue: UploadQueue
    files: Files


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message of the upload queue."""

    message_id: str
    body: str


@dataclass(slots=True)
class Receipt:
    """What became of a batch of messages.

    ``failed`` are ids of messages that must be delivered again; ``runs`` are ids of the runs started; the rest counts
    objects.
    """

    failed: set[str] = field(default_factory=set)
    runs: list[str] = field(default_factory=list)
    claimed: int = 0
    duplicates: int = 0
    unwatched: int = 0


class _Holder(Enum):
    LOADING = auto()
    ENDED = auto()
    UNKNOWN = auto()


def receive_uploads(ports: Ports, uploads: UploadPorts, messages: Sequence[QueueMessage]) -> Receipt:
    """Start one run for each table whose uploads are among the messages.

    Every object is loaded once, however often and in whatever order its messages come.

    Parameters
    ----------
    ports : Ports
        The outside.
    uploads : UploadPorts
        More of it.
    messages : sequence of QueueMessage
        A batch, handled as a whole.

    Returns
    -------
    Receipt
        What is not among its ``failed`` is done with.
    """
    receipt = Receipt()
    carriers: dict[str, set[str]] = defaultdict(set)
    groups = _group(ports, messages, receipt, carriers)
    for group, objects in groups.items():
        try:
            later = _load_group(ports, uploads, group, list(objects.values()), receipt)
        except JobrunsError:
            logger.exception("uploads cannot be loaded now", extra={"table_id": group.table_id, "files": len(objects)})
            later = set(objects)
        for identity in later:
            receipt.failed |= carriers[identity]
    return receipt


def requeue_uploads(ports: Ports, uploads: UploadPorts, run: Run) -> None:
    """Put the objects of a run that failed back into the upload queue. May be repeated: claims sort it out.

    Files that the run blames, or all where it blames none, have used up an attempt; after `MAX_ATTEMPTS` they go to the
    dead-letter queue instead.
    """
    spec = LoadSpec.model_validate(load_arguments(ports, run))
    if spec.uploads_key is None:
        return
    objects = read_manifest(uploads.files.get(spec.uploads_key))
    urls = {found.url for found in objects}
    blamed = urls & _blamed(uploads, run) or urls
    undecided = run.error_code == COMMIT_UNKNOWN
    again: list[UploadedObject] = []
    dead: list[UploadedObject] = []
    for found in objects:
        attempt = found.attempt + (found.url in blamed)
        if undecided or attempt > MAX_ATTEMPTS:
            dead.append(found.model_copy(update={"attempt": 1, "redriven": True}))
        else:
            again.append(found.model_copy(update={"attempt": attempt, "redriven": False}))
    reason = {"run_id": run.run_id, "job": run.job, "reason": (run.message or str(run.state))[:MAX_REASON_CHARACTERS]}
    uploads.queue.bury([write_notification(found) for found in dead], reason)
    for retried, delay_seconds in ((False, 0), (True, RETRY_DELAY_SECONDS)):
        bodies = [write_notification(found) for found in again if (found.attempt > 1) == retried]
        uploads.queue.send(bodies, delay_seconds)


def _group(
    ports: Ports, messages: Sequence[QueueMessage], receipt: Receipt, carriers: dict[str, set[str]]
) -> dict[UploadGroup, dict[str, UploadedObject]]:
    """Sort the objects by the run that may load them, each once; note which messages carry them."""
    parsed: list[tuple[str, UploadedObject]] = []
    for message in messages:
        try:
            parsed.extend((message.message_id, found) for found in parse_notification(message.body))
        except InvalidInputError as error:
            logger.warning(
                "a message cannot be read", extra={"message_id": message.message_id, "reason": error.message}
            )
            receipt.failed.add(message.message_id)
    if not parsed:
        return {}
    latest: dict[str, UploadedObject] = {}
    for message_id, found in parsed:
        carriers[found.identity].add(message_id)
        known = latest.get(found.identity)
        if known is None or (found.redriven, found.attempt) > (known.redriven, known.attempt):
            latest[found.identity] = found
    groups: dict[UploadGroup, dict[str, UploadedObject]] = defaultdict(dict)
    watches = WatchList(list_watches(ports))
    for identity, found in latest.items():
        watch = watches.find(found)
        if watch is None:
            receipt.unwatched += 1
            logger.debug("no table waits for an upload", extra={"url": found.url})
            continue
        group = UploadGroup(
            watch.org, watch.table_id, watch.transform_id, found.attempt > 1, watch.max_file_rows, watch.dry_run
        )
        groups[group][identity] = found
    return groups


def _load_group(
    ports: Ports, uploads: UploadPorts, group: UploadGroup, objects: Sequence[UploadedObject], receipt: Receipt
) -> set[str]:
    """Start the run of a group; give the identities of what must come again."""
    table = find_table_by_id(ports, group.org, group.table_id)
    transform = find_transform(ports, table, transform_id=group.transform_id)
    run_id = new_id(ports.clock())
    mine, later = _claim(ports, uploads, group, run_id, objects)
    receipt.duplicates += len(objects) - len(mine) - len(later)
    if not mine:
        return later
    key = f"runs/{run_id}/uploads.jsonl"
    uploads.files.put(key, write_manifest(mine))
    spec = LoadSpec(
        table_id=table.table_id,
        transform_id=transform.transform_id,
        uploads_key=key,
        max_file_rows=group.max_file_rows,
        dry_run=group.dry_run,
    )
    principal = system_principal(group.org, "uploads")
    try:
        load_table(ports, principal, table, spec, door=DOOR, trigger=TriggerKind.UPLOAD, run_id=run_id)
    except AlreadyExistsError:
        # Somebody took this claimer for dead. Whatever he left of its claims is free for the next delivery.
        return later | {found.identity for found in mine}
    receipt.runs.append(run_id)
    receipt.claimed += len(mine)
    return later


def _claim(
    ports: Ports, uploads: UploadPorts, group: UploadGroup, run_id: str, objects: Sequence[UploadedObject]
) -> tuple[list[UploadedObject], set[str]]:
    """Claim objects for a run; give those it holds, and the identities of those nobody can be sure of now."""
    held = uploads.claims.claim(group.org, group.table_id, run_id, objects, ports.clock())
    mine = [found for found in objects if found.identity not in held]
    if not held:
        return mine, set()
    later: set[str] = set()
    free: list[UploadedObject] = []
    fates: dict[tuple[str, bool], _Holder] = {}
    for found in objects:
        claim = held.get(found.identity)
        if claim is None:
            continue
        asked = (claim.run_id, found.redriven)
        if asked not in fates:
            fates[asked] = _look_at(ports, group.org, claim, redriven=found.redriven)
        if fates[asked] is _Holder.ENDED:
            free.append(found)
        elif fates[asked] is _Holder.UNKNOWN:
            later.add(found.identity)
    taken_from = {found.identity: held[found.identity].run_id for found in free}
    lost = uploads.claims.claim(group.org, group.table_id, run_id, free, ports.clock(), taken_from) if free else {}
    mine += [found for found in free if found.identity not in lost]
    return mine, later | lost.keys()


def _look_at(ports: Ports, org: str, claim: Claim, *, redriven: bool) -> _Holder:
    """Tell whether the holder of a claim loads what it claimed, or never will."""
    ref = ports.runs.ref(org, claim.run_id)
    if ref is None:
        if ports.clock() - claim.claimed_at < timedelta(seconds=CLAIM_PATIENCE_SECONDS):
            return _Holder.UNKNOWN
        # It may be created this very moment: then it is a living run like any other.
        return _Holder.ENDED if ports.runs.abandon(org, claim.run_id) else _Holder.LOADING
    if ref.job is None:
        return _Holder.ENDED
    run = ports.runs.get(org, ref.job, claim.run_id)
    if run is None:
        return _Holder.UNKNOWN
    if run.state is RunState.SUCCEEDED or not run.state.terminal:
        return _Holder.LOADING
    return _Holder.LOADING if run.error_code == COMMIT_UNKNOWN and not redriven else _Holder.ENDED


def _blamed(uploads: UploadPorts, run: Run) -> set[str]:
    key = run.metrics.get(FAILED_FILES_METRIC)
    named = uploads.files.get_json(str(key)) if key else []
    return {str(url) for url in named} if isinstance(named, list) else set()
