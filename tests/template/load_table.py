"""Run on nothing but the layers and what AWS's runtime brings: loads a file as the ingest does, and reads the table.

Usage: load_table.py BUCKET
"""

import sys
from datetime import UTC, datetime

import pyarrow as pa

from jobruns.transform import Column, ColumnType, Source, TimestampFormat, Transform
from jobruns_data.aws import s3_client
from jobruns_data.catalog import TableTarget, ensure_table, load_table, open_catalog
from jobruns_data.commit import commit_run
from jobruns_data.index import index_unit
from jobruns_data.rejects import RejectSink
from jobruns_data.units import SourceFile

RUN = "trimmed"
CSV = b"at,name,value\n2026-01-01T00:00:00Z,a,1.5\n2026-01-02T00:00:00Z,b,2.5\n2026-01-02T12:00:00Z,c,\nnever,d,4.5\n"


def main(bucket: str) -> None:
    s3_client().put_object(Bucket=bucket, Key="landing/rows.csv", Body=CSV)
    transform = Transform(
        name="rows",
        columns=(
            Column(
                name="at",
                type=ColumnType.TIMESTAMP,
                source=Source(field="at"),
                primary=True,
                timestamp=TimestampFormat(layout="2006-01-02T15:04:05Z"),
            ),
            Column(name="name", type=ColumnType.STRING, source=Source(field="name")),
            Column(name="value", type=ColumnType.DOUBLE, source=Source(field="value")),
        ),
    )
    target = TableTarget(database="trimmed", table="rows", location=f"s3://{bucket}/tables/rows")
    catalog = open_catalog(bucket)
    result = index_unit(
        ensure_table(catalog, target, transform),
        target,
        transform,
        [SourceFile(bucket=bucket, key="landing/rows.csv", size=len(CSV))],
        run_id=RUN,
        unit=0,
        rejects=RejectSink(f"s3://{bucket}/rejects/", run_id=RUN, unit=0),
    )
    committed = commit_run(catalog, target, RUN, [result])

    table = load_table(catalog, target)
    read = table.scan(row_filter="value > 2").to_arrow().to_pylist()
    if read != [{"at": datetime(2026, 1, 2, tzinfo=UTC), "name": "b", "value": 2.5}]:
        raise SystemExit(f"the table does not come back as it was loaded: {read}")
    # PyIceberg explains a mismatch with a table that Rich draws: the way out must work too.
    try:
        table.append(pa.table({"value": ["a text"]}))
    except ValueError as error:
        if "Mismatch in fields" not in str(error):
            raise
    else:
        raise SystemExit("a text was taken for a number")
    sys.stdout.write(f"{result.rows_loaded} loaded, {result.rows_rejected} rejected, {committed.data_files} files\n")


if __name__ == "__main__":
    main(sys.argv[1])
