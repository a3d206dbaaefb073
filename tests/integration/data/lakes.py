"""What the tests of the data layer stand on: a lake to fill, and a way to break its AWS calls."""

import gzip
from dataclasses import dataclass, field
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from jobruns.transform import Column, ColumnType, Transform
from jobruns_data.aws import s3_client
from jobruns_data.catalog import TableTarget, ensure_table
from jobruns_data.index import index_unit
from jobruns_data.rejects import RejectSink
from jobruns_data.units import SourceFile, UnitResult

LAKE, LANDING, WORK = "lake", "landing", "work"
TARGET = TableTarget("web", "events", "s3://lake/web/events")
TRANSFORM = Transform(
    name="events",
    columns=(
        Column(name="ts", type=ColumnType.TIMESTAMP, primary=True),
        Column(name="id", type=ColumnType.INT64),
        Column(name="note", type=ColumnType.STRING),
    ),
)


@dataclass
class Lake:
    """Files go in, rows come out."""

    catalog: Catalog
    transform: Transform = TRANSFORM
    target: TableTarget = TARGET
    written: list[SourceFile] = field(default_factory=list)

    def table(self) -> Table:
        return ensure_table(self.catalog, self.target, self.transform)

    def put(self, key: str, data: bytes | str, *, pack: bool = False) -> SourceFile:
        body = data.encode() if isinstance(data, str) else data
        body = gzip.compress(body, mtime=0) if pack else body
        etag = s3_client().put_object(Bucket=LANDING, Key=key, Body=body)["ETag"]
        return SourceFile(bucket=LANDING, key=key, size=len(body), etag=etag)

    def index(self, *files: SourceFile, run_id: str = "run-1", unit: int = 0, **more: Any) -> UnitResult:
        rejects = RejectSink(
            "s3://work/rejects/",
            run_id=run_id,
            unit=unit,
            labels={"project_id": "p", "table_id": "t", "transform_id": "x"},
        )
        result = index_unit(
            self.table(), self.target, self.transform, files, run_id=run_id, unit=unit, rejects=rejects, **more
        )
        return UnitResult.model_validate_json(result.model_dump_json())

    def rows(self) -> list[dict[str, Any]]:
        return sorted(
            self.catalog.load_table(self.target.identifier).scan().to_arrow().to_pylist(),
            key=lambda row: row["id"] or 0,
        )

    def keys(self, bucket: str = LAKE, prefix: str = "") -> list[str]:
        pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


@dataclass
class Faults:
    """Breaks the nth AWS call of an operation, before or after it has happened."""

    operation: str = ""
    nth: int = 1
    when: str = "before"
    error: BaseException = field(default_factory=lambda: KeyboardInterrupt("killed"))
    seen: list[str] = field(default_factory=list)
    armed: bool = False

    def arm(self, operation: str, nth: int = 1, when: str = "before", error: BaseException | None = None) -> None:
        self.operation, self.nth, self.when, self.armed = operation, nth, when, True
        self.error = error or KeyboardInterrupt("killed")
        self.seen.clear()

    def hit(self, when: str, operation: str) -> None:
        if self.armed and when == self.when and operation == self.operation and self.seen.count(operation) == self.nth:
            self.armed = False
            raise self.error
