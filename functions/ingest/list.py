"""Finds the files of a load and groups them into units: the first task of Ingest."""

import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from ingest.bookmarks import LoadBookmark
from ingest.carrying import find_carryover, read_units
from ingest.load import Load, digest_transform, find_load_transform, open_load
from ingest.sources import Reach, find_files
from jobruns.aws.objects import WorkObjects
from jobruns.bootstrap import load_ports, load_work_objects
from jobruns.listing import Carried, Carryover, FoundFile, group_files, select_files, write_units
from jobruns.run import RunState
from jobruns.service.ports import Ports
from jobruns.service.work import begin_listing, end_listing
from jobruns.settings import load_settings
from jobruns_data.catalog import ensure_table, open_catalog

logger = Logger()
tracer = Tracer()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """List a run's files; see `list_load`."""
    logger.append_keys(run_id=event["run_id"], job_name=event["job"])
    ports, work, settings = load_ports(), load_work_objects(), load_settings()
    load = open_load(ports, work, settings.lake_bucket, event["org"], event["job"], event["run_id"], fix=True)
    reach = Reach(load.run.org, settings.landing_bucket, frozenset({settings.lake_bucket, settings.work_bucket}))
    units = list_load(ports, work, load, settings.lake_bucket, reach)
    return {"units": units, "units_key": load.units_key}


def list_load(ports: Ports, work: WorkObjects, load: Load, lake_bucket: str, reach: Reach) -> int:
    """Make sure of the table, find the files, and write down which unit reads which. May be repeated.

    The units are written last and once: whoever comes second, because an answer was lost, takes the list that is there.

    Returns
    -------
    int
        Number of units; 0 also where the run has ended meanwhile.

    Raises
    ------
    SourceError, InvalidInputError, NotFoundError, SchemaConflictError
        Trying again is no use: the run cannot be done as it was asked for.
    BookmarkConflictError
        Another run of the job is committing; ask again.
    """
    run = load.run
    if run.state is not RunState.RUNNING:
        return 0
    if not work.exists(load.units_key):
        begin_listing(ports, run)
        transform = find_load_transform(ports, load)
        table = ensure_table(open_catalog(lake_bucket), load.target, transform, load.spec.partition_minutes)
        bookmark = LoadBookmark(ports, work, lake_bucket, load)
        found = bookmark.leave_out_taken(find_files(load.spec, work.get, reach))
        wanted = select_files(found, load.spec.pattern, load.spec.max_files)
        carryover = find_carryover(
            ports, work, lake_bucket, load, digest_transform(transform), table.metadata.default_spec_id
        )
        groups = _group(work, carryover, wanted, load.spec.unit_bytes)
        units = write_units(groups, f"{load.prefix}files/{secrets.token_hex(4)}-", work.put)
        work.put_new(
            load.units_key, b"[%s]" % b",".join(unit.model_dump_json(exclude_none=True).encode() for unit in units)
        )
    count = len(work.get_json(load.units_key))
    if run.progress.listing != "DONE":
        end_listing(ports, run, count)
    logger.info("listed", extra={"units": count})
    return count


def _group(
    work: WorkObjects, carryover: Carryover, files: Iterable[FoundFile], unit_bytes: int
) -> Iterator[tuple[list[FoundFile], Carried | None]]:
    """Group files into units: those to be read, then those that an earlier run has read."""
    for unit, read in read_units(work, carryover.units):
        carryover.learn(unit, read)
    for group in group_files(carryover.sort_out(files), unit_bytes):
        yield group, None
    again = (file for _, read in read_units(work, carryover.broken()) for file in carryover.noted(read))
    for group in group_files(again, unit_bytes):
        yield group, None
    for unit, read in read_units(work, carryover.complete()):
        yield read, Carried(run_id=carryover.run_id, unit=unit.unit)
