"""Whose a job is: of another tenant, flow, environment or org it is not there."""

import pytest

from tests.integration.hotglue.door import EXTERNAL, Cloud, Door

OTHERS = [{"tenant": "cust-88"}, {"tenant": "cust-882"}, {"flow_id": "other"}, {"env_id": "other.example"}]


def asked(door: Door, root: str) -> dict[str, int]:
    """Ask for a job on every route that serves one."""
    jobs = f"{door.lane}/jobs"
    routes = {
        "poll": door.send("GET", f"{jobs}/status?job_root={root}"),
        "poll v2": door.send("GET", f"/v2{jobs}/status?job_root={root}"),
        "find": door.send("GET", f"{jobs}/{root.rpartition('/')[2]}"),
        "stop": door.send("DELETE", f"{jobs}?job_root={root}"),
        "kill": door.send("POST", f"{jobs}/kill", {"job_root": root}),
        "logs": door.send("GET", f"{jobs}/logs?job_root={root}"),
        "request": door.send("GET", f"{jobs}/request?job_root={root}"),
        "report": door.send("POST", f"{jobs}/events", {"s3_root": root, "status": "SYNC_STARTED"}),
    }
    return {name: answer.status for name, answer in routes.items()}


@pytest.mark.parametrize("names", OTHERS)
def test_a_job_of_another_lane_is_not_found_on_any_route(door: Door, names: dict[str, str]) -> None:
    other = door.at(**names)
    if "tenant" not in names:
        other.settle_in() if "env_id" in names else other.do(
            "PUT", f"/{other.env_id}/settings/flows/{other.flow_id}", EXTERNAL, 201
        )
    job = door.start()
    before = door.run(job)
    assert set(asked(other, job["s3_root"]).values()) == {404}
    assert other.do("GET", f"{other.lane}/jobs") == []
    assert other.do("GET", f"/{door.env_id}/jobs?tenant={other.tenant}x") == []
    assert door.run(job) == before


def test_a_root_in_the_words_of_another_lane_is_not_found(door: Door) -> None:
    job = door.start()
    other = door.at(tenant="cust-882")
    forged = job["s3_root"].replace("cust-881", "cust-882")
    assert set(asked(other, forged).values()) == {404}
    assert set(asked(other, f"../{job['s3_root']}").values()) == {404}


def test_a_job_of_another_org_is_not_found_though_all_names_are_the_same(cloud: Cloud, door: Door) -> None:
    job = door.start()
    stranger = cloud.open()
    answer = stranger.send("GET", f"{door.lane}/jobs")
    assert (answer.status, answer.kind) == (404, "not_found")
    stranger.settle_in()
    assert set(asked(stranger, job["s3_root"]).values()) == {404}
    assert stranger.do("GET", f"{door.lane}/jobs") == stranger.do("GET", f"/{door.env_id}/jobs") == []
    # By the root that the ledger itself would give it, neither.
    run = door.run(job)
    rooted = f"ledger/{run.job.replace('/', '%2F')}/{run.run_id}"
    for who in (stranger, door):
        quoted = rooted.replace("%", "%25")
        assert who.send("GET", f"{door.lane}/jobs/status?job_root={quoted}").status == 404


def test_states_are_a_tenants_own(door: Door) -> None:
    path = "linkedConnectors/state"
    door.do("PUT", f"{door.lane}/{path}", {"state": {"bookmarks": {"a": 1}}})
    other = door.at(tenant="cust-882")
    assert other.do("GET", f"{other.lane}/{path}")["state"] == {}
    other.do("DELETE", f"{other.lane}/{path}")
    assert door.do("GET", f"{door.lane}/{path}")["state"] == {"bookmarks": {"a": 1}}


def test_a_tenants_name_is_decoded_once(door: Door) -> None:
    percent = door.at(tenant="a%2541")
    job = percent.start()
    assert job["tenant"] == "a%41"
    plain = door.at(tenant="aA")
    assert plain.send("GET", f"{plain.lane}/jobs/status?job_root={job['s3_root']}").status == 404
    assert door.at(tenant="a%2Fb").send("GET", f"{door.at(tenant='a%2Fb').lane}/jobs").status == 404
    assert door.at(tenant="..").send("GET", f"{door.at(tenant='..').lane}/jobs").status == 400
