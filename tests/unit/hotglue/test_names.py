"""Names in paths, and the roots that are made of them."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotglue.names import Lane, read_connector, read_environment, read_flow, read_lane, read_tenant
from hotglue.roots import TAKEN_IDS, draw_job_id, ledger_root, place_job, read_ledger_path
from jobruns.errors import InvalidInputError, NotFoundError

LANE = Lane("stage.acorn.example", "Kp3vWm-aQ", "cust-881")
TENANTS = st.text("aZ9_-.%ü:@+ ~", min_size=1, max_size=40).filter(lambda text: text not in (".", ".."))
TIMES = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone


@pytest.mark.parametrize(
    ("at", "folder"),
    [
        (datetime(2022, 1, 19, 3, tzinfo=UTC), "2022/01/4/19/03"),
        (datetime(2024, 7, 25, 14, tzinfo=UTC), "2024/07/4/25/14"),
        (datetime(2024, 10, 6, 0, tzinfo=UTC), "2024/10/1/06/00"),
        (datetime(2026, 3, 18, 7, tzinfo=UTC), "2026/03/4/18/07"),
    ],
)
def test_the_week_of_a_root_begins_with_monday(at: datetime, folder: str) -> None:
    assert place_job(LANE, "q7Zt_9", at) == f"cust-881/flows/Kp3vWm-aQ/jobs/{folder}/q7Zt_9"


@given(TENANTS, TIMES)
def test_a_root_that_was_made_is_read_as_one_of_its_lane(tenant: str, at: datetime) -> None:
    lane = read_lane(LANE.env_id, LANE.flow_id, read_tenant(tenant))
    job_id = draw_job_id()
    s3_root = place_job(lane, job_id, at)
    found = ledger_root(lane, s3_root)
    assert (found.scope, found.name, found.path) == (lane.scope, job_id, f"{LANE.env_id}/{s3_root}")
    assert re.fullmatch(r"\d{4}/\d\d/[1-6]/\d\d/\d\d/[A-Za-z0-9][\w-]{5}", s3_root.removeprefix(lane.folder), re.ASCII)


@given(st.text(max_size=60))
def test_no_other_text_is_a_root_of_a_lane(text: str) -> None:
    if re.fullmatch(r"(\d{4}/\d\d/\d/\d\d/\d\d/)?[\w-]{1,64}", text, re.ASCII):
        return
    for root in (text, LANE.folder + text, f"cust-882/flows/Kp3vWm-aQ/jobs/{text}"):
        with pytest.raises(NotFoundError):
            ledger_root(LANE, root)


def test_the_older_form_of_a_root_has_no_date() -> None:
    assert ledger_root(LANE, f"{LANE.folder}abc12").name == "abc12"


def test_ids_that_are_drawn_are_no_words_of_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = iter("tatus" + "s" + "bcdef" + "a")
    monkeypatch.setattr("hotglue.roots.secrets.choice", lambda alphabet: next(letters))
    assert "status" in TAKEN_IDS
    assert draw_job_id() == "abcdef"


@pytest.mark.parametrize("text", ["", "v2", "a/b", ".a", "a.", "-a", "a b", "a" * 101, "ä"])
def test_what_cannot_be_an_environment_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_environment(text)


@pytest.mark.parametrize("text", ["", "settings", "a.b", "a b", "a/b", "a" * 65])
def test_what_cannot_be_a_flow_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_flow(text)


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a?b", "a#b", "a\nb", "a\x00", "\ud800", "a\u202eb", "a" * 129])
def test_what_cannot_be_a_tenant_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_tenant(text)


@pytest.mark.parametrize("text", ["", "-a", "a/b", "a b", ".."])
def test_what_cannot_be_a_connector_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_connector(text)


@pytest.mark.parametrize("text", ["root_sub", "a b", "50% off", "müller", "a.b", "a:b@c"])
def test_tenants_are_called_what_customers_are_called(text: str) -> None:
    assert read_tenant(text) == text


def test_roots_of_the_ledgers_own_are_read() -> None:
    run_id = "01a1fdfa-460e-7e13-8939-9babfeca0fcf"
    assert read_ledger_path(f"ledger/a%2Fb/{run_id}") == ("a/b", run_id)
    for text in (f"ledger/a/b/{run_id}", f"ledger//{run_id}", "ledger/a/" + "-" * 36, f"ledger/%ff/{run_id}", "a"):
        assert read_ledger_path(text) is None
