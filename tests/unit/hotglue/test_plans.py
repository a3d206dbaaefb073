"""What a job of a flow is going to be, and how flows are kept."""

from typing import Any

import pytest

from hotglue.flow_documents import Flow, gather_configs, read_body, show_body, write_body
from hotglue.job_requests import JobRequest
from hotglue.names import Lane
from hotglue.plans import base_plan, plan_job, write_work
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.singer import read_work

LANE = Lane("stage.acorn.example", "Kp3vWm-aQ", "cust-881")
TAP = {"name": "ledgerly", "package": "tap-ledgerly==1.2.0", "config": {"api_key": "k", "site": "x"}}
TARGET = {"name": "depot", "package": "target-depot"}
SINGER = {"runner": "singer", "tap": TAP, "target": TARGET, "script": "etl/orders.py"}
LINKED = {
    "version": 2,
    "tap": {"name": "warehouse"},
    "target": {"name": "depot"},
    "connectors": {"crm": {"tap": {"name": "tap-crm"}, "target": {"name": "target-crm"}}, "mail": {}},
}


def flow(document: dict[str, Any]) -> Flow:
    return Flow.model_validate(document)


def test_a_flow_goes_from_its_tap_to_its_target() -> None:
    plan = plan_job(flow(SINGER), JobRequest())
    assert (plan.tap_name, plan.target_name, plan.state_end, plan.side) == ("ledgerly", "depot", "ledgerly", None)


def test_a_variant_of_a_tap_has_a_state_of_its_own() -> None:
    plan = plan_job(flow(SINGER), JobRequest(tap="ledgerly:sandbox"))
    assert (plan.tap_name, plan.state_end) == ("ledgerly:sandbox", "ledgerly:sandbox")
    assert plan.tap is not None


def test_a_job_that_brings_what_it_writes_has_no_tap_and_no_state() -> None:
    plan = plan_job(flow(SINGER), JobRequest(tap="api"))
    assert (plan.tap, plan.tap_name, plan.state_end) == (None, "api", None)


def test_our_runner_has_no_other_tap_than_the_flows() -> None:
    for request in (JobRequest(tap="other"), JobRequest(target="other")):
        with pytest.raises(InvalidInputError):
            plan_job(flow(SINGER), request)


def test_a_worker_outside_knows_other_taps() -> None:
    plan = plan_job(flow({}), JobRequest(tap="vendor:sandbox", target="somewhere"))
    assert (plan.tap_name, plan.target_name) == ("vendor:sandbox", "somewhere")


def test_a_connector_is_read_from_or_written_to() -> None:
    reads = plan_job(flow(LINKED), JobRequest(connector_id="crm", job_type="read"))
    assert (reads.tap_name, reads.target_name, reads.side, reads.state_end) == ("tap-crm", "depot", "tap", "crm")
    writes = plan_job(flow(LINKED), JobRequest(connector_id="crm", job_type="write"))
    assert (writes.tap_name, writes.target_name, writes.side) == ("warehouse", "target-crm", "target")
    assert writes.state_end == "crm/warehouse"


def test_a_write_without_a_tap_takes_up_no_state() -> None:
    without = {name: value for name, value in LINKED.items() if name != "tap"}
    plan = plan_job(flow(without), JobRequest(connector_id="crm", job_type="write"))
    assert (plan.tap_name, plan.state_end) == ("api", None)


def test_a_connector_that_the_flow_does_not_have_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        plan_job(flow(LINKED), JobRequest(connector_id="shop", job_type="read"))
    anything = {"version": 2}
    assert plan_job(flow(anything), JobRequest(connector_id="shop", job_type="read")).tap_name == "shop"


def test_our_runner_reads_and_writes_only_what_a_connector_is_for() -> None:
    linked = {"version": 2, "runner": "singer", "target": TARGET, "connectors": {"crm": {"tap": TAP}}}
    with pytest.raises(InvalidInputError):
        plan_job(flow(linked), JobRequest(connector_id="crm", job_type="write"))
    only_written = {"version": 2, "runner": "singer", "connectors": {"crm": {"target": TARGET}}}
    assert base_plan(flow(only_written), "crm").job_type == "write"


def test_our_runner_reads_the_work_that_is_written_for_it() -> None:
    made = flow(SINGER)
    work = read_work(write_work(made, base_plan(made, None), LANE, org="acme", secret="acme/a/b"))
    assert work.tap is not None
    assert work.tap.requirement == "tap-ledgerly==1.2.0"
    assert work.script == "acme/scripts/etl/orders.py"
    assert work.about["TENANT"] == "cust-881"
    assert "k" not in str(work.model_dump()["tap"].values())


def test_configs_are_shown_by_the_names_of_their_members_only() -> None:
    made = flow(SINGER)
    configs = gather_configs(made, {})
    assert configs == {"tap": {"api_key": "k", "site": "x"}}
    body = write_body(made, configs)
    assert "'k'" not in str(body)
    assert show_body(body)["tap"]["config"] == {"api_key": "***", "site": "***"}
    assert show_body(body)["target"]["config"] is None
    assert read_body(body).tap == made.tap.model_copy(update={"config": None})  # type: ignore[union-attr]


def test_configs_that_are_not_sent_stay() -> None:
    kept = {"tap": {"api_key": "k", "site": "x"}, "target": {"gone": 1}}
    again = flow({**SINGER, "tap": {**TAP, "config": {"api_key": "***", "site": "y"}}})
    assert gather_configs(again, kept) == {"tap": {"api_key": "k", "site": "y"}, "target": {"gone": 1}}
    assert gather_configs(flow({"tap": {"name": "ledgerly"}}), kept) == {"tap": kept["tap"]}
    assert gather_configs(flow({"tap": {"name": "ledgerly", "config": {}}}), kept) == {"tap": {}}


@pytest.mark.parametrize(
    "document",
    [
        {"runner": "singer"},
        {"runner": "singer", "tap": {"name": "a"}},
        {"runner": "singer", "tap": {"name": "a", "package": "git+https://example.test/x.git"}},
        {"runner": "singer", "tap": {"name": "a", "package": "--index-url=http://example.test x"}},
        {"runner": "singer", "tap": {"name": "a", "package": "tap-a\n--pre"}},
        {"runner": "singer", "tap": {"name": "a", "package": "tap-a", "executable": "../../bin/sh"}},
        {"tap": {"name": "a/b"}},
        {"script": "../other/etl.py"},
        {"script": "/etl.py"},
        {"script": "etl.sh"},
        {"connectors": {"crm": {}}},
        {"version": 3},
        {"nobody": "knows"},
        {"timeout_seconds": 0},
    ],
)
def test_what_cannot_be_a_flow_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        flow(document)


@pytest.mark.parametrize("package", ["tap-a", "tap_a[s3,x]==1.2.3", "tap-a >= 1.0, < 2", "a~=1.0.*"])
def test_packages_are_named_as_pip_names_them(package: str) -> None:
    made = flow({"runner": "singer", "tap": {"name": "a", "package": package}})
    assert made.tap is not None
    assert made.tap.package == package
