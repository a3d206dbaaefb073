"""Targets of hotglue's SDK itself, installed from PyPI: what they print, save and listen for is taken as it is."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from jobruns.run import RunState
from jobruns.sync_state import read_left_state
from jobruns_events.run_metrics import read_export
from singer.run import run_sync
from tests.integration.singer.conftest import Site
from tests.integration.singer.programs import describe

pytestmark = pytest.mark.slow

SDK = "hotglue-singer-sdk==1.0.51"
TARGET = """
import time
from hotglue_singer_sdk import typing as th
from hotglue_singer_sdk.target_sdk.client import HotglueSink
from hotglue_singer_sdk.target_sdk.target import TargetHotglue

class Notes(HotglueSink):
    name, endpoint, base_url = "rows", "notes", "http://127.0.0.1:9"

    def preprocess_record(self, record, context):
        return record

    def upsert_record(self, record, context):
        time.sleep(self.config.get("pause", 0))
        if record.get("bad"):
            raise ValueError("refused")
        return str(record["id"]), True, {}

class TargetNotes(TargetHotglue):
    name, SINK_TYPES = "target-notes", [Notes]
    config_jsonschema = th.PropertiesList(th.Property("pause", th.NumberType)).to_dict()

    def get_sink_class(self, stream_name):
        return Notes

def main():
    TargetNotes.cli()
"""
ROWS = [{"id": 1}, {"id": 2, "bad": True}, {"id": 1}]
NOTES: dict[str, Any] = {"target": {"name": "target-notes"}}


@pytest.fixture(scope="module")
def notes(home: Path) -> None:
    place = home / "target-notes"
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--target", str(place), SDK]
    subprocess.run([*command, "--python", sys.executable], check=True, timeout=300)
    (place / "target_notes.py").write_text(textwrap.dedent(TARGET))
    describe(place, "target-notes", "1.0")


def summary(site: Site, path: str) -> Any:
    export = read_export(site.text(path).encode())
    return export and export["exportSummary"].get("rows")


def test_what_became_of_each_record_is_known_though_the_tap_told_a_state_first(site: Site, notes: None) -> None:
    tap = {"streams": {"rows": ROWS}, "first_state": {"bookmarks": {"rows": {"at": 1}}}, "wants": "integer"}
    ending = site.run(tap, {}, **NOTES)
    refused = "3 records of 1 stream read; 1 record refused by the destination"
    assert (ending.state, ending.message) == (RunState.SUCCEEDED, refused)
    assert summary(site, "target-state.json") == {"success": 1, "fail": 1, "existing": 1, "updated": 0}


def test_while_a_tap_streams_into_it_the_taps_state_is_told_beside_its_own(site: Site, notes: None) -> None:
    tap = {"streams": {"rows": ROWS}, "wants": "integer"}
    assert site.run(tap, {}, streaming=True, **NOTES).state is RunState.SUCCEEDED
    # This version of the SDK leaves its own half empty then.
    assert site.document("target-state.json") == {"tap": {"rows": 2}, "target": {}}
    assert read_left_state(site.text("target-state.json").encode()) == {"rows": 2}


def test_a_crash_leaves_what_was_done_until_then(site: Site, notes: None) -> None:
    tap = {"streams": {"rows": ROWS}, "wants": "integer", "bad_line": True}
    ending = site.run(tap, {}, **NOTES)
    assert (ending.state, ending.error_code) == (RunState.FAILED, "ExportFailed")
    assert summary(site, "incremental_target_state.json")["success"] == 1


def test_it_is_stopped_by_the_signal_it_listens_for(site: Site, notes: None) -> None:
    tap = {"streams": {"rows": [{"id": number} for number in range(1, 500)]}, "wants": "integer"}
    order = site.order(tap, {"pause": 0.1}, **NOTES)
    with site.stopping(".secrets/user_signal.listener", after_seconds=2):
        assert run_sync(order, site.settings, seconds_here=60).state is RunState.STOPPED
    done = summary(site, "incremental_target_state.json")["success"]
    assert 0 < done < 499
    assert json.loads(site.text("target-state.json")) == json.loads(site.text("incremental_target_state.json"))
