"""A retry takes over what the run before it had done: units whose files are unchanged are not read again.

List decides which units those are; Index then copies their data files below the run's own prefix, where everything of
the run lies, so that it is committed and discarded like any other. Copying again does no harm, and where what was kept
is gone the unit's files are read after all.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from botocore.exceptions import ClientError

from ingest.keeping import KEEP_SECONDS, keep_units
from ingest.load import Load, open_load
from ingest.results import read_result
from jobruns.aws.objects import WorkObjects
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.listing import Carried, Carryover, FoundFile, Unit, read_lines
from jobruns.run import RunState
from jobruns.service.ports import Ports
from jobruns_data.s3_io import copy_file
from jobruns_data.units import UnitResult

_COPIERS = 8


def find_carryover(
    ports: Ports, work: WorkObjects, lake_bucket: str, load: Load, transform_digest: str, spec_id: int
) -> Carryover:
    """Find the units that the run before has done, by the same transform and into the same table.

    Parameters
    ----------
    ports : Ports
    work : WorkObjects
    lake_bucket : str
    load : Load
        Whose files are being listed.
    transform_digest : str
        Of the transform that the load reads by.
    spec_id : int
        The table's partitioning.
    """
    before = _load_before(ports, work, lake_bucket, load)
    if before is None or not work.exists(before.units_key):
        return Carryover("", {})
    kept = keep_units(work, before, KEEP_SECONDS)
    fitting = {
        one.unit
        for one in kept.units
        if kept.location == load.target.location
        and one.transform_digest == transform_digest
        and one.spec_id in (None, spec_id)
    }
    units = (Unit.model_validate(unit) for unit in work.get_json(before.units_key))
    return Carryover(before.run.run_id, {unit.unit: unit for unit in units if unit.unit in fitting})


def read_units(work: WorkObjects, units: list[Unit]) -> Iterator[tuple[Unit, list[FoundFile]]]:
    """Read the files of units, each document once."""
    for key, group in groupby(units, key=lambda unit: unit.files_key):
        document = work.get(key)
        for unit in group:
            yield unit, read_lines(document[unit.offset : unit.offset + unit.length])


def carry_unit(work: WorkObjects, load: Load, unit: Unit, carried: Carried) -> UnitResult | None:
    """Take over the result of a unit that the run before has done. May be repeated.

    Returns
    -------
    UnitResult or None
        ``None`` where it is gone: the unit must be read.
    """
    before = load.before(carried.run_id)
    key = before.result_key(carried.unit)
    if not work.exists(key):
        return None
    result = read_result(work, key).result
    paths = {file.file_path: load.data_path(before.relative_path(file.file_path)) for file in result.data_files}
    kept, mine = f"s3://{work.bucket}/", f"s3://{work.bucket}/{load.rejects_key(unit.unit)}"
    old = before.rejects_key(carried.unit)
    copies = [(kept + before.kept_file_key(path), to) for path, to in paths.items()]
    copies += [(kept + reject, mine + reject.removeprefix(old)) for reject in work.keys(old)]
    try:
        with ThreadPoolExecutor(_COPIERS) as copiers:
            list(copiers.map(lambda copy: copy_file(*copy), copies))
    except ClientError as error:
        # Expired; S3 says 403 of what is gone to a role that may not list the whole bucket.
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) in (403, 404):
            return None
        raise
    files = tuple(file.model_copy(update={"file_path": paths[file.file_path]}) for file in result.data_files)
    return result.model_copy(update={"unit": unit.unit, "data_files": files})


def _load_before(ports: Ports, work: WorkObjects, lake_bucket: str, load: Load) -> Load | None:
    run = load.run
    if run.previous_run_id is None:
        return None
    try:
        before = open_load(ports, work, lake_bucket, run.org, run.job, run.previous_run_id)
    except (NotFoundError, InvalidInputError):
        return None
    over = before.run.state.terminal and before.run.state is not RunState.SUCCEEDED
    alike = before.table.table_id == load.table.table_id and before.spec.dry_run == load.spec.dry_run
    return before if over and alike else None
