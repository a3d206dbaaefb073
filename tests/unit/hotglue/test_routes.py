"""Which path is served by what."""

import pytest

from hotglue import routes
from hotglue.routes import ROUTES, find_route

LANE = ("stage.acorn.example", "Kp3vWm-aQ", "cust-881")
JOBS = (*LANE, "jobs")


@pytest.mark.parametrize(
    ("verb", "path", "serve"),
    [
        ("POST", JOBS, routes._create),
        ("POST", ("v2", *JOBS), routes._create),
        ("GET", (*JOBS, "status"), routes._poll),
        ("GET", ("v2", *JOBS, "status"), routes._poll),
        ("GET", (*JOBS, "q7Zt_9"), routes._find),
        ("DELETE", JOBS, routes._stop),
        ("POST", (*JOBS, "kill"), routes._kill),
        ("POST", (*JOBS, "events"), routes._report),
        ("GET", (*JOBS, "logs"), routes._logs),
        ("GET", ("stage.acorn.example", "jobs"), routes._search),
        ("PUT", ("v2", *LANE, "linkedConnectors", "state"), routes._put_state),
        ("GET", ("e", "settings", "webhooks", "jobs"), routes._show_webhook),
        ("GET", ("e", "settings", "flows", "jobs"), routes._show_flow),
        ("POST", ("e", "settings", "webhooks", "discover", "deliveries", "d", "replay"), routes._replay),
        ("HEAD", (*JOBS, "status"), routes._poll),
    ],
)
def test_paths_lead_to_what_serves_them(verb: str, path: tuple[str, ...], serve: routes.Serve) -> None:
    found = find_route(verb, path)
    assert found.serve is serve
    assert found.version == (2 if path[0] == "v2" else 1)


def test_names_are_taken_out_of_paths() -> None:
    assert find_route("GET", (*JOBS, "q7Zt_9")).names == {
        "ENV": "stage.acorn.example", "FLOW": "Kp3vWm-aQ", "TENANT": "cust-881", "JOB": "q7Zt_9"
    }  # fmt: skip


@pytest.mark.parametrize("path", [(), ("v2",), ("e", "nothing"), ("v2", "e", "settings"), (*JOBS, "a", "b"), ("e",)])
def test_other_paths_lead_nowhere(path: tuple[str, ...]) -> None:
    found = find_route("GET", path)
    assert (found.serve, found.allowed) == (None, ())


def test_a_path_knows_its_methods() -> None:
    assert find_route("PATCH", JOBS).allowed == ("DELETE", "GET", "HEAD", "OPTIONS", "POST")
    # A word in its place is no job's id.
    assert find_route("GET", (*JOBS, "kill")).allowed == ("OPTIONS", "POST")


def test_every_route_is_reached_by_some_path() -> None:
    for route in ROUTES:
        path = tuple("x" if part.isupper() else part for part in route.pattern)
        assert find_route(route.verb, path).serve is route.serve
