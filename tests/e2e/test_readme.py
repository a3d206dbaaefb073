"""What README.md shows is run: its marked blocks, in order, as one shell session against the service."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from local.runner import Runner
from tests.e2e.door import Door
from tests.e2e.ledger import open_ports

pytestmark = pytest.mark.usefixtures("telling")

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^<!-- test -->\n```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples call the API by curl, which is not here")
def test_every_block_of_the_readme_does_what_it_says(runner: Runner, tmp_path: Path) -> None:
    # As on the reader's machine: the virtual environment and the runner's directory lie beside.
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / ".local").symlink_to(runner.state_dir)
    script = "\n".join(f"printf '\\n=== {number}\\n'\n{block}" for number, block in enumerate(BLOCKS))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    parts = re.split(r"\n=== \d+\n", done.stdout)
    _, _, made, _, batch, client, uploads, jobs, log, triggers, *more = parts
    _, synced, searched, dogs, asked, _, jobs_told, started_elsewhere, worker, command_line = more
    assert made.count('"created"') == 3
    created, end = json.JSONDecoder().raw_decode(batch)
    (status,) = json.loads(batch[end:])
    assert created["status"] == "ready"
    assert status["status"] == "done", status
    assert status["details"]["status_detail"] == {
        "tasks": {"LIST": {"DONE": 1}, "INDEX": {"DONE": 1}},
        "estimated": False,
        "percent_complete": 1,
    }
    assert (status["details"]["rows_loaded"], status["details"]["rows_rejected"]) == (2, 1)
    assert re.search(r"My Batch job +website.events +done", client)
    assert re.search(r"rehearsal +website.events +done", client)
    assert uploads.count("SUCCEEDED") == 3
    assert "SUCCEEDED\tNone" in jobs
    assert "FAILED\tValueError: no such day" in jobs
    assert log.strip() == "report of monday"
    assert triggers.startswith("after-load SUCCEEDED after load\n")
    assert '"segments"' in triggers
    assert_synced(synced)
    assert_searched(searched)
    assert dogs.splitlines() == [
        "COMPLETE successfully loaded 2 of 2 records",
        "COMPLETE successfully loaded 0 of 2 records",
        "COMPLETE successfully loaded 2 of 2 records",
        "[{'id': 1, 'name': 'Penny'}]",
    ]
    assert_asked(asked)
    assert_told(jobs_told)
    (job,) = json.loads(started_elsewhere)
    assert (job["s3_root"], job["tap"]) == (f"cust-881/flows/orders/jobs/{job['job_id']}", "ledgerly")
    assert worker.rstrip().endswith("SUCCEEDED")
    assert "loaded 2 rows from 1 files, rejected 1" in command_line
    assert "revoked JRAK" in command_line
    with open_ports(runner) as ports:
        rows = Door(runner).iceberg(ports, "website.events").scan().to_arrow().to_pylist()
    loaded = [(row["page"], row["milliseconds"]) for row in rows]
    # Once by the batch job, once as an upload, once by the job that the glue door defines.
    assert sorted(loaded) == [*[("/", 112)] * 3, *[("/pricing", 98)] * 3]


def assert_synced(printed: str) -> None:
    """The orders were copied, each as often as its margin says, and the failure moved nothing."""
    assert printed.count("'status': 'success', 'records_processed': 3,") == 1
    assert printed.count("'status': 'success', 'records_processed': 1,") == 2
    assert printed.count("'status': 'error', 'records_processed': None,") == 1
    assert "says so, and moves nothing\n" in printed
    orders = [line.split(" ", 1)[1].rsplit(" ", 1)[0] for line in re.findall(r"^\d .*$", printed, re.MULTILINE)]
    assert orders == ["chair", "chair", "chair", "late table"]
    assert printed.endswith(
        "status,records_processed,message\n"
        "success,1,\n"
        "error,,OperationalError('no such table: orders')\n"
        "success,1,\n"
        "success,3,"
    )


def assert_asked(printed: str) -> None:
    """SQL changed and read rows, an export was begun, and a user of a role saw what she may."""
    updated, selected, exported, role, user, seen = (json.loads(line) for line in printed.strip().splitlines())
    assert updated["update_hashes"] == [2]
    assert selected == [{"name": "Kato", "age": 7}, {"name": "Penny", "age": 5}]
    assert exported["message"] == f"Starting job with id {exported['job_id']}"
    assert (role["id"], user["message"]) == ("visitor", "ann successfully added")
    assert seen == [{"name": "Kato"}, {"name": "Penny"}]


def assert_told(printed: str) -> None:
    """Each step that the worker reported was told once, signed, and what it counted with it."""
    *_, details, created, synced, counted, exported, completed = printed.strip().splitlines()
    assert json.loads(details)["processed_rows"] == 41
    heard = [line.split(" ", 2)[1:] for line in (created, synced, counted, exported, completed)]
    assert heard == [
        ["JOB_CREATED", "{}"],
        ["SYNC_STARTED", "{}"],
        ["SYNC_SUCCESS", "{'Invoice': 41}"],
        ["EXPORT_STARTED", "{'Invoice': 41}"],
        ["JOB_COMPLETED", "{'Invoice': 41}"],
    ]


def assert_searched(printed: str) -> None:
    """Runs of all doors were found by one query, those of other tests among them, and what they measured by another."""
    failed, end = json.JSONDecoder().raw_decode(printed.lstrip())
    loads = json.loads(printed.lstrip()[end:])
    mine = [run for run in failed if run["job"] in {"sync_orders", "report"}]
    assert [(run["job"], run["door"], run["state"], run["message"]) for run in mine] == [
        ("sync_orders", "postgrest", "FAILED", "OperationalError('no such table: orders')"),
        ("report", "glue", "FAILED", "ValueError: no such day"),
    ]
    assert loads == [{"state": "SUCCEEDED", "rows": 2}] * 3


def test_the_readme_names_what_there_is() -> None:
    template = (ROOT / "template.yaml").read_text()
    assert set(re.findall(r"`(\w+Alarm)`", README)) == set(re.findall(r"^  (\w+Alarm):$", template, re.MULTILINE))

    told = README[README.index("| parameter |") : README.index("## Operate")]
    first_cells = [row.split("|")[1] for row in told.splitlines() if row.startswith("| `")]
    section = template[template.index("\nParameters:\n") : template.index("\nConditions:\n")]
    parameters = re.findall(r"^  (\w+):$", section, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(first_cells))) == sorted(parameters)

    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = re.findall(
        r"^(?:[A-Z_]+=\S+ )*make ([a-z-]+)", "\n".join(re.findall(r"`(make .*?)`", README)), re.MULTILINE
    )
    assert {"test", "test-slow", "lint", "build", "bench", "lock", "clean"} <= set(commands) <= targets
