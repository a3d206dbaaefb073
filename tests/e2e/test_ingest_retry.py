"""A failed job is retried through the door and reads only what failed; then its table goes, with all that was in it."""

import gzip
from collections import Counter

import pytest
from pyiceberg.exceptions import NoSuchTableError

from jobruns.service.ports import Ports
from jobruns.service.tables import find_table_by_name, truncate_table
from local.runner import Runner
from tests.e2e.door import Door, rows_csv
from tests.e2e.ledger import admin_of, wait_for
from tests.e2e.progress import assert_only_forward, observe


def test_a_retried_job_reads_only_the_failed_file_and_its_table_is_emptied_and_deleted(
    runner: Runner, ports: Ports
) -> None:
    runner.wait_warm()
    door = Door(runner)
    path = door.make_table("again", "rows", compression="gzip")
    keys = [f"again/{number}.gz" for number in range(6)]
    for number, key in enumerate(keys):
        body = gzip.compress(rows_csv(500 * number, 500)) if number != 3 else b"this is no gzip"
        door.s3.put_object(Bucket=door.landing, Key=key, Body=body)
    job = door.load("again.rows", "again/", "again", input_aggregation=1)
    seen = observe(door, job)
    assert_only_forward(seen)
    assert seen[-1]["status"] == "failed"
    (error,) = seen[-1]["details"]["errors"]
    assert error.startswith(f"s3://{door.landing}/{keys[3]}: it is not gzip")
    assert seen[-1]["details"]["status_detail"]["tasks"]["INDEX"] == {"DONE": 5, "FAILED": 1}
    assert _reads(runner, door) == Counter(keys)

    door.s3.put_object(Bucket=door.landing, Key=keys[3], Body=gzip.compress(rows_csv(1500, 500)))
    runner.faults.forget()
    again = door.call("POST", f"/jobs/batch/{job['uuid']}/retry", expect=200)
    assert (again["uuid"], again["status"]) == (job["uuid"], "ready")
    seen = observe(door, again)
    assert_only_forward(seen)
    assert seen[-1]["status"] == "done"
    assert seen[-1]["details"]["status_detail"]["tasks"]["INDEX"] == {"DONE": 6}
    assert _reads(runner, door) == Counter([keys[3]])
    assert door.ids(ports, "again.rows") == list(range(3000))

    table = find_table_by_name(ports, admin_of(runner), "again.rows")
    assert truncate_table(ports, admin_of(runner), table) == 6
    assert door.ids(ports, "again.rows") == []
    lake = door.iceberg(ports, "again.rows")
    door.call("DELETE", path)
    with pytest.raises(NoSuchTableError):
        lake.catalog.load_table(lake.name())
    bucket = runner.env["LAKE_BUCKET"]
    wait_for(lambda: door.s3.list_objects_v2(Bucket=bucket, Prefix=f"{table.location}/")["KeyCount"] == 0)


def _reads(runner: Runner, door: Door) -> Counter[str]:
    """GETs of the objects of this test, by key."""
    bucket = f"/{door.landing}/"
    calls = (call for call in runner.faults.calls() if call.operation == "GetObject")
    return Counter(call.path.removeprefix(bucket) for call in calls if call.path.startswith(f"{bucket}again/"))
