"""Every row of the table of errors: what is asked, and the status and code that it is answered with.

The contract's rows come first, in its order; then what is this door's own. Whatever is refused has changed nothing.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pynamodb.exceptions import QueryError

from jobruns.access import AccessKey, Role, issue_token
from jobruns.errors import CommitInProgressError, NotFoundError, StaleWriteError, UnavailableError
from pgrest import admission, app, reads
from tests.integration.pgrest.door import MASTER, PLACES, Cloud, Door, ago, call, cloud, http_event, refused
from tests.unit.pgrest.test_fuzz import queries

__all__ = ["cloud"]

ROW = {"name": "etl", **PLACES}
ONE = "application/vnd.pgrst.object+json"


class Case(NamedTuple):
    """A request with an admin's key that is refused."""

    status: int
    code: str
    verb: str
    target: str
    rows: Any = None
    headers: Mapping[str, str] = MappingProxyType({})


CASES = [
    # bad filter / order / select / logic syntax
    Case(400, "PGRST100", "GET", "/jobs?name=nightly"),
    Case(400, "PGRST100", "GET", "/jobs?name=equals.nightly"),
    Case(400, "PGRST100", "GET", "/jobs?order=id.down"),
    Case(400, "PGRST100", "GET", "/jobs?select=id,"),
    Case(400, "PGRST100", "GET", "/jobs?or=()"),
    Case(400, "PGRST100", "GET", "/jobs?and=(id.eq.1"),
    Case(400, "PGRST100", "GET", "/jobs?page=2"),
    Case(400, "PGRST100", "GET", "/jobs?limit=ten"),
    Case(400, "PGRST100", "GET", "/jobs?offset=1&offset=2"),
    Case(400, "PGRST100", "GET", "/jobs?select=id&select=name"),
    Case(400, "PGRST100", "GET", "/jobs?id"),
    Case(400, "PGRST100", "GET", "/?select=id"),
    # bad or empty body, unequal keys, bad content type
    Case(400, "PGRST102", "POST", "/jobs"),
    Case(400, "PGRST102", "POST", "/jobs", b"{"),
    Case(400, "PGRST102", "POST", "/jobs", b"12"),
    Case(400, "PGRST102", "PATCH", "/jobs?id=eq.1", b"\xff"),
    Case(400, "PGRST102", "POST", "/jobs", [ROW, {**ROW, "message": "m"}]),
    Case(400, "PGRST102", "POST", "/jobs", b"a,b\n1\n", {"content-type": "text/csv"}),
    Case(400, "PGRST102", "POST", "/jobs", b"<row/>", {"content-type": "application/xml"}),
    # range problems
    Case(416, "PGRST103", "GET", "/jobs", None, {"range": "5-4"}),
    Case(416, "PGRST103", "GET", "/jobs?limit=-1"),
    Case(416, "PGRST103", "GET", "/jobs?offset=99", None, {"prefer": "count=exact"}),
    # unknown profile / no acceptable media type
    Case(406, "PGRST106", "GET", "/jobs", None, {"accept-profile": "private"}),
    Case(406, "PGRST106", "POST", "/jobs", ROW, {"content-profile": "private"}),
    Case(406, "PGRST107", "GET", "/jobs", None, {"accept": "application/xml"}),
    Case(406, "PGRST107", "POST", "/jobs", ROW, {"accept": "application/vnd.pgrst.plan+json"}),
    Case(406, "PGRST107", "GET", "/", None, {"accept": "text/csv"}),
    # not exactly one row
    Case(406, "PGRST116", "GET", "/jobs", None, {"accept": ONE}),
    Case(406, "PGRST116", "POST", "/jobs", [ROW, ROW], {"accept": ONE}),
    Case(406, "PGRST116", "PATCH", "/jobs?id=gt.0", {"message": "m"}, {"accept": ONE}),
    Case(406, "PGRST116", "DELETE", "/jobs?id=gt.99", None, {"accept": ONE}),
    # verb
    Case(405, "PGRST117", "TRACE", "/jobs"),
    Case(405, "PGRST117", "POST", "/runs", ROW),
    Case(405, "PGRST117", "POST", "/", ROW),
    # strict preferences / aggregates / max-affected
    Case(400, "PGRST122", "GET", "/jobs", None, {"prefer": "handling=strict, sort=fast"}),
    Case(400, "PGRST123", "GET", "/jobs?select=records_processed.sum()"),
    Case(400, "PGRST123", "GET", "/jobs?select=count()"),
    Case(400, "PGRST124", "DELETE", "/jobs?id=gt.0", None, {"prefer": "handling=strict,max-affected=1"}),
    # path / known but unsupported feature
    Case(404, "PGRST125", "GET", "/jobs/5"),
    Case(400, "PGRST127", "GET", "/jobs?message=fts.word"),
    Case(400, "PGRST127", "GET", "/jobs?select=id::bigint"),
    Case(400, "PGRST127", "PATCH", "/jobs?id=gt.0&limit=1", {"message": "m"}),
    Case(400, "PGRST127", "DELETE", "/jobs?id=gt.0&offset=1"),
    Case(400, "PGRST127", "PATCH", "/jobs?id=eq.1", {"name": "another"}),
    Case(400, "PGRST127", "POST", "/jobs?id=eq.1", ROW),
    # embedding / function / body-or-columns column / table unknown
    Case(400, "PGRST200", "GET", "/jobs?select=id,runs(id)"),
    Case(404, "PGRST202", "POST", "/rpc/last_success", {}),
    Case(400, "PGRST204", "POST", "/jobs", {**ROW, "priority": 1}),
    Case(400, "PGRST204", "PATCH", "/jobs?id=eq.1", {"priority": 1}),
    Case(400, "PGRST204", "POST", "/jobs?columns=name,priority", ROW),
    Case(404, "PGRST205", "GET", "/jobz"),
    # a key that is unknown, or none
    Case(401, "PGRST301", "GET", "/jobs", None, {"authorization": "Bearer None"}),
    Case(401, "PGRST301", "GET", "/jobs", None, {"authorization": "Bearer a.b.c"}),
    Case(401, "PGRST301", "GET", "/jobs", None, {"authorization": "Bearer JRAKNOBODY.secret"}),
    Case(401, "PGRST301", "GET", "/jobs", None, {"authorization": "Bearer "}),
    Case(401, "PGRST301", "GET", "/jobs", None, {"authorization": "Basic nonsense"}),
    Case(401, "PGRST302", "GET", "/jobs", None, {"authorization": "Digest a=b"}),
    Case(401, "PGRST302", "GET", "/jobz", None, {"authorization": ""}),
    # unknown column in filter, select, order
    Case(400, "42703", "GET", "/jobs?page=eq.2"),
    Case(400, "42703", "GET", "/jobs?select=page"),
    Case(400, "42703", "GET", "/jobs?order=page"),
    Case(400, "42703", "DELETE", "/jobs?page=eq.2"),
    # bad integer / out of range / bad timestamp / date field out of range
    Case(400, "22P02", "GET", "/jobs?id=eq.five"),
    Case(400, "22P02", "POST", "/jobs", {**ROW, "records_processed": 1.5}),
    Case(400, "22003", "GET", "/jobs?id=eq.3000000000"),
    Case(400, "22003", "POST", "/jobs", {**ROW, "records_processed": 3000000000}),
    Case(400, "22007", "GET", "/jobs?start_date=gt.2018-06-17T17:18:53+00:00"),
    Case(400, "22007", "POST", "/jobs", {**ROW, "start_date": "now"}),
    Case(400, "22008", "GET", "/jobs?start_date=gt.2018-13-01"),
    # NOT NULL / duplicate id / check (status)
    Case(400, "23502", "POST", "/jobs", {}),
    Case(400, "23502", "POST", "/jobs", {**ROW, "start_date": None}),
    Case(400, "23502", "PATCH", "/jobs?id=eq.1", {"status": None}),
    Case(409, "23505", "POST", "/jobs", {**ROW, "id": 1}),
    Case(400, "23514", "POST", "/jobs", {**ROW, "status": "done"}),
    Case(400, "23502", "POST", "/jobs", {"name": "etl", "status": "done"}),
    # operator not defined for the type
    Case(404, "42883", "GET", "/jobs?id=like.1*"),
    Case(404, "42883", "GET", "/jobs?select=message->code"),
    Case(400, "42804", "GET", "/jobs?status=is.true"),
    # PATCH or DELETE without any filter
    Case(400, "21000", "PATCH", "/jobs", {"message": "m"}),
    Case(400, "21000", "DELETE", "/jobs"),
    Case(400, "21000", "DELETE", "/jobs?select=id&order=id", {}),
    # our own, and the reference's that its table leaves out
    Case(400, "PGRST108", "GET", "/jobs?runs.order=id"),
    Case(405, "PGRST105", "PUT", "/jobs?name=eq.etl", {**ROW, "id": 1}),
    Case(400, "PGRST114", "PUT", "/jobs?id=eq.1&limit=1", {**ROW, "id": 1}),
    Case(400, "PGRST115", "PUT", "/jobs?id=eq.1", {**ROW, "id": 2}),
    Case(400, "22001", "POST", "/jobs", {**ROW, "message": "m" * 32769}),
    Case(400, "22021", "GET", "/jobs?name=eq.%ff"),
    Case(400, "22023", "GET", "/jobs", None, {"prefer": "timezone=Mars/Base"}),
    Case(400, "22023", "POST", "/jobs", ROW, {"idempotency-key": ""}),
    Case(400, "22P05", "POST", "/jobs", {**ROW, "message": "\0"}),
    Case(400, "2201B", "GET", "/jobs?name=match.("),
    Case(400, "22P02", "POST", "/jobs", ROW, {"jobruns-counts": "perhaps"}),
    Case(400, "23514", "POST", "/jobs", {**ROW, "name": "a+b"}),
    Case(400, "428C9", "POST", "/jobs", {**ROW, "id": 99}),
    Case(400, "42701", "GET", "/jobs?select=a:id,a:name"),
    Case(400, "42704", "GET", "/jobs?select=id::colour"),
    Case(400, "42846", "GET", "/jobs?select=id::date"),
    Case(400, "42P10", "POST", "/jobs?on_conflict=name", ROW),
    Case(413, "54000", "POST", "/jobs", [ROW] * 1001),
    Case(400, "P0001", "PATCH", "/jobs?id=eq.1", {"status": "in_progress"}),
    Case(400, "P0001", "DELETE", "/jobs?id=gt.0"),
]


@pytest.fixture(scope="module")
def door(cloud: Cloud) -> Door:
    door = cloud.open()
    door.add(
        {"name": "etl", "status": "success", "start_date": ago(2), "end_date": ago(1)},
        {"name": "etl", "status": "error", "message": "12"},
        {"name": "other", "start_date": ago(3)},
    )
    return door


@pytest.mark.parametrize("code", list(dict.fromkeys(case.code for case in CASES)))
def test_a_request_is_refused_with_its_code(code: str, door: Door) -> None:
    before = door.rows()
    for case in (case for case in CASES if case.code == code):
        answer = door(case.verb, case.target, case.rows, **case.headers)
        assert (answer.status, answer.code) == (case.status, code), (case, answer.text)
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert (answer.headers.get("WWW-Authenticate") == "Bearer") == (case.status == 401)
        assert answer.json["message"]
    assert door.rows() == before


def test_a_request_without_any_key_is_told_so(door: Door) -> None:
    answer = refused(call(http_event("GET", "/postgrest/jobs")), 401, "PGRST302")
    assert "Bearer" in answer.json["message"]


def test_a_token_that_was_good_once_is_told_apart(cloud: Cloud, door: Door) -> None:
    key = cloud.store.access_keys.get(door.principal.name)
    assert key is not None
    old = issue_token(MASTER, key, cloud.clock() - timedelta(days=3))
    refused(door("GET", "/jobs", authorization=f"Bearer {old}"), 401, "PGRST303")
    fresh = issue_token(MASTER, key, cloud.clock())
    assert door("GET", "/jobs", authorization=f"Bearer {fresh}").status == 200


def test_a_key_that_may_not_do_this_is_forbidden_it(cloud: Cloud, door: Door) -> None:
    reader = cloud.open(Role.READER, door.principal.org)
    for verb, target in (("POST", "/jobs"), ("PATCH", "/jobs?id=eq.1"), ("DELETE", "/jobs?id=eq.1")):
        refused(reader(verb, target, ROW), 403, "42501")


def test_a_service_without_its_secret_says_so(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise GetParameterError("no such secret")

    authenticator = admission.load_authenticator()
    monkeypatch.setattr(authenticator, "_master", fail)
    refused(door("GET", "/jobs"), 500, "PGRST300")


def test_a_query_that_would_read_too_much_is_refused_with_a_hint(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MAX_EXAMINED", 2)
    for target in ("/jobs?message=like.*1*&order=message", "/runs?message=like.*1*&order=message"):
        answer = refused(door("GET", target), 500, "57014")
        assert answer.json["hint"]
    refused(door("PATCH", "/jobs?message=like.*1*", {"message": "m"}), 500, "57014")


def throttle(*arguments: Any, **options: Any) -> Any:
    response: Any = {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow down"}}
    raise QueryError(cause=ClientError(response, "Query"))


def time_out(*arguments: Any, **options: Any) -> Any:
    raise QueryError(cause=ReadTimeoutError(endpoint_url="https://dynamodb.example.test"))


def fail_to_answer(*arguments: Any, **options: Any) -> Any:
    raise UnavailableError("busy; try again")


def lose(*arguments: Any, **options: Any) -> Any:
    raise StaleWriteError("others were faster; try again")


def commit(*arguments: Any, **options: Any) -> Any:
    raise CommitInProgressError("ask again")


def vanish(*arguments: Any, **options: Any) -> Any:
    raise NotFoundError("the run is gone")


def break_down(*arguments: Any, **options: Any) -> Any:
    raise KeyError("secret")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (throttle, 503, "PGRST001"),
        (time_out, 503, "PGRST001"),
        (fail_to_answer, 503, "PGRST001"),
        (lose, 503, "40001"),
        (commit, 409, "23P01"),
        (vanish, 409, "23P01"),
        (break_down, 500, "XX000"),
    ],
)
def test_what_fails_behind_the_door_has_a_code_too(
    fault: Any, status: int, code: str, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app._VERBS, "GET", fault)
    answer = refused(door("GET", "/jobs"), status, code)
    assert "secret" not in answer.text


def test_a_body_that_is_not_what_the_event_says_is_refused(door: Door) -> None:
    event = http_event("POST", "/postgrest/jobs", b"{}", {"authorization": f"Bearer {door.token}"})
    refused(call({**event, "isBase64Encoded": True, "body": "{"}), 400, "PGRST102")


def test_what_is_wrong_is_told_in_one_order(door: Door) -> None:
    """The key before the path, the path before the profile, that before the query, and the body after it."""
    headers = {"accept_profile": "private", "content_profile": "private"}
    assert door("GET", "/jobz/1?x", None, authorization="", **headers).code == "PGRST302"
    assert door("GET", "/jobz/1?x", None, **headers).code == "PGRST125"
    assert door("GET", "/jobs?x", None, **headers).code == "PGRST106"
    assert door("POST", "/jobs?x", b"{").code == "PGRST100"
    assert door("POST", "/jobs?select=page", b"{").code == "PGRST102"
    assert door("POST", "/jobs?select=page", {**ROW, "priority": 1}).code == "PGRST204"
    assert door("POST", "/jobs?select=page", {"name": None, "start_date": "now"}).code == "42703"
    assert door("POST", "/jobs", {"name": None, "start_date": "now"}).code == "22007"
    assert door("POST", "/jobs", {**ROW, "name": None, "status": "done"}).code == "23502"


def ask(door: Door, verb: str, relation: str, raw: str) -> None:
    """Send a query, and expect an answer or a refusal that puts it on the request."""
    # What is sent is bytes: whoever calls encodes what no URL can have.
    encoded = raw.encode("utf-8", "surrogatepass").decode("latin-1").replace("#", "%23").replace("?", "%3F")
    body = {"POST": [], "PATCH": {"message": "12"}}.get(verb)
    event = http_event(verb, f"/postgrest/{relation}", None if body is None else repr(body).replace("'", '"').encode())
    event["rawQueryString"] = encoded
    event["headers"] |= {"authorization": f"Bearer {door.token}", "content-type": "application/json"}
    answer = call(event)
    assert answer.status < 500, answer.text
    assert (answer.status < 400) == (answer.code is None)


verbs = st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "PATCH"])
relations = st.sampled_from(["jobs", "jobs", "runs"])


@given(verbs, relations, queries)
@settings(max_examples=300, deadline=None)
@example("PATCH", "jobs", "id=gt.0")
@example("GET", "jobs", "name=like.*" + "%25a" * 500)
def test_no_query_breaks_the_door(door: Door, verb: str, relation: str, raw: str) -> None:
    ask(door, verb, relation, raw)


@pytest.mark.slow
@given(verbs, relations, queries)
@settings(max_examples=20_000, deadline=None)
def test_none_of_twenty_thousand_queries_breaks_the_door(door: Door, verb: str, relation: str, raw: str) -> None:
    ask(door, verb, relation, raw)


def test_a_key_without_any_right_is_no_key(cloud: Cloud) -> None:
    revoked = cloud.open()
    key = cloud.store.access_keys.get(revoked.principal.name)
    assert isinstance(key, AccessKey)
    cloud.store.access_keys.revoke(key.key_id, cloud.clock())
    refused(revoked("GET", "/jobs"), 401, "PGRST301")
