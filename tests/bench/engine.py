"""The engine without the service around it: one unit indexed and committed, as a worker does it.

``python -m tests.bench.engine BUCKET KEY [none|gzip]``; the endpoint comes from the environment.
"""

from __future__ import annotations

import sys
import time

from jobruns.formats import Compression
from jobruns_data.catalog import TableTarget, ensure_table, open_catalog
from jobruns_data.commit import commit_run
from jobruns_data.index import index_unit
from jobruns_data.rejects import RejectSink
from jobruns_data.units import SourceFile, UnitResult
from tests.bench.measure import report
from tests.bench.rows import TRANSFORM


def main(bucket: str, key: str, compression: str = "none") -> None:
    """Load the file into a new table, and report."""
    transform = TRANSFORM.model_copy(update={"compression": Compression(compression)})
    name = f"engine_{time.time_ns()}"
    target = TableTarget("bench", name, f"s3://{bucket}/bench/{name}")
    catalog = open_catalog(bucket)
    table = ensure_table(catalog, target, transform)
    began = time.perf_counter()
    result = index_unit(
        table,
        target,
        transform,
        [SourceFile(bucket=bucket, key=key)],
        run_id="bench",
        unit=0,
        rejects=RejectSink(f"s3://{bucket}/rejects/", run_id=name, unit=0),
    )
    if result.failed or result.rows_rejected:
        raise SystemExit(f"{result.rows_rejected} rows rejected, failed: {result.failed}")
    # Index and Commit are two functions: what goes between them is part of the work.
    outcome = commit_run(catalog, target, "bench", [UnitResult.model_validate_json(result.model_dump_json())])
    report(outcome.rows, time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
