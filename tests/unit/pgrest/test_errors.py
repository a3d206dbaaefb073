"""Errors: every code has the status of the contract, and every path that is none its own error."""

from typing import Any

import pytest

from pgrest.errors import Code, RefusedError
from pgrest.jobs import JOBS
from pgrest.paths import find_relation

RELATIONS = {"jobs": JOBS}


@pytest.mark.parametrize(
    ("status", "codes"),
    [
        (400, "PGRST100 PGRST102 PGRST108 PGRST114 PGRST115 PGRST122 PGRST123 PGRST124 PGRST127 PGRST200 PGRST204"),
        (400, "21000 22001 22003 22007 22008 22009 22021 22023 22025 2201B 22P02 22P05"),
        (400, "23502 23514 428C9 42701 42703 42704 42804 42846 42P10 P0001"),
        (401, "PGRST301 PGRST302 PGRST303"),
        (403, "42501"),
        (404, "PGRST125 PGRST202 PGRST205 42883"),
        (405, "PGRST105 PGRST117"),
        (406, "PGRST106 PGRST107 PGRST116"),
        (409, "23505 23P01"),
        (413, "54000"),
        (416, "PGRST103"),
        (500, "PGRST300 57014 XX000"),
        (503, "PGRST001 40001"),
    ],
)
def test_a_code_has_its_status(status: int, codes: str) -> None:
    for code in codes.split():
        assert RefusedError(Code(code), "no").status == status


def test_an_error_has_all_four_keys_and_says_its_code_in_a_header() -> None:
    error = RefusedError(Code.TOKEN, "JWT cryptographic operation failed")
    assert error.document == {
        "code": "PGRST301",
        "message": "JWT cryptographic operation failed",
        "details": None,
        "hint": None,
    }
    assert error.headers == {"Proxy-Status": "PostgREST; error=PGRST301", "WWW-Authenticate": "Bearer"}
    other = RefusedError(Code.SYNTAX, "no", details="d", hint="h", headers={"X": "y"})
    assert other.headers == {"Proxy-Status": "PostgREST; error=PGRST100", "X": "y"}
    assert (other.document["details"], other.document["hint"]) == ("d", "h")


@pytest.mark.parametrize(
    ("path", "relation"), [("/", None), ("", None), ("/jobs", JOBS), ("jobs", JOBS), ("/%6aobs", JOBS)]
)
def test_a_path_names_a_relation_or_the_root(path: str, relation: Any) -> None:
    assert find_relation(path, RELATIONS) is relation


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/jobz", Code.NO_TABLE),
        ("/rpc", Code.NO_TABLE),
        ("/Jobs", Code.NO_TABLE),
        ("/jobs/5", Code.PATH),
        ("/jobs/", Code.PATH),
        ("//jobs", Code.PATH),
        ("/rpc/last_success", Code.NO_FUNCTION),
    ],
)
def test_a_path_that_names_nothing_is_refused(path: str, code: Code) -> None:
    with pytest.raises(RefusedError) as refusal:
        find_relation(path, RELATIONS)
    assert (refusal.value.code, refusal.value.status) == (code, 404)


def test_a_name_that_is_close_is_told() -> None:
    with pytest.raises(RefusedError) as refusal:
        find_relation("/jobz", RELATIONS)
    assert refusal.value.hint == "Perhaps you meant the table 'jobs'"
