"""Syncs that go wrong or are made to end: which phase it was, what is told of it, and what is kept all the same."""

import json
from typing import Any

import pytest

from jobruns.run import RunState
from singer import programs
from singer.endings import Ending
from singer.run import run_sync
from singer.workspace import EXPORT
from tests.integration.singer.conftest import LANDING, RUNS, WORK, Site, phases_of
from tests.integration.singer.programs import install

TAP = {"streams": {"rows": [{"id": 1}, {"id": 2}]}}
SLOW = {"streams": {"rows": [{"id": number} for number in range(1, 400)]}, "pause": 0.05}


def end_of(site: Site, *ends: Any, **work: Any) -> tuple[RunState, str | None, list[str]]:
    ending = site.run(*ends, **work)
    return ending.state, ending.error_code, phases_of(ending)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_tap_that_fails_fails_the_sync_with_its_own_word(site: Site, streaming: bool) -> None:
    ending = site.run({**TAP, "fails": "no such table"}, {}, streaming=streaming)
    assert (ending.state, ending.error_code) == (RunState.FAILED, "SyncFailed")
    assert ending.message == "ValueError: no such table"
    assert phases_of(ending) == ["SYNC_STARTED"]
    assert "ValueError: no such table" in site.text("logs/sync.log")


def test_a_discovery_that_fails_fails_in_its_phase(site: Site) -> None:
    ended = end_of(site, {**TAP, "discover_status": 1}, {}, discover=True)
    assert ended == (RunState.FAILED, "DiscoverFailed", ["DISCOVER_STARTED"])


def test_a_script_that_fails_fails_in_its_phase(site: Site) -> None:
    site.client().put_object(Bucket=LANDING, Key="acme/scripts/f1.py", Body="1 / 0")
    ending = site.run(TAP, {}, script="acme/scripts/f1.py")
    assert (ending.error_code, ending.message) == ("EtlFailed", "ZeroDivisionError: division by zero")
    assert phases_of(ending)[-1] == "ETL_STARTED"


def test_a_script_that_leaves_nothing_for_the_target_has_failed(site: Site) -> None:
    site.client().put_object(Bucket=LANDING, Key="acme/scripts/f1.py", Body="pass")
    assert end_of(site, TAP, {}, script="acme/scripts/f1.py")[:2] == (RunState.FAILED, "EtlFailed")


@pytest.mark.parametrize("streaming", [False, True])
def test_a_target_that_dies_fails_in_its_phase_and_what_it_saved_is_kept(site: Site, streaming: bool) -> None:
    target = {"crash_at": 3, "password": "hunter22"}
    ending = site.run(TAP, target, streaming=streaming)
    assert (ending.state, ending.error_code) == (RunState.FAILED, "ExportFailed")
    assert phases_of(ending) == ["SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED"]
    assert site.document("incremental_target_state.json")["summary"]["rows"]["success"] == 2
    assert "target-state.json" not in site.paths()
    # Neither the message nor the log has the secret.
    assert ending.message == "RuntimeError: the destination went away, secret ***"
    assert "hunter22" not in site.text("logs/export.log")


def test_a_target_that_leaves_before_its_tap_is_through_has_failed(site: Site) -> None:
    assert end_of(site, SLOW, {"leave_at": 2}, streaming=True)[:2] == (RunState.FAILED, "ExportFailed")


@pytest.mark.parametrize(("strict", "state"), [(False, RunState.SUCCEEDED), (True, RunState.FAILED)])
def test_refused_records_are_told_and_fail_a_run_where_the_flow_says_so(
    site: Site, strict: bool, state: RunState
) -> None:
    tap = {"streams": {"rows": [{"id": 1}, {"id": 2, "bad": True}]}}
    ending = site.run(tap, {"sdk": True}, fail_on_refused=strict)
    assert ending.state is state
    assert ending.message == "2 records of 1 stream read; 1 record refused by the destination"


def test_a_line_that_is_no_message_fails_the_sync(site: Site) -> None:
    ending = site.run({**TAP, "garbage": "hello"}, {})
    assert (ending.error_code, phases_of(ending)) == ("OutputInvalid", ["SYNC_STARTED"])
    assert ending.message == "the tap printed a line that is no Singer message: 'hello'"


def test_what_is_not_installed_is_named(site: Site) -> None:
    ending = site.run(TAP, {}, tap={"name": "tap-gone"})
    assert ending.error_code == "PackageMissing"
    assert ending.message is not None
    assert ending.message.startswith("tap-gone is not installed here")
    assert site.run(TAP, {}, tap={"name": "tap-rows", "executable": "tap-else"}).error_code == "PackageMissing"


def test_another_version_than_is_asked_for_is_not_taken(site: Site) -> None:
    ending = site.run(TAP, {}, tap={"name": "rows", "package": "tap-rows==2.0"})
    assert ending.message == "tap-rows==2.0 is asked for, and 1.0 is installed"
    install(site.home, "tap-rows", "2.0", folder="tap-rows==2.0")
    assert site.run(TAP, {}, tap={"name": "rows", "package": "tap-rows==2.0"}).state is RunState.SUCCEEDED


@pytest.mark.parametrize("work", [{"config_secret": "other/e/f"}, {"request_key": "other/r.json"}])
def test_nothing_of_another_org_is_read(site: Site, work: dict[str, str]) -> None:
    site.client().put_object(Bucket=RUNS, Key="other/r.json", Body="{}")
    assert end_of(site, TAP, {}, **work)[1] in {"ConfigurationInvalid", "ConfigurationMissing"}


def test_a_script_of_another_org_is_not_run(site: Site) -> None:
    site.client().put_object(Bucket=LANDING, Key="other/f.py", Body="print('stolen')")
    assert end_of(site, TAP, {}, script="other/f.py")[1] == "ScriptNotFound"


@pytest.mark.parametrize("key", ["syncs/other/c.json", "bookmarks/acme/1", "syncs/acme/gone.json"])
def test_a_catalog_of_another_org_or_of_nobody_is_not_used(site: Site, key: str) -> None:
    site.client().put_object(Bucket=WORK, Key="syncs/other/c.json", Body='{"streams": []}')
    site.client().put_object(Bucket=WORK, Key="bookmarks/acme/1", Body='{"streams": []}')
    assert end_of(site, TAP, {}, catalog_key=key)[1] == "CatalogInvalid"


def test_a_variable_that_would_change_what_runs_is_refused(site: Site) -> None:
    for name in ("LD_PRELOAD", "PYTHONPATH", "a=b"):
        body = json.dumps({"environment_variables": {name: "x"}})
        site.client().put_object(Bucket=RUNS, Key="acme/r.json", Body=body)
        assert end_of(site, TAP, {}, request_key="acme/r.json")[1] == "ConfigurationInvalid"


def test_a_run_past_its_deadline_is_told_its_own_limit(site: Site) -> None:
    ending = site.run(SLOW, {}, timeout_seconds=1)
    assert (ending.state, ending.message) == (RunState.TIMEOUT, "it did not end within 1 seconds")
    assert phases_of(ending) == ["SYNC_STARTED"]


def test_a_run_stopped_before_is_not_begun(site: Site) -> None:
    order = site.order(TAP, {})
    site.stop()
    assert run_sync(order, site.settings, seconds_here=60).state is RunState.STOPPED
    assert site.paths() == set()


def stop_at_work(site: Site, target: dict[str, Any]) -> Ending:
    """Stop a run as soon as its target has written a row."""
    order = site.order(SLOW, target, streaming=True)
    with site.stopping(f"{EXPORT}/rows.jsonl"):
        return run_sync(order, site.settings, seconds_here=60)


def test_a_target_that_listens_is_asked_and_saves_what_it_has_done(site: Site) -> None:
    ending = stop_at_work(site, {"listens": True})
    # It ended well when it was asked to. The run was stopped all the same.
    assert (ending.state, ending.error_code) == (RunState.STOPPED, "SyncStopped")
    assert site.document("incremental_target_state.json")["summary"]["rows"]["success"] > 0
    assert site.document("target-state.json") == site.document("incremental_target_state.json")


def test_a_target_that_does_not_end_by_itself_is_killed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "GRACE_SECONDS", 0.3)
    assert stop_at_work(site, {"deaf": True}).state is RunState.STOPPED
    assert "incremental_target_state.json" not in site.paths()
