"""Tags through the door, by ARNs that clients compose themselves."""

from collections.abc import Callable

import pytest

from tests.integration.glue.site import JOB, Site, refusal, written


@pytest.fixture(params=["job", "trigger"])
def arn(site: Site, request: pytest.FixtureRequest) -> str:
    """The ARN of a job or a trigger, whose names hold what ARNs are divided by."""
    name = "team/a:nightly job/x"
    if request.param == "job":
        site.job(name)
    else:
        site.client.create_trigger(Name=name, Type="ON_DEMAND", Actions=[{"JobName": JOB}])
    return f"arn:aws:glue:us-east-1:123456789012:{request.param}/{name}"


def tags(site: Site, arn: str) -> dict[str, str]:
    return dict(site.client.get_tags(ResourceArn=arn)["Tags"])


def test_tags_are_added_changed_and_taken_away(site: Site, arn: str) -> None:
    assert tags(site, arn) == {}
    for change, after in (
        ({"a": "1", "b": ""}, {"a": "1", "b": ""}),
        ({"b": "2", "ü 🚀": "x" * 256, "k" * 128: "3"}, {"a": "1", "b": "2", "ü 🚀": "x" * 256, "k" * 128: "3"}),
        ({}, {"a": "1", "b": "2", "ü 🚀": "x" * 256, "k" * 128: "3"}),
        (["a", "k" * 128, "never there"], {"b": "2", "ü 🚀": "x" * 256}),
        ([], {"b": "2", "ü 🚀": "x" * 256}),
        (["b", "ü 🚀"], {}),
    ):
        if isinstance(change, dict):
            answer = site.client.tag_resource(ResourceArn=arn, TagsToAdd=change)
        else:
            answer = site.client.untag_resource(ResourceArn=arn, TagsToRemove=change)
        assert set(answer) == {"ResponseMetadata"}
        assert tags(site, arn) == after


def test_neither_partition_nor_region_nor_account_is_looked_at(site: Site, arn: str) -> None:
    site.client.tag_resource(ResourceArn=arn, TagsToAdd={"a": "1"})
    kind_and_name = arn.split(":", 5)[5]
    for head in ("arn:aws-cn:glue:cn-north-1:1:", "arn:aws-us-gov:glue:::", "arn:aws:glue:eu-west-1::"):
        assert tags(site, head + kind_and_name) == {"a": "1"}


def test_arns_of_nothing(site: Site) -> None:
    site.job()
    for arn, code in (
        ("nightly", "ValidationException"),
        (f"arn:aws:s3:::job/{JOB}", "ValidationException"),
        ("x" * 10_241, "ValidationException"),
        ("arn:aws:glue:us-east-1:1", "InvalidInputException"),
        ("arn:aws:glue:us-east-1:1:job", "InvalidInputException"),
        ("arn:aws:glue:us-east-1:1:job/", "InvalidInputException"),
        (f"arn:aws:glue:us-east-1:job/{JOB}", "InvalidInputException"),
        (f"arn:aws:glue:us-east-1:1:crawler/{JOB}", "EntityNotFoundException"),
        (f"arn:aws:glue:us-east-1:1:trigger/{JOB}", "EntityNotFoundException"),
        ("arn:aws:glue:us-east-1:1:job/gone", "EntityNotFoundException"),
        ("arn:aws:glue:us-east-1:1:job/" + "x" * 10_000, "EntityNotFoundException"),
        ("arn:aws:glue:us-east-1:1:trigger/" + "🚀" * 256, "EntityNotFoundException"),
    ):
        for call, members in (
            (site.client.get_tags, {}),
            (site.client.tag_resource, {"TagsToAdd": {"a": "b"}}),
            (site.client.untag_resource, {"TagsToRemove": ["a"]}),
        ):
            refused, text = refusal(call, ResourceArn=arn, **members)
            assert refused == code, arn
            if code != "EntityNotFoundException":
                assert "esourceArn" in text


def test_how_many_and_how_long(site: Site, arn: str, calls: Callable[[], dict[str, int]]) -> None:
    site.client.tag_resource(ResourceArn=arn, TagsToAdd={f"{number}": "" for number in range(50)})
    calls()
    for members, code, member in (
        ({"TagsToAdd": {"one more": ""}}, "InvalidInputException", "50"),
        ({"TagsToAdd": {f"{number}": "x" for number in range(51)}}, "ValidationException", "tagsToAdd"),
        ({"TagsToAdd": {"k" * 129: "x"}}, "ValidationException", "tagsToAdd"),
        ({"TagsToAdd": {"k": "x" * 257}}, "ValidationException", "tagsToAdd"),
        ({"TagsToRemove": ["0"] * 51}, "ValidationException", "tagsToRemove"),
        ({"TagsToRemove": ["k" * 129]}, "ValidationException", "tagsToRemove"),
    ):
        call = site.client.tag_resource if "TagsToAdd" in members else site.client.untag_resource
        refused, text = refusal(call, ResourceArn=arn, **members)
        assert (refused, member in text) == (code, True), members
    assert written(calls()) == {}
    site.client.tag_resource(ResourceArn=arn, TagsToAdd={"0": "changed"})
    assert len(tags(site, arn)) == 50


def test_a_tag_changes_nothing_else(site: Site) -> None:
    site.job(Description="d", Tags={"a": "1"})
    was = site.client.get_job(JobName=JOB)["Job"]
    site.client.tag_resource(ResourceArn=f"arn:aws:glue:::job/{JOB}", TagsToAdd={"b": "2"})
    assert site.client.get_job(JobName=JOB)["Job"] == was
    site.client.update_job(JobName=JOB, JobUpdate={"Description": "other"})
    assert tags(site, f"arn:aws:glue:::job/{JOB}") == {"a": "1", "b": "2"}
    assert site.client.list_jobs(Tags={"b": "2"})["JobNames"] == [JOB]
