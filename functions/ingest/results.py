"""What Index hands to Commit: one document for each unit, in the work bucket."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from ingest.load import Load
from jobruns.aws.objects import WorkObjects
from jobruns.service.store_ports import UnitRecord
from jobruns_data.units import FailedFile, UnitResult

_READERS = 8


class StoredResult(BaseModel):
    """A unit's result, how long it took, and what tells the transform it was read by from others."""

    model_config = ConfigDict(frozen=True)

    work_milliseconds: int
    transform_digest: str = ""
    result: UnitResult

    def record(self) -> UnitRecord:
        """Give what the ledger notes of the unit."""
        result = self.result
        return UnitRecord(
            number=result.unit,
            state="FAILED" if result.failed else "DONE",
            rows_loaded=result.rows_loaded,
            rows_rejected=result.rows_rejected,
            bytes_read=result.bytes_read,
            work_milliseconds=self.work_milliseconds,
        )


@dataclass(frozen=True, slots=True)
class Results:
    """The results of a load so far. ``missing`` are the units that have none."""

    units: list[UnitResult]
    missing: list[int]
    rows: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", sum(unit.rows_loaded for unit in self.units))

    @property
    def files(self) -> int:
        """Files read."""
        return sum(unit.files for unit in self.units)

    @property
    def rejected(self) -> int:
        """Rows rejected."""
        return sum(unit.rows_rejected for unit in self.units)

    @property
    def bytes_read(self) -> int:
        """Bytes read."""
        return sum(unit.bytes_read for unit in self.units)

    @property
    def failed(self) -> list[FailedFile]:
        """The files that could not be read."""
        return [file for unit in self.units for file in unit.failed]


def read_results(work: WorkObjects, load: Load, units: int) -> Results:
    """Read the results of a load of so many units."""
    stored = read_stored(work, load, units)
    present = {one.result.unit for one in stored}
    return Results([one.result for one in stored], [number for number in range(units) if number not in present])


def read_stored(work: WorkObjects, load: Load, units: int) -> list[StoredResult]:
    """Read the results there are of a load of so many units, as they are stored."""
    present = set(work.keys(load.results_prefix))
    keys = [key for key in map(load.result_key, range(units)) if key in present]
    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(lambda key: read_result(work, key), keys))


def read_result(work: WorkObjects, key: str) -> StoredResult:
    """Read one result."""
    return StoredResult.model_validate_json(work.get(key))
