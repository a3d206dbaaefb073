"""Turns one unit of files into data files of the table, and bad rows into rejects: what Ingest maps over units."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from ingest.carrying import carry_unit
from ingest.load import Load, digest_transform, find_load_transform, open_load
from ingest.results import StoredResult, read_result
from jobruns.aws.objects import WorkObjects
from jobruns.bootstrap import load_ports, load_work_objects
from jobruns.listing import FoundFile, Unit, read_lines
from jobruns.places import Endpoint
from jobruns.run import RunState
from jobruns.service.ports import Ports
from jobruns.service.work import begin_unit, end_unit, load_run
from jobruns.settings import load_settings
from jobruns.transform import Transform
from jobruns_data.ahead import READ_AHEAD
from jobruns_data.aws import source_client
from jobruns_data.catalog import load_table, open_catalog
from jobruns_data.commit import discard_run
from jobruns_data.index import index_unit
from jobruns_data.rejects import RejectSink
from jobruns_data.units import SourceFile, UnitResult

logger = Logger()
tracer = Tracer()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Index one unit; see `index_load`."""
    unit = Unit.model_validate(event["unit"])
    logger.append_keys(run_id=event["run_id"], job_name=event["job"], unit=unit.unit)
    ports, work, lake_bucket = load_ports(), load_work_objects(), load_settings().lake_bucket
    load = open_load(ports, work, lake_bucket, event["org"], event["job"], event["run_id"])
    index_load(ports, work, load, unit, lake_bucket)
    return {"unit": unit.unit}


def index_load(ports: Ports, work: WorkObjects, load: Load, unit: Unit, lake_bucket: str) -> None:
    """Read the files of a unit and note how it went. May be repeated: a unit that has a result is not read again.

    A file that cannot be read is named in the result and raises nothing.
    """
    if not begin_unit(ports, load.run, unit.unit):
        logger.info("the run is over")
        return
    key = load.result_key(unit.unit)
    if not work.exists(key):
        began = time.monotonic()
        transform = find_load_transform(ports, load)
        result = carry_unit(work, load, unit, unit.carried) if unit.carried is not None else None
        if result is None:
            result = _index(work, load, transform, unit, lake_bucket)
        spent = StoredResult(
            work_milliseconds=round((time.monotonic() - began) * 1000),
            transform_digest=digest_transform(transform),
            result=result,
        )
        work.put_new(key, spent.model_dump_json().encode())
    stored = read_result(work, key)
    end_unit(ports, load.run, stored.record())
    run = load_run(ports, load.run.org, load.run.job, load.run.run_id)
    if run.state is RunState.SUCCEEDED or (run.state is not RunState.RUNNING and work.exists(load.kept_key)):
        # It ended while this unit was written; those who cleared away behind it may not have seen these files. Until
        # it is written what is kept nobody has, and they will.
        discard_run(open_catalog(lake_bucket), load.target, run.run_id)
    logger.info("indexed", extra={"rows": stored.result.rows_loaded, "failed_files": len(stored.result.failed)})


def _index(work: WorkObjects, load: Load, transform: Transform, unit: Unit, lake_bucket: str) -> UnitResult:
    run_id = load.run.run_id
    labels = {"table_id": load.table.table_id, "transform_id": load.spec.transform_id}
    rejects = RejectSink(
        f"s3://{work.bucket}/{load.rejects_prefix}",
        run_id=run_id,
        unit=unit.unit,
        labels={"project_id": load.table.project_id, **labels},
    )
    return index_unit(
        load_table(open_catalog(lake_bucket), load.target),
        load.target,
        transform,
        [_source(file) for file in read_lines(work.get_part(unit.files_key, unit.offset, unit.length))],
        run_id=run_id,
        unit=unit.unit,
        rejects=rejects,
        write=not load.spec.dry_run,
        read_ahead=max(READ_AHEAD, load.spec.read_ahead),
        max_file_rows=load.spec.max_file_rows,
        client=source_client(load.spec.source.asked if load.spec.source is not None else Endpoint()),
    )


def _source(file: FoundFile) -> SourceFile:
    return SourceFile(bucket=file.bucket, key=file.key, size=file.size, etag=file.etag, version_id=file.version_id)
