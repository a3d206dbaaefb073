"""Which role may do what, and what an org sees of another: nothing."""

from collections.abc import Callable
from typing import Any

from glue.operations import OPERATIONS
from jobruns.access import Role
from tests.integration.glue.client import Key, connect
from tests.integration.glue.site import JOB, Site, refusal, written

ARN = f"arn:aws:glue:us-east-1:1:job/{JOB}"
CHAIN = {"Type": "CONDITIONAL", "Actions": [{"JobName": JOB}]}
CHAIN |= {"Predicate": {"Conditions": [{"LogicalOperator": "EQUALS", "JobName": JOB, "State": "FAILED"}]}}

# Each operation with the least of the roles, which are ranked, and a request that succeeds.
NEEDS: dict[str, tuple[Role, dict[str, Any]]] = {
    "GetJob": (Role.READER, {"JobName": JOB}),
    "GetJobs": (Role.READER, {}),
    "ListJobs": (Role.READER, {}),
    "BatchGetJobs": (Role.READER, {"JobNames": [JOB]}),
    "GetJobRun": (Role.READER, {"JobName": JOB, "RunId": "<run>"}),
    "GetJobRuns": (Role.READER, {"JobName": JOB}),
    "GetJobBookmark": (Role.READER, {"JobName": JOB}),
    "GetTrigger": (Role.READER, {"Name": "t"}),
    "GetTriggers": (Role.READER, {}),
    "ListTriggers": (Role.READER, {}),
    "BatchGetTriggers": (Role.READER, {"TriggerNames": ["t"]}),
    "GetTags": (Role.READER, {"ResourceArn": ARN}),
    "StartJobRun": (Role.REPORTER, {"JobName": JOB}),
    "StartTrigger": (Role.REPORTER, {"Name": "t"}),
    "StopTrigger": (Role.OPERATOR, {"Name": "t"}),
    "BatchStopJobRun": (Role.OPERATOR, {"JobName": JOB, "JobRunIds": ["<run>"]}),
    "ResetJobBookmark": (Role.OPERATOR, {"JobName": JOB}),
    "CreateJob": (Role.ADMIN, {"Name": "new", "Role": "r", "Command": {}}),
    "UpdateJob": (Role.ADMIN, {"JobName": JOB, "JobUpdate": {"ExecutionProperty": {"MaxConcurrentRuns": 100}}}),
    "TagResource": (Role.ADMIN, {"ResourceArn": ARN, "TagsToAdd": {"a": "b"}}),
    "UntagResource": (Role.ADMIN, {"ResourceArn": ARN, "TagsToRemove": ["a"]}),
    "CreateTrigger": (Role.ADMIN, {"Name": "new", **CHAIN}),
    "UpdateTrigger": (Role.ADMIN, {"Name": "t", "TriggerUpdate": {"Predicate": CHAIN["Predicate"]}}),
    "DeleteTrigger": (Role.ADMIN, {"Name": "t"}),
    "DeleteJob": (Role.ADMIN, {"JobName": JOB}),
}
RANKS = [Role.READER, Role.REPORTER, Role.OPERATOR, Role.ADMIN]


def seed(site: Site) -> str:
    """Make what the requests are about; give the id of a run."""
    site.job()
    site.client.create_trigger(Name="t", **CHAIN)  # type: ignore[arg-type]
    site.work(site.start(Arguments={"--job-bookmark-option": "job-bookmark-enable"}))
    return site.start()


def ask(client: Any, operation: str, run_id: str, request: dict[str, Any]) -> dict[str, Any]:
    names = {api: method for method, api in client.meta.method_to_api_mapping.items()}
    filled = {name: {"<run>": run_id}.get(str(value), value) for name, value in request.items()}
    if "JobRunIds" in filled:
        filled["JobRunIds"] = [run_id]
    answer: dict[str, Any] = getattr(client, names[operation])(**filled)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_every_operation_has_its_role(site: Site, key: Callable[..., Key], calls: Callable[[], dict[str, int]]) -> None:
    assert NEEDS.keys() == OPERATIONS.keys()
    run_id = seed(site)
    for role in RANKS:
        client = site.client if role is Role.ADMIN else connect(key(role))
        for operation, (least, request) in NEEDS.items():
            if RANKS.index(role) >= RANKS.index(least):
                ask(client, operation, run_id, request)
                continue
            calls()
            code, text = refusal(ask, client=client, operation=operation, run_id=run_id, request=request)
            assert (code, f"the role {role}" in text) == ("AccessDeniedException", True), (role, operation)
            assert written(calls()) == {}, (role, operation)


def test_what_is_not_there_is_refused_to_who_may_not_change_it(site: Site, key: Callable[..., Key]) -> None:
    reader = connect(key(Role.READER))
    for call, members in (
        (reader.delete_job, {"JobName": "gone"}),
        (reader.update_job, {"JobName": "gone", "JobUpdate": {}}),
        (reader.delete_trigger, {"Name": "gone"}),
        (reader.start_job_run, {"JobName": "gone"}),
    ):
        assert refusal(call, **members)[0] == "AccessDeniedException"


def test_another_org_sees_and_changes_nothing(site: Site, key: Callable[..., Key]) -> None:
    run_id = seed(site)
    before = snapshot(site)
    client = connect(key(Role.ADMIN, "globex"))
    empty: dict[str, Any] = {
        "GetJobs": {"Jobs": []},
        "ListJobs": {"JobNames": []},
        "BatchGetJobs": {"Jobs": [], "JobsNotFound": [JOB]},
        "GetTriggers": {"Triggers": []},
        "ListTriggers": {"TriggerNames": []},
        "BatchGetTriggers": {"Triggers": [], "TriggersNotFound": ["t"]},
        "CreateJob": {"Name": "new"},
        "CreateTrigger": {"Name": "new"},
        "DeleteJob": {"JobName": JOB},
        "DeleteTrigger": {"Name": "t"},
    }
    for operation, (_, request) in NEEDS.items():
        if operation in ("CreateJob", "CreateTrigger"):
            continue
        if operation == "BatchStopJobRun":
            [error] = ask(client, operation, run_id, request)["Errors"]
            assert error["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"
        elif operation in empty:
            assert ask(client, operation, run_id, request) == empty[operation]
        else:
            refused = refusal(ask, client=client, operation=operation, run_id=run_id, request=request)
            assert refused[0] == "EntityNotFoundException", operation
    for operation in ("CreateJob", "CreateTrigger"):
        assert ask(client, operation, run_id, NEEDS[operation][1]) == empty[operation]
    client.create_job(Name=JOB, Role="theirs", Command={})
    theirs = client.start_job_run(JobName=JOB)["JobRunId"]
    assert refusal(site.client.get_job_run, JobName=JOB, RunId=theirs)[0] == "EntityNotFoundException"
    assert snapshot(site) == before


def snapshot(site: Site) -> list[Any]:
    return [
        site.client.get_jobs()["Jobs"],
        site.client.get_triggers()["Triggers"],
        site.runs(),
        site.client.get_job_bookmark(JobName=JOB)["JobBookmarkEntry"],
        site.client.get_tags(ResourceArn=ARN)["Tags"],
    ]
