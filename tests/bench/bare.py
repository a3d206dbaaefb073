"""The yardstick: pyarrow's CSV reader straight into PyIceberg's append of an unpartitioned table, nothing in between.

``python -m tests.bench.bare BUCKET PATH [upsert]``; the endpoint comes from the environment, as for every AWS client.
The file is read from the disk: through pyarrow's S3 client the emulated S3 answers so slowly that the yardstick would
be too short. With ``upsert`` PyIceberg's upsert of the same rows, by ``id``, is what is measured.
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


def main(bucket: str, path: str, then: str = "") -> None:
    """Append the file to a new unpartitioned table, perhaps upsert it then, and report."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    catalog = GlueCatalog("bare", client=boto3.client("glue"), **{"s3.endpoint": endpoint, "s3.region": "us-east-1"})
    catalog.create_namespace_if_not_exists("bench")
    schema = pyarrow.csv.open_csv(path).schema
    schema = pa.schema([pa.field(f.name, _microseconds(f.type)) for f in schema])
    name = f"bare_{time.time_ns()}"
    table = catalog.create_table(("bench", name), schema, location=f"s3://{bucket}/bench/{name}")
    began = time.perf_counter()
    options = pyarrow.csv.ConvertOptions(column_types=schema)
    table.append(pyarrow.csv.open_csv(path, convert_options=options))
    if then == "upsert":
        began = time.perf_counter()
        table.upsert(pyarrow.csv.read_csv(path, convert_options=options), join_cols=["id"])
    seconds = time.perf_counter() - began
    report(table.scan().count(), seconds)


def _microseconds(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp("us", tz="UTC") if pa.types.is_timestamp(kind) else kind


if __name__ == "__main__":
    main(*sys.argv[1:])
