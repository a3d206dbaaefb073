"""A load: a run of a table's job, with everything its functions need to know of it."""

import hashlib
from dataclasses import dataclass, replace

from jobruns.aws.objects import WorkObjects
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.load_options import read_load_options
from jobruns.run import Run
from jobruns.service.load_requests import read_load_members, resolve_load
from jobruns.service.ports import Ports
from jobruns.service.starts import load_arguments
from jobruns.service.tables import find_table_by_id, find_transform
from jobruns.service.work import load_run
from jobruns.table import LoadSpec, Table
from jobruns.transform import Transform
from jobruns_data.catalog import TableTarget


@dataclass(frozen=True, slots=True)
class Load:
    """A run and what it loads into what.

    ``target`` is where the table is; ``prefix`` is that of the run's documents in the work bucket.
    """

    run: Run
    spec: LoadSpec
    table: Table
    target: TableTarget

    @property
    def prefix(self) -> str:
        """Prefix of the run's documents in the work bucket."""
        return f"runs/{self.run.run_id}/"

    @property
    def units_key(self) -> str:
        """Where the units are named."""
        return f"{self.prefix}units.json"

    @property
    def results_prefix(self) -> str:
        """Prefix of the results of the units."""
        return f"{self.prefix}results/"

    def result_key(self, unit: int) -> str:
        """Where a unit's result is."""
        return f"{self.results_prefix}{unit:06d}.json"

    @property
    def kept_key(self) -> str:
        """Where it is written which units were kept for a retry."""
        return f"{self.prefix}kept.json"

    def kept_file_key(self, file_path: str) -> str:
        """Where a data file of the run is kept for a retry; what is below ``runs/kept/`` expires soon."""
        return f"runs/kept/{self.run.run_id}/{self.relative_path(file_path)}"

    def relative_path(self, file_path: str) -> str:
        """Give the path of a data file below the run's own prefix in the lake."""
        return file_path.removeprefix(self.target.run_prefix(self.run.run_id))

    def data_path(self, relative_path: str) -> str:
        """Give the URL of a data file by its path below the run's own prefix."""
        return f"{self.target.run_prefix(self.run.run_id)}{relative_path}"

    def before(self, run_id: str) -> "Load":
        """Give the same load as another run's, to find what that one left."""
        return replace(self, run=self.run.model_copy(update={"run_id": run_id}))

    @property
    def failed_files_key(self) -> str:
        """Where the files are named that a failed run blames."""
        return f"{self.prefix}failed_files.json"

    @property
    def rejects_prefix(self) -> str:
        """Prefix of the table's rejected rows in the work bucket; each run has a folder of its own below it."""
        return f"runs/rejects/{self.table.org}/{self.table.database}.{self.table.lake_table}/"

    def rejects_key(self, unit: int) -> str:
        """Give what the keys of a unit's rejected rows begin with."""
        return f"{self.rejects_prefix}{self.run.run_id}/{unit:06d}-"


def open_load(
    ports: Ports, work: WorkObjects, lake_bucket: str, org: str, job: str, run_id: str, *, fix: bool = False
) -> Load:
    """Read a run and its table.

    Parameters
    ----------
    ports : Ports
    work : WorkObjects
    lake_bucket : str
    org, job, run_id : str
        Which run.
    fix : bool
        Whether names in the run's arguments are looked up for good: all its functions then load by the same transform,
        also where the table gets another default meanwhile.

    Raises
    ------
    NotFoundError
        There is no such run, or no such table (any more).
    InvalidInputError
        The run's arguments are not those of a load, or the table has a primary key.
    """
    run = load_run(ports, org, job, run_id)
    spec = _read_spec(ports, work, run, fix=fix)
    table = find_table_by_id(ports, org, spec.table_id)
    table.require_appends()
    target = TableTarget(table.database, table.lake_table, f"s3://{lake_bucket}/{table.location}")
    return Load(run, spec, table, target)


def find_table_id(ports: Ports, work: WorkObjects, run: Run) -> str | None:
    """Tell by its id which table a run loads, whether it is there or not; ``None`` where the run names none."""
    try:
        return _read_spec(ports, work, run, fix=False).table_id
    except (NotFoundError, InvalidInputError):
        return None


def _read_spec(ports: Ports, work: WorkObjects, run: Run, *, fix: bool) -> LoadSpec:
    arguments = load_arguments(ports, run)
    options = read_load_options(arguments)
    if options is None:
        return read_load_members(arguments)
    key = f"runs/{run.run_id}/load.json"
    if not work.exists(key):
        spec = resolve_load(ports, run, options)
        if not fix or work.put_new(key, spec.model_dump_json().encode()):
            return spec
    return LoadSpec.model_validate_json(work.get(key))


def find_load_transform(ports: Ports, load: Load) -> Transform:
    """Read the transform of a load.

    Raises
    ------
    NotFoundError
        It has been deleted.
    """
    return find_transform(ports, load.table, transform_id=load.spec.transform_id).transform


def digest_transform(transform: Transform) -> str:
    """Digest what a transform does, so that what was read by it is known from what was read by its next version."""
    return hashlib.sha256(transform.model_dump_json().encode()).hexdigest()
