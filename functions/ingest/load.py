"""A load: a run of a table's job, with everything its functions need to know of it."""

from dataclasses import dataclass

from pydantic import ValidationError

from jobruns.run import Run
from jobruns.service.definitions import describe_invalid
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


def open_load(ports: Ports, lake_bucket: str, org: str, job: str, run_id: str) -> Load:
    """Read a run and its table.

    Raises
    ------
    NotFoundError
        There is no such run, or its table has been deleted.
    InvalidInputError
        The run's arguments are not those of a load.
    """
    run = load_run(ports, org, job, run_id)
    try:
        spec = LoadSpec.model_validate(load_arguments(ports, run))
    except ValidationError as error:
        raise describe_invalid(error) from None
    table = find_table_by_id(ports, org, spec.table_id)
    target = TableTarget(table.database, table.lake_table, f"s3://{lake_bucket}/{table.location}")
    return Load(run, spec, table, target)


def find_load_transform(ports: Ports, load: Load) -> Transform:
    """Read the transform of a load.

    Raises
    ------
    NotFoundError
        It has been deleted.
    """
    return find_transform(ports, load.table, transform_id=load.spec.transform_id).transform
