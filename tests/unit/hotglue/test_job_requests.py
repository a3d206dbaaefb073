"""Bodies of requests for jobs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotglue.job_requests import JobRequest, read_job_request
from jobruns.errors import InvalidInputError
from jobruns.strict_json import read_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
MEMBERS = st.dictionaries(st.sampled_from([*JobRequest.model_fields, "source_fields"]), JSON, max_size=6)


@given(MEMBERS, st.sampled_from([1, 2]))
def test_any_body_is_read_or_refused(body: dict[str, Any], version: int) -> None:
    try:
        request = read_job_request(read_object(json.dumps(body).encode()), version)
    except InvalidInputError:
        return
    json.dumps(request.payload, allow_nan=False)
    assert (request.connector_id is None) == (version == 1)


def test_members_that_nobody_knows_are_dropped() -> None:
    assert read_job_request({"source_fields": {"a": 1}, "state": {"Invoice": []}}, 1).payload == {
        "state": {"Invoice": []}
    }


@pytest.mark.parametrize("job_type", ["READ", "read", "Write"])
def test_the_type_of_a_job_is_read_in_any_case(job_type: str) -> None:
    assert read_job_request({"connector_id": "crm", "job_type": job_type}, 2).job_type == job_type.lower()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"job_type": "read"}, "connector_id"),
        ({"connector_id": "crm"}, "job_type"),
        ({"connector_id": "crm", "job_type": "delete"}, "job_type"),
        ({"connector_id": "../crm", "job_type": "read"}, "connector_id"),
    ],
)
def test_version_2_needs_a_connector_and_a_type(body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        read_job_request(body, 2)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    "body",
    [
        {"state": []},
        {"state": "x"},
        {"override_start_date": "yesterday"},
        {"override_end_date": "2026-13-01"},
        {"override_selected_tables": [1]},
        {"override_source_config": "x"},
        {"environment_variables": {"A": 1}},
        {"reset_source_state": "perhaps"},
        {"job_name": "a\nb"},
        {"override_lifecycle_webhook": {"secret_ref": "x"}},
        {"tap": "a b"},
    ],
)
def test_what_cannot_be_read_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        read_job_request(body, 1)
    assert (refusal.value.field or "").partition(".")[0] in body


@pytest.mark.parametrize(
    "date", ["2026-01-31", "2026-01-31T05:06:07", "2026-01-31T05:06:07Z", "2026-01-31T05:06+02:00"]
)
def test_dates_are_kept_as_they_are_said(date: str) -> None:
    assert read_job_request({"override_start_date": date}, 1).override_start_date == date


@pytest.mark.parametrize("said", [{"A": True, "B": True}, ["A", "B"]])
def test_tables_are_selected_by_names_either_way(said: Any) -> None:
    assert read_job_request({"override_selected_tables": said}, 1).override_selected_tables == {"A": True, "B": True}


def test_nothing_secret_is_told_by_a_complaint() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        read_job_request({"override_source_config": "s3cret", "environment_variables": {"A": ["s3cret"]}}, 1)
    assert "s3cret" not in refusal.value.message
