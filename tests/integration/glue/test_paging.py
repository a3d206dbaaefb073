"""Lists through the door: boto3's paginators walk them, also while they change."""

import base64
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.ids import job_run_id
from jobruns.job import Job
from jobruns.service.definitions import define_job
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.triggers import define_trigger
from tests.integration.doubles import Clock
from tests.integration.glue.client import Key, connect
from tests.integration.glue.site import JOB, Site, refusal

COUNT = 103
LISTS: dict[str, tuple[str, dict[str, str], int]] = {
    "get_jobs": ("Jobs", {}, 1000),
    "list_jobs": ("JobNames", {}, 1000),
    "get_job_runs": ("JobRuns", {"JobName": "j000"}, 200),
    "get_triggers": ("Triggers", {}, 200),
    "list_triggers": ("TriggerNames", {}, 200),
}
"""Each list with where it is in the answer, what else is asked, and the largest page."""


def names(entries: list[Any]) -> list[str]:
    return [entry if isinstance(entry, str) else entry.get("Name", entry.get("Id")) for entry in entries]


def pages(client: Any, operation: str, **members: Any) -> Iterator[list[str]]:
    key, given, _ = LISTS[operation]
    for page in client.get_paginator(operation).paginate(**given, **members):
        yield names(page[key])


def check_walk(client: Any, operation: str, size: int | None, expected: list[str]) -> None:
    walked = list(pages(client, operation, **({"MaxResults": size} if size else {})))
    assert [name for page in walked for name in page] == expected, (operation, size)
    effective = size or 100
    assert len(walked) == -(-len(expected) // effective), (operation, size)
    assert {len(page) for page in walked[:-1]} <= {effective}


def seed(site: Site, admin: Principal, count: int) -> dict[str, list[str]]:
    """Make so many of everything; give what each list is to have."""
    expected = [f"j{number:03d}" for number in range(count)]
    for name in expected:
        define_job(site.ports, admin, name=name, door="glue")
        define_trigger(site.ports, admin, name=name, type="ON_DEMAND", actions=[{"job": "j000"}], door="glue")
    started = [job_run_id(start_run(site.ports, admin, StartRequest("j000", "glue"))) for _ in range(count)][::-1]
    return {operation: started if operation == "get_job_runs" else expected for operation in LISTS}


def test_every_list_is_walked_by_every_size_of_page(site: Site, admin: Principal, clock: Clock) -> None:
    expected = seed(site, admin, COUNT)
    for operation, (_, _, largest) in LISTS.items():
        for size in (None, 30, COUNT - 1, COUNT, largest):
            check_walk(site.client, operation, size, expected[operation])
    # The size is each request's own: what follows a page of 1 is as long as it asks for.
    first = site.client.list_jobs(MaxResults=1)
    assert len(site.client.list_jobs(NextToken=first["NextToken"])["JobNames"]) == 100


def test_short_lists_are_walked_by_short_pages(site: Site, admin: Principal, clock: Clock) -> None:
    expected = seed(site, admin, 4)
    for operation in LISTS:
        for size in (1, 2, 3, 4, 5):
            check_walk(site.client, operation, size, expected[operation])


def test_a_size_out_of_range(site: Site) -> None:
    for operation, (_, given, largest) in LISTS.items():
        code, text = refusal(getattr(site.client, operation), **given, MaxResults=largest + 1)
        assert (code, "'maxResults'" in text) == ("ValidationException", True)


def test_empty_lists(site: Site) -> None:
    site.job()
    assert "NextToken" not in site.client.get_job_runs(JobName=JOB, NextToken="")
    site.client.delete_job(JobName=JOB)
    for operation, (key, given, _) in LISTS.items():
        if not given:
            answer = getattr(site.client, operation)(NextToken="")
            assert (answer[key], "NextToken" in answer) == ([], False)


def test_tokens_that_no_such_list_gave_out(site: Site, admin: Principal, key: Callable[..., Key]) -> None:
    seed(site, admin, 3)
    site.job("other")
    for _ in range(2):
        site.start("other")
    theirs = connect(key(Role.ADMIN, "globex"))
    for number in range(2):
        theirs.create_job(Name=f"j{number:03d}", Role="r", Command={"Name": "noop"}, ExecutionProperty={})
        theirs.create_trigger(Name=f"t{number}", Type="ON_DEMAND", Actions=[{"JobName": "j000"}])
    theirs.start_job_run(JobName="j000")
    theirs.update_job(JobName="j000", JobUpdate={"ExecutionProperty": {"MaxConcurrentRuns": 5}})
    theirs.start_job_run(JobName="j000")
    ours = {
        name: getattr(site.client, name)(**given, MaxResults=1)["NextToken"] for name, (_, given, _) in LISTS.items()
    }
    foreign = {name: getattr(theirs, name)(**given, MaxResults=1)["NextToken"] for name, (_, given, _) in LISTS.items()}
    of_other_job = site.client.get_job_runs(JobName="other", MaxResults=1)["NextToken"]

    def coded(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode()

    made_up = ["x", "é", "====", "🚀", coded("null"), coded("[]"), coded("{}"), coded("\n\n"), coded('{"pk": 1}')]
    made_up += [coded(text) for text in ("acme\njobs\n", f"acme\njobs\n{'x' * 2000}", "acme\ntriggers\n")]
    run_key = '{"pk":"ORG#acme#JOB#j000"'
    made_up += [coded(run_key + rest) for rest in ("}", ',"sk":"JOB"}', ',"sk":"RUN#1","more":"x"}', ',"sk":5}')]
    made_up += [coded(f'{run_key},"sk":"RUN#{"x" * 2000}"}}')]
    kin = ({"get_jobs", "list_jobs"}, {"get_triggers", "list_triggers"}, {"get_job_runs"})
    for name, (_, given, _) in LISTS.items():
        mine = next(group for group in kin if name in group)
        wrong = [*made_up, *foreign.values(), *(token for other, token in ours.items() if other not in mine)]
        for token in [*wrong, of_other_job, ours[name][:-8]]:
            code, text = refusal(getattr(site.client, name), **given, NextToken=token)
            assert (code, "token" in text.lower()) == ("InvalidInputException", True), (name, token)


def test_a_list_that_changes_while_it_is_walked(site: Site, admin: Principal, clock: Clock) -> None:
    expected = seed(site, admin, 6)
    walks = {operation: pages(site.client, operation, MaxResults=2) for operation in LISTS}
    seen = {operation: next(walk) for operation, walk in walks.items()}
    # The last that was seen goes, one goes that was not seen, one comes before and one behind.
    for name in ("j001", "j003"):
        site.client.delete_job(JobName=name)
        site.client.delete_trigger(Name=name)
    for name in ("j0000", "j0021"):
        define_job(site.ports, admin, name=name, door="glue")
        site.client.create_trigger(Name=name, Type="ON_DEMAND", Actions=[{"JobName": "j000"}])
    site.start("j000")
    for operation, walk in walks.items():
        seen[operation] += [name for page in walk for name in page]
    runs = seen.pop("get_job_runs")
    assert runs == expected["get_job_runs"]
    assert set(map(tuple, seen.values())) == {("j000", "j001", "j002", "j0021", "j004", "j005")}
    assert site.client.list_jobs()["JobNames"] == ["j000", "j0000", "j002", "j0021", "j004", "j005"]


def test_a_walk_by_tags_goes_past_pages_without_any(site: Site) -> None:
    for number in range(6):
        site.job(f"j{number}", Tags={"odd": "yes"} if number % 2 else {})
    walked = list(pages(site.client, "list_jobs", MaxResults=1, Tags={"odd": "yes"}))
    assert [name for page in walked for name in page] == ["j1", "j3", "j5"]


def test_a_page_ends_before_the_answer_is_too_large(site: Site, admin: Principal) -> None:
    large = {"--text": "x" * 250_000}
    for number in range(25):
        define_job(site.ports, admin, name=f"j{number:03d}", door="glue", arguments=large if number else {})
    for number in range(40):
        actions: Any = [{"JobName": "j000", "Arguments": {"--text": "x" * 140_000}}]
        site.client.create_trigger(Name=f"t{number:02d}", Type="ON_DEMAND", Actions=actions)
    wanted = {"JobNames": [f"j{number:03d}" for number in range(25)]}
    code, text = refusal(site.client.batch_get_jobs, **wanted)
    assert (code, text.startswith("JobNames: only 21 of these 25")) == ("InvalidInputException", True)
    assert len(site.client.batch_get_jobs(JobNames=wanted["JobNames"][:21])["Jobs"]) == 21
    code, text = refusal(site.client.batch_get_triggers, TriggerNames=[f"t{number:02d}" for number in range(40)])
    assert (code, text.startswith("TriggerNames: ")) == ("InvalidInputException", True)
    for _ in range(35):
        start_run(site.ports, admin, StartRequest("j000", "glue", arguments={"--text": "x" * 170_000}))
    for operation, count in (("get_jobs", 25), ("get_triggers", 40), ("get_job_runs", 35)):
        walked = list(pages(site.client, operation))
        assert [len(page) for page in walked] == [len(walked[0]), count - len(walked[0])]
        assert len({name for page in walked for name in page}) == count


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_is_read_than_is_shown(site: Site, admin: Principal, limit: int) -> None:
    for number in range(5):
        define_job(site.ports, admin, name=f"j{number}", door="glue")
    read: list[int] = []
    page = site.ports.jobs.page

    def note(org: str, **asked: Any) -> list[Job]:
        found = page(org, **asked)
        read.append(len(found))
        return found

    site.ports.jobs.page = note  # type: ignore[method-assign]
    list(islice(pages(site.client, "list_jobs", MaxResults=limit), 1))
    assert read == [limit + 1]
