"""The City of Austin's own clients, unmodified: with the arrow of their time and today's, in three time zones."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from local.runner import Runner

CLIENTS = Path(__file__).resolve().parents[2] / ".venv" / "clients"
DRIVER = Path(__file__).parent / "clients" / "city_driver.py"
ARROWS = ("tdutils-arrow0", "tdutils-arrow1")
ZONES = {"America/Chicago": ("-06:00", "-05:00"), "Asia/Kolkata": ("+05:30",), "UTC": ("+00:00",)}
HOMES = list(product(ARROWS, ZONES))
THOROUGH = HOMES[0]  # what depends on neither arrow nor zone
COLUMNS = [
    "id",
    "name",
    "start_date",
    "end_date",
    "message",
    "status",
    "records_processed",
    "source",
    "destination",
]


def job_of(client: str, zone: str) -> str:
    return f"{client}_{zone}".replace("-", "_").replace("/", "_").lower()


def drive(runner: Runner, folder: Path, client: str, zone: str) -> dict[str, Any]:
    site, url, token = CLIENTS / client, f"{runner.url}/postgrest", runner.env["JOBRUNS_TOKEN"]
    extent = "all" if (client, zone) == THOROUGH else "scenario"
    assert (site / ".installed").exists(), "run make clients"
    done = subprocess.run(
        # Without site, so that the client has what was installed for it and nothing of .venv.
        [sys.executable, "-S", str(DRIVER), url, token, job_of(client, zone), extent],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "NO_PROXY": "*",
            "PYTHONPATH": str(site),
            "TZ": f":{site}/tzdata/zoneinfo/{zone}",  # the machine may have no time zones
        },
        input="Yes\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def told(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    """What each client saw, by its arrow and its time zone; two at a time, as they would meet at the door."""
    folder = tmp_path_factory.mktemp("city")
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(HOMES, pool.map(lambda home: drive(runner, folder, *home), HOMES), strict=True))


@pytest.fixture(params=HOMES, ids=lambda home: job_of(*home))
def home(request: pytest.FixtureRequest, told: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    client, zone = request.param
    return {"job": job_of(client, zone), "offsets": ZONES[zone], **told[request.param]}


@pytest.fixture
def thorough(told: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    return told[THOROUGH]


def test_the_whole_scenario_of_the_jobs_api(home: dict[str, Any]) -> None:
    seen = home["scenario"]
    assert seen["offset"] in home["offsets"], "the client did not run in its time zone"
    assert seen["never"] is None

    started = seen["started"]
    assert list(started) == COLUMNS
    assert started == {
        "id": started["id"],
        "name": home["job"],
        "start_date": started["start_date"],
        "end_date": None,
        "message": None,
        "status": "in_progress",
        "records_processed": None,
        "source": "knack",
        "destination": "socrata",
    }
    assert seen["while_first"] is None, "a run that is going is no success"

    ended = seen["ended"]
    assert {**ended, "end_date": None} == {
        **started,
        "message": 'Traceback (most recent call last):\n  "é", 100 %, \\n\t表',
        "status": "success",
        "records_processed": 12,
    }
    assert datetime.fromisoformat(started["start_date"]) <= datetime.fromisoformat(ended["end_date"])
    assert ended["end_date"].endswith("+00:00")
    before, start, first, after = seen["first"]
    assert before <= start <= after
    assert first == start

    assert seen["while_second"] == start
    assert (seen["failed"]["status"], seen["failed"]["message"]) == ("error", "no route to host")
    after_failure, latest_failure, second = seen["after_failure"]
    assert after_failure == start != second
    assert latest_failure == second
    last, third = seen["last"]
    assert last == third > start


def test_the_watermark_is_the_begin_of_the_run_that_ended_last(home: dict[str, Any]) -> None:
    watermark, began = home["overlapping"]
    assert watermark == began


def test_the_table_is_paged_corrected_and_never_emptied(thorough: dict[str, Any]) -> None:
    seen = thorough["table"]
    assert len(seen["ids"]) == 3
    assert seen["ids"] == sorted(seen["ids"])
    assert seen["names"] == [job_of(*THOROUGH)]
    assert seen["upserted"] == [1, "no route at all", "error"]
    assert seen["updated"] == [3, "no route at all"]
    assert seen["deleted"] == [seen["ids"][1]]
    assert seen["left"] == 2
    assert seen["unfiltered"] == [400, "21000"], "Job.delete forgets its filter"
    assert seen["left_then"] == 2


def test_the_successor_of_the_client(thorough: dict[str, Any]) -> None:
    seen = thorough["successor"]
    assert seen["inserted"] == ["", "", ""], "without a preference nothing comes back"
    assert seen["found"] == [f"2026-03-0{day}T07:00:00+00:00" for day in (3, 2, 1)]
    assert seen["ended"] is True
    assert seen["since"] == 1
    assert seen["unfiltered"] == [400, "21000"]
    assert seen["deleted"] == ""
    assert seen["left"] == 2


def test_what_cannot_be_served_is_refused_and_not_taken_for_an_empty_history(thorough: dict[str, Any]) -> None:
    assert thorough["refused"] == {
        "nobody": [401, "PGRST301"],
        "nonsense": [401, "PGRST301"],
        "no source": [400, "23502"],
        "nowhere": [404, "PGRST205"],
        "page": [400, "42703"],
        "+": [400, "23514"],
        "&": [400, "23514"],
        "#": [400, "23514"],
        "%41": [400, "23514"],
    }


def test_runs_of_all_of_them_have_numbers_of_their_own(told: dict[tuple[str, str], dict[str, Any]]) -> None:
    ids = [seen["scenario"][row]["id"] for seen in told.values() for row in ("started", "failed")]
    assert len(set(ids)) == len(ids)
