"""A load: a run of a table's job, with everything its functions need to know of it."""

from dataclasses import dataclass

from jobruns.aws.objects import WorkObjects
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
    def failed_files_key(self) -> str:
        """Where the files are named that a failed run blames."""
        return f"{self.prefix}failed_files.json"

    @property
    def rejects_prefix(self) -> str:
        """Prefix of the table's rejected rows in the work bucket; each run has a folder of its own below it."""
        return f"runs/rejects/{self.table.org}/{self.table.database}.{self.table.lake_table}/"


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
        The run's arguments are not those of a load.
    """
    run = load_run(ports, org, job, run_id)
    spec = _read_spec(ports, work, run, fix=fix)
    table = find_table_by_id(ports, org, spec.table_id)
    target = TableTarget(table.database, table.lake_table, f"s3://{lake_bucket}/{table.location}")
    return Load(run, spec, table, target)


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
