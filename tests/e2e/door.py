"""A plain HTTP client of the hydrolix door, and rows to load through it."""

import csv
import io
import json
import urllib.error
import urllib.request
from typing import Any

from pyiceberg.table import Table as IcebergTable

from jobruns.service.ports import Ports
from jobruns.service.tables import find_table_by_name
from jobruns_data.catalog import TableTarget, load_table, open_catalog
from local.runner import Runner
from tests.e2e.ledger import admin_of, wait_for

COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "datatype": {"type": "int64", "source": {"from_input_field": "id"}}},
    {
        "name": "ts",
        "datatype": {
            "type": "datetime",
            "primary": True,
            "format": "2006-01-02T15:04:05Z",
            "resolution": "seconds",
            "source": {"from_input_field": "ts"},
        },
    },
    {"name": "device", "datatype": {"type": "string", "source": {"from_input_field": "device"}}},
    {"name": "temperature", "datatype": {"type": "double", "source": {"from_input_field": "temperature"}}},
]


class Door:
    """Speaks to the door as its clients do, and makes what a test needs."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.org = runner.env["JOBRUNS_ORG"]
        self.landing = runner.env["JOBRUNS_LANDING_BUCKET"]
        self.s3 = runner.client("s3")

    def call(self, method: str, path: str, body: Any = None, *, expect: int | None = None) -> Any:
        """Call ``/config/v1/orgs/<org><path>``; an answer of another status than `expect` is an error."""
        request = urllib.request.Request(
            f"{self.runner.url}/config/v1/orgs/{self.org}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.runner.env['JOBRUNS_TOKEN']}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        wanted = expect or {"POST": 201, "DELETE": 204}.get(method, 200)
        if status != wanted:
            raise AssertionError(f"{method} {path}: {status} {text.decode()}")
        return json.loads(text) if text else None

    def make_table(
        self,
        project: str,
        table: str,
        *,
        columns: list[dict[str, Any]] = COLUMNS,
        compression: str = "none",
        autoingest: list[dict[str, Any]] | None = None,
    ) -> str:
        """Make a project, a table and its default transform, named rows; give the table's path."""
        made = self.call("POST", "/projects/", {"name": project})
        path = f"/projects/{made['uuid']}/tables/"
        settings = {"autoingest": autoingest} if autoingest else {}
        made = self.call("POST", path, {"name": table, "settings": settings})
        path += made["uuid"]
        settings = {"is_default": True, "output_columns": columns, "format_details": {}, "compression": compression}
        self.call("POST", f"{path}/transforms/", {"name": "rows", "type": "csv", "settings": settings})
        return path

    def load(self, table: str, prefix: str, name: str, **settings: Any) -> dict[str, Any]:
        """Create a batch job over a prefix of the landing bucket."""
        source = {
            "table": table,
            "type": "batch",
            "subtype": "aws s3",
            "transform": "rows",
            "settings": {"url": f"s3://{self.landing}/{prefix}"},
        }
        body = {"name": name, "type": "batch_import", "settings": {"source": source, **settings}}
        made: dict[str, Any] = self.call("POST", "/jobs/batch", body)
        return made

    def status(self, job: dict[str, Any]) -> dict[str, Any]:
        """Ask for a job's status as the seed does."""
        (shown,) = self.call("POST", f"/jobs/batch/{job['uuid']}/status", expect=200)
        found: dict[str, Any] = shown
        return found

    def wait(self, job: dict[str, Any], seconds: float = 60) -> dict[str, Any]:
        """Wait until a job has ended."""

        def ended() -> dict[str, Any] | None:
            now = self.status(job)
            return now if now["status"] in ("done", "failed", "canceled") else None

        found: dict[str, Any] = wait_for(ended, seconds)
        return found

    def iceberg(self, ports: Ports, full_name: str) -> IcebergTable:
        """Open a table with PyIceberg's own reader."""
        table = find_table_by_name(ports, admin_of(self.runner), full_name)
        lake = self.runner.env["LAKE_BUCKET"]
        return load_table(
            open_catalog(lake), TableTarget(table.database, table.lake_table, f"s3://{lake}/{table.location}")
        )

    def ids(self, ports: Ports, full_name: str) -> list[int]:
        """Read the ids in a table, in order."""
        column = self.iceberg(ports, full_name).scan(selected_fields=("id",)).to_arrow()["id"].to_pylist()
        return sorted(column)


def rows_csv(first: int, count: int) -> bytes:
    """Write `count` rows from the id `first` on, a minute apart, as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "ts", "device", "temperature"])
    for number in range(first, first + count):
        minute = number % (28 * 1440)
        moment = f"2024-01-{minute // 1440 + 1:02d}T{minute // 60 % 24:02d}:{minute % 60:02d}:00Z"
        writer.writerow([number, moment, f"dev-{number % 100}", f"{number % 600 / 10:.1f}"])
    return text.getvalue().encode()
