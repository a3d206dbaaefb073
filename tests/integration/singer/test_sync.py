"""A sync from its order to its ending: what the programs are told, and what is kept of what they leave."""

import csv
import io
import json

import pytest

from jobruns.aws.objects import WorkObjects
from jobruns.aws.singer import SingerExecutor
from jobruns.run import RunState, SyncStateUse
from tests.integration.singer.conftest import LANDING, RUNS, WORK, Site, phases_of

TAP = {"streams": {"rows": [{"id": 1}, {"id": 2}], "none": []}}


def test_rows_go_from_the_tap_to_the_target_and_all_of_it_is_kept(site: Site) -> None:
    ending = site.run(TAP, {})
    assert (ending.state, ending.message) == (RunState.SUCCEEDED, "2 records of 2 streams read")
    assert phases_of(ending) == ["SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED"]
    assert site.paths() == {
        "phases.json",
        "logs/sync.log",
        "logs/export.log",
        "sync-output/data.singer",
        "sync-output/job_metrics.json",
        "sync-output/state.json",
        "export-output/rows.jsonl",
        "target-state.json",
    }
    assert site.lines("export-output/rows.jsonl") == [{"id": 1}, {"id": 2}]
    assert site.document("sync-output/job_metrics.json") == {"recordCount": {"rows": 2, "none": 0}}
    assert site.document("sync-output/state.json") == site.document("target-state.json") == {"rows": 2}
    assert "INFO begins" in site.text("logs/sync.log")
    assert [phase["phase"] for phase in site.document("phases.json")] == phases_of(ending)


def test_a_tap_takes_up_from_the_state_it_is_handed(site: Site) -> None:
    site.put("state.json", json.dumps({"rows": 1}))
    site.run(TAP, {})
    assert site.lines("export-output/rows.jsonl") == [{"id": 2}]


def test_a_start_of_the_callers_own_goes_before_the_state(site: Site) -> None:
    site.put("state.json", json.dumps({"rows": 1}))
    request = json.dumps({"override_start_date": "2026-01-01", "environment_variables": {"WHO": "me"}})
    site.client().put_object(Bucket=RUNS, Key="acme/requests/1.json", Body=request)
    site.run({**TAP, "environment": True}, {}, request_key="acme/requests/1.json")
    assert site.lines("export-output/rows.jsonl") == [{"id": 1}, {"id": 2}]
    assert site.document("sync-output/environment.json")["WHO"] == "me"


def test_only_wanted_streams_are_read_of_a_catalog_that_is_discovered(site: Site) -> None:
    request = json.dumps({"override_selected_tables": ["none"]})
    site.client().put_object(Bucket=RUNS, Key="acme/requests/1.json", Body=request)
    ending = site.run(TAP, {}, discover=True, request_key="acme/requests/1.json")
    assert phases_of(ending)[:3] == ["DISCOVER_STARTED", "DISCOVER_SUCCESS", "SYNC_STARTED"]
    assert ending.message == "0 records of 1 stream read"
    chosen = {one["stream"]: one["metadata"][0]["metadata"] for one in site.document("catalog.json")["streams"]}
    assert chosen == {"rows": {"selected": False}, "none": {"selected": True}}


def test_a_script_makes_of_files_what_the_target_takes(site: Site) -> None:
    script = (
        "import csv, glob, json, os\n"
        "assert os.environ['ROOT_DIR'] == os.getcwd()\n"
        "[path] = glob.glob('sync-output/rows-*.csv')\n"
        "with open('etl-output/data.singer', 'w') as out:\n"
        "    for row in csv.DictReader(open(path)):\n"
        "        row['id'] = int(row['id']) * 10\n"
        "        out.write(json.dumps({'type': 'RECORD', 'stream': 'tens', 'record': row}) + '\\n')\n"
        "    out.write(json.dumps({'type': 'STATE', 'value': {}}) + '\\n')\n"
        "open('snapshots/rows.snapshot.csv', 'w').write('id\\n2\\n')\n"
        "print('done')\n"
    )
    site.client().put_object(Bucket=LANDING, Key="acme/scripts/f1.py", Body=script)
    tap = {"streams": {"rows": [{"id": 1, "tags": ["a"]}, {"id": 2, "name": 'x,"y"'}]}}
    ending = site.run(tap, {}, script="acme/scripts/f1.py")
    assert phases_of(ending)[2:] == ["ETL_STARTED", "ETL_SUCCESS", "EXPORT_STARTED"]
    assert [row["id"] for row in site.lines("export-output/tens.jsonl")] == [10, 20]
    [landed] = [path for path in site.paths() if path.endswith(".csv") and path.startswith("sync-output/")]
    assert list(csv.reader(io.StringIO(site.text(landed)))) == [
        ["id", "tags", "name"],
        ["1", '["a"]', ""],
        ["2", "", 'x,"y"'],
    ]
    # The tap's state, not the script's.
    assert site.document("sync-output/state.json") == {"rows": 2}
    assert "done" in site.text("logs/etl.log")
    # What was remembered of the tenant is there for its next run.
    kept = site.client().get_object(Bucket=WORK, Key="syncs/acme/e.x/t/flows/f1/snapshots/rows.snapshot.csv")
    assert kept["Body"].read() == b"id\n2\n"


def test_the_flows_own_catalog_is_what_the_tap_is_told_and_lies_with_the_run(site: Site) -> None:
    streams = [{"stream": name, "metadata": [{"metadata": {"selected": name == "rows"}}]} for name in ("rows", "none")]
    catalog = {"streams": streams}
    key = "syncs/acme/e.x/flows/f1/catalogs/1.json"
    site.client().put_object(Bucket=WORK, Key=key, Body=json.dumps(catalog))
    assert site.run(TAP, {}, catalog_key=key).message == "2 records of 1 stream read"
    assert site.document("catalog.json") == catalog


@pytest.mark.parametrize("given", [True, False])
def test_a_run_whose_start_says_nothing_of_it_says_whether_it_takes_up_a_state(given: bool, site: Site) -> None:
    order = site.order({}, {})
    run = site.began[-1].model_copy(update={"sync_state": SyncStateUse(key="k", given=given)})
    begun = SingerExecutor("arn:singer", WorkObjects(WORK)).begin(run, {"tap": {"name": "tap-rows"}})
    assert begun["payload"]["work"]["sync_type"] == ("incremental_sync" if given else "full_sync")
    assert order.work.sync_type == "full_sync"


def test_without_a_tap_the_payload_is_written(site: Site) -> None:
    request = json.dumps({"state": {"Contacts": [{"id": 7}]}})
    site.client().put_object(Bucket=RUNS, Key="acme/requests/1.json", Body=request)
    ending = site.run(None, {}, request_key="acme/requests/1.json")
    assert (ending.state, ending.message) == (RunState.SUCCEEDED, "1 record of 1 stream read")
    assert site.lines("export-output/Contacts.jsonl") == [{"id": 7}]


def test_a_tap_that_prints_no_state_leaves_none(site: Site) -> None:
    assert site.run({**TAP, "stateless": True}, {}).state is RunState.SUCCEEDED
    assert not {"sync-output/state.json", "target-state.json"} & site.paths()


@pytest.mark.parametrize("sdk", [True, False])
def test_what_streams_goes_through_no_script_and_the_target_says_which_state_is_safe(site: Site, sdk: bool) -> None:
    ending = site.run(TAP, {"sdk": sdk}, streaming=True)
    assert phases_of(ending) == ["SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED"]
    assert ending.state is RunState.SUCCEEDED
    assert site.lines("export-output/rows.jsonl") == [{"id": 1}, {"id": 2}]
    assert site.document("sync-output/job_metrics.json")["recordCount"] == {"rows": 2, "none": 0}
    assert "sync-output/state.json" not in site.paths()
    state = site.document("target-state.json")
    assert (state["tap"] if sdk else state) == {"rows": 2}


def test_the_programs_are_told_of_the_job_and_not_of_the_function(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    site.run({**TAP, "environment": True}, {}, sync_type="incremental_sync")
    told = site.document("sync-output/environment.json")
    wanted = {"TENANT": "t", "USER_ID": "t", "FLOW": "f1", "ENV_ID": "e.x", "JOB_ID": "q7Zt_9", "TAP": "tap-rows"}
    assert wanted.items() <= told.items()
    assert (told["SYNC_TYPE"], told["STREAMING_JOB"]) == ("incremental_sync", "False")
    assert not {name for name in told if name.startswith("AWS_")} - {"AWS_EC2_METADATA_DISABLED"}


def test_what_it_used_is_measured(site: Site) -> None:
    figures = site.run({**TAP, "pause": 0.4}, {}).metrics["resources_usage"]
    assert figures["memory"]["max_mb"] >= figures["memory"]["avg_mb"] > 1
    assert figures["cpu"].keys() == {"max_percent", "avg_percent"}
