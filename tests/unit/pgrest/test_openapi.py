"""The root's description is a valid one, and is of the relations that are served."""

from dataclasses import replace

from openapi_spec_validator import OpenAPIV2SpecValidator

from jobruns.run import RunState
from pgrest.jobs import JOBS
from pgrest.openapi import describe_relations
from pgrest.runs import RUNS
from tests.unit.pgrest.queries import THINGS

DESCRIBED = describe_relations(
    [JOBS, replace(THINGS, writable=False)], title="Jobruns", version="1", base_path="/postgrest"
)


def test_the_description_is_valid() -> None:
    OpenAPIV2SpecValidator(DESCRIBED).validate()


def test_jobs_is_described_with_its_columns_key_and_required_ones() -> None:
    jobs = DESCRIBED["definitions"]["jobs"]
    assert list(jobs["properties"]) == [column.name for column in JOBS.columns]
    assert jobs["required"] == ["id", "name", "start_date", "status", "source", "destination"]
    formats = {name: described["format"] for name, described in jobs["properties"].items()}
    assert (formats["id"], formats["name"], formats["end_date"]) == ("int32", "text", "timestamp with time zone")
    assert "<pk/>" in jobs["properties"]["id"]["description"]
    assert jobs["properties"]["status"]["enum"] == ["in_progress", "success", "error"]


def test_runs_are_described_to_be_read_only() -> None:
    described = describe_relations([RUNS], title="Jobruns", version="1", base_path="/postgrest")
    OpenAPIV2SpecValidator(described).validate()
    assert set(described["paths"]["/runs"]) == {"get"}
    properties = described["definitions"]["runs"]["properties"]
    assert (properties["id"]["format"], properties["metrics"]["format"]) == ("int64", "jsonb")
    assert "<pk/>" in properties["run_id"]["description"]
    assert properties["state"]["enum"] == list(RunState)


def test_paths_are_described_with_the_verbs_they_serve() -> None:
    assert {path: set(verbs) for path, verbs in DESCRIBED["paths"].items()} == {
        "/": {"get"},
        "/jobs": {"get", "post", "patch", "delete"},
        "/things": {"get"},
    }
    assert all(f"rowFilter.jobs.{column.name}" in DESCRIBED["parameters"] for column in JOBS.columns)
