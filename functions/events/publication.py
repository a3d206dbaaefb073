"""Tells what happened to runs: to the files of each, and to the bus.

Of each run what happened is told in its order: how it was at that stage is written among its files first, then put on
the bus, so whoever hears of it finds it there. Where that fails for one stage the later ones of that run are not told,
and all of them come again; the same thing is told under the same id however often it comes.

What is told of a run is the run as the stream has it. Its files are looked up once for all that the batch has of it; at
its end it is looked whether there are more of them than notifications have told of.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from jobruns.aws.event_bus import BusEntry, UnsentError
from jobruns.errors import JobrunsError
from jobruns.notices import Notice, NoticeKind, read_notice
from jobruns.run import Run
from jobruns.run_file import DETAILS, RunFile, files_prefix
from jobruns.service.ports import Ports
from jobruns.service.run_files import collect_files
from jobruns.store.outbox import UnreadableImageError, read_images
from jobruns_events.cloud_events import cloud_event, for_bus
from jobruns_events.details import job_details
from jobruns_events.job_state_change import glue_event
from jobruns_events.json_text import write_json
from jobruns_events.run_metrics import read_facts
from jobruns_events.stored_parts import read_outcomes, with_request

SOURCE = "jobruns"
"""Of all events on the bus."""

WORKERS = 8
"""Runs that are told of at the same time; a client of boto3 holds ten connections."""

_WITHOUT_FILES = frozenset({NoticeKind.SUBMITTED, NoticeKind.ADMITTED})
_PASSING = (JobrunsError, BotoCoreError, ClientError, PynamoDBException)
"""What may be gone at another try; anything else is a bug of ours, and would be the same."""

logger = Logger(child=True)


class Bus(Protocol):
    """Where events go; see `jobruns.aws.event_bus`."""

    def put(self, entries: Sequence[BusEntry]) -> None:
        """Put entries on the bus; raises `UnsentError` where it does not take all."""


@dataclass(slots=True)
class Receipt:
    """What became of a batch.

    ``told`` are the notices that are out; ``failed`` the sequence numbers of the records whose notices are not, and
    that must come again; ``unreadable`` counts those that never will be.
    """

    told: int = 0
    failed: set[str] = field(default_factory=set)
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class _Stage:
    """A notice of a run, and the record that told it."""

    place: int
    record: str
    before: Run | None
    notice: Notice


@dataclass(slots=True)
class _Written:
    """What is written of a run, and has to be put on the bus yet; and the stages of it that are not."""

    entries: list[tuple[_Stage, BusEntry]] = field(default_factory=list)
    failed: Sequence[_Stage] = ()
    unreadable: int = 0


def publish(ports: Ports, bus: Bus, records: Iterable[Mapping[str, Any]], *, region: str | None = None) -> Receipt:
    """Tell what a batch of the stream has of runs. May be repeated.

    Parameters
    ----------
    ports : Ports
        The outside.
    bus : Bus
        Where events go.
    records : iterable of mapping
        Records of the ledger table's stream, as Lambda hands them over.
    region : str, optional
        Where the work is done, for the documents.
    """
    receipt = Receipt()
    runs = _by_run(records, receipt)
    if not runs:
        return receipt
    with ThreadPoolExecutor(min(WORKERS, len(runs))) as workers:
        written = list(workers.map(lambda stages: _write_run(ports, stages, region), runs))
    for one in written:
        receipt.failed.update(stage.record for stage in one.failed)
        receipt.unreadable += one.unreadable
    _put(bus, sorted((pair for one in written for pair in one.entries), key=lambda pair: pair[0].place), receipt)
    return receipt


def _by_run(records: Iterable[Mapping[str, Any]], receipt: Receipt) -> list[list[_Stage]]:
    runs: dict[tuple[str, str], list[_Stage]] = {}
    for place, record in enumerate(records):
        number = str(record.get("dynamodb", {}).get("SequenceNumber"))
        try:
            images = read_images(record)
        except UnreadableImageError:
            # At the next try it would be the same, and nothing behind it in the stream would be told until then.
            logger.exception("a record of the stream is passed over", extra={"sequence_number": number})
            receipt.unreadable += 1
            continue
        if images is not None and (notice := read_notice(*images)) is not None:
            stage = _Stage(place, number, images[0], notice)
            runs.setdefault((notice.run.org, notice.run.run_id), []).append(stage)
    return list(runs.values())


def _write_run(ports: Ports, stages: Sequence[_Stage], region: str | None) -> _Written:
    """Write what happened to one run, stage by stage, and the run's document as it is after them."""
    written = _Written()
    last = stages[-1].notice
    try:
        files = _find_files(ports, stages)
        outcomes = read_outcomes(ports.run_objects, last.run, files) if last.run.state.terminal else None
        whole = with_request(ports.run_objects, last.run)
        for stage in stages:
            run = stage.notice.run.model_copy(update={"extra": whole.extra})
            event = cloud_event(
                replace(stage.notice, run=run),
                stage.before,
                files,
                export_details=outcomes if run.state.terminal else None,
                region=region,
            )
            ports.run_objects.put(str(event["document"]), write_json(event))
            written.entries += [(stage, entry) for entry in _bus_entries(stage.notice, event)]
        details = job_details(whole, files, export_details=outcomes, region=region)
        ports.run_objects.put(files_prefix(whole) + DETAILS, write_json(details))
    except _PASSING:
        logger.warning("what happened to a run comes again", extra=_name(last.run), exc_info=True)
        return _Written(failed=stages)
    except Exception:
        # A run that cannot be told of, now or ever, must not hold up what is told of all the others.
        logger.exception("what happened to a run could not be told", extra=_name(last.run))
        return _Written(unreadable=len(stages))
    return written


def _name(run: Run) -> dict[str, str]:
    return {"run_id": run.run_id, "job_name": run.job}


def _find_files(ports: Ports, stages: Sequence[_Stage]) -> list[RunFile]:
    """Find the files of a run; only those whose root somebody knows have any."""
    run, kinds = stages[-1].notice.run, {stage.notice.kind for stage in stages}
    if run.root is None or kinds <= _WITHOUT_FILES:
        return []
    if NoticeKind.ENDED in kinds:
        return collect_files(ports, run, read_facts)
    return ports.run_files.all(run.org, run.run_id)


def _bus_entries(notice: Notice, event: Mapping[str, Any]) -> list[BusEntry]:
    """Write what goes on the bus: the event itself, and Glue's of the same where it has one."""
    told: list[tuple[str, Mapping[str, Any]]] = [(str(event["type"]), for_bus(event))]
    if (glue := glue_event(notice)) is not None:
        told.append(glue)
    at = notice.run.modified_at
    return [BusEntry(SOURCE, detail_type, write_json(detail).decode(), at) for detail_type, detail in told]


def _put(bus: Bus, entries: Sequence[tuple[_Stage, BusEntry]], receipt: Receipt) -> None:
    unsent: Sequence[int] = ()
    try:
        bus.put([entry for _, entry in entries])
    except UnsentError as error:
        logger.warning("the bus did not take all that happened", exc_info=True)
        unsent = error.unsent
    missing = {entries[place][0].record for place in unsent}
    receipt.failed |= missing
    receipt.told += len({stage.record for stage, _ in entries} - missing)
