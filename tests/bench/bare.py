"""The yardstick: pyarrow's CSV reader straight into PyIceberg's append of an unpartitioned table, nothing in between.

``python -m tests.bench.bare BUCKET PATH``; the endpoint comes from the environment, as for every AWS client. The file
is read from the disk: through pyarrow's S3 client the emulated S3 answers so slowly that the yardstick would be too
short.
"""

from __future__ import annotations

import os
import sys
import time

import boto3
import pyarrow as pa
import pyarrow.csv
from pyiceberg.catalog.glue import GlueCatalog

from tests.bench.measure import report


def main(bucket: str, path: str) -> None:
    """Append the file to a new unpartitioned table, and report."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    catalog = GlueCatalog("bare", client=boto3.client("glue"), **{"s3.endpoint": endpoint, "s3.region": "us-east-1"})
    catalog.create_namespace_if_not_exists("bench")
    schema = pyarrow.csv.open_csv(path).schema
    schema = pa.schema([pa.field(f.name, _microseconds(f.type)) for f in schema])
    name = f"bare_{time.time_ns()}"
    table = catalog.create_table(("bench", name), schema, location=f"s3://{bucket}/bench/{name}")
    began = time.perf_counter()
    table.append(pyarrow.csv.open_csv(path, convert_options=pyarrow.csv.ConvertOptions(column_types=schema)))
    seconds = time.perf_counter() - began
    report(int(table.current_snapshot().summary.additional_properties["added-records"]), seconds)


def _microseconds(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp("us", tz="UTC") if pa.types.is_timestamp(kind) else kind


if __name__ == "__main__":
    main(*sys.argv[1:])
