"""What a run without success has done all the same is kept for its retry, which then reads only the rest again.

Before the data files of such a run are deleted from the lake, those of its units that are done are copied to the work
bucket, where they expire by themselves. Which ones were is written down last and once, and nothing is deleted before
it is written; so who finds it written may delete, and who does not may look for it or write it himself. What was not
kept, for want of time or because a copy failed, is read again: nothing rests on it.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from ingest.load import Load
from ingest.results import StoredResult, read_stored
from jobruns.aws.objects import WorkObjects
from jobruns.run import RunState, TriggerKind
from jobruns_data.s3_io import copy_file

KEEP_SECONDS = 120
"""Longest time spent on copies. A retry waits no longer than that for them, and S3 copies some gigabytes in it."""

MAX_KEPT_BYTES = 50 << 30
MAX_KEPT_FILES = 20_000

_COPIERS = 12  # below the connections of the client

logger = Logger(child=True)


class KeptUnit(BaseModel):
    """A unit of which everything was kept: by which transform it was read, by which partitioning it was written."""

    model_config = ConfigDict(frozen=True)

    unit: int
    transform_digest: str
    spec_id: int | None


class Kept(BaseModel):
    """The units of a run that a retry need not read; ``location`` is that of the table they were written for."""

    model_config = ConfigDict(frozen=True)

    location: str
    units: tuple[KeptUnit, ...] = ()


def keep_units(work: WorkObjects, load: Load, seconds: float) -> Kept:
    """Keep the units of a run that ended without success, unless that was done before. May be repeated.

    Parameters
    ----------
    work : WorkObjects
    load : Load
        Of a run that is over or is being stopped, as read after that.
    seconds : float
        How long it may take; less than `KEEP_SECONDS`, where that is longer.
    """
    if not work.exists(load.kept_key):
        units = _copy_units(work, load, min(seconds, KEEP_SECONDS)) if _may_be_retried(load) else ()
        kept = Kept(location=load.target.location, units=tuple(units))
        work.put_new(load.kept_key, kept.model_dump_json().encode())
        logger.info("kept for a retry", extra={"units": len(kept.units)})
    return Kept.model_validate_json(work.get(load.kept_key))


def _may_be_retried(load: Load) -> bool:
    # Uploads come back by their queue, sorted anew; they are never retried as a run.
    return load.run.state is not RunState.SUCCEEDED and load.run.trigger is not TriggerKind.UPLOAD


def _copy_units(work: WorkObjects, load: Load, seconds: float) -> Iterator[KeptUnit]:
    until = time.monotonic() + seconds
    done = [stored for stored in read_stored(work, load, load.run.progress.units_total) if not stored.result.failed]
    files = _within_bounds(done)
    with ThreadPoolExecutor(_COPIERS) as copiers:
        copied = dict(zip(files, copiers.map(lambda path: _copy(work, load, path, until), files), strict=True))
    for stored in done:
        result = stored.result
        if all(copied.get(file.file_path) for file in result.data_files):
            spec_ids = {file.spec_id for file in result.data_files}
            if len(spec_ids) <= 1:
                spec_id = spec_ids.pop() if spec_ids else None
                yield KeptUnit(unit=result.unit, transform_digest=stored.transform_digest, spec_id=spec_id)


def _within_bounds(done: list[StoredResult]) -> list[str]:
    files: list[str] = []
    size = 0
    for stored in done:
        mine = stored.result.data_files
        size += sum(file.file_size_in_bytes for file in mine)
        if size > MAX_KEPT_BYTES or len(files) + len(mine) > MAX_KEPT_FILES:
            break
        files += [file.file_path for file in mine]
    return files


def _copy(work: WorkObjects, load: Load, path: str, until: float) -> bool:
    if time.monotonic() > until:
        return False
    try:
        copy_file(path, f"s3://{work.bucket}/{load.kept_file_key(path)}")
    except (ClientError, BotoCoreError) as error:
        # Most likely somebody else has kept it, and deleted it here.
        logger.warning("a data file is not kept", extra={"file": path, "reason": str(error)})
        return False
    return True
