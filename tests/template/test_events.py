"""What happens to runs goes on from the ledger's stream to the bus, and from there to whoever is to be told of it."""

import json
from typing import Any

from moto.events.models import EventPattern

from jobruns.delivery import LEASE_SECONDS
from jobruns.notices import Notice, NoticeKind
from jobruns.outbound import POST_SECONDS
from jobruns.run import RunState
from jobruns.store.run_items import write_run
from jobruns_events.cloud_events import cloud_event, for_bus
from jobruns_events.job_state_change import glue_event
from tests.template.reading import ROOT, Resources
from tests.unit.core.runs import NOW, make_run


def mapping(expanded: Resources) -> dict[str, Any]:
    properties: dict[str, Any] = expanded["PublishFunctionRuns"]["Properties"]
    return properties


def test_the_stream_is_followed_in_order_and_what_fails_comes_again_for_hours(expanded: Resources) -> None:
    properties = mapping(expanded)
    assert properties["EventSourceArn"] == {"Fn::GetAtt": ["LedgerTable", "StreamArn"]}
    assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert properties["StartingPosition"] == "TRIM_HORIZON"
    assert properties["MaximumRetryAttempts"] == -1
    # The stream forgets after a day; whoever finds the letter in the queue must still find the records in the stream.
    assert 3600 <= properties["MaximumRecordAgeInSeconds"] <= 12 * 3600
    destination = properties["DestinationConfig"]["OnFailure"]["Destination"]
    assert destination == {"Fn::GetAtt": ["AsyncDeadLetterQueue", "Arn"]}


def test_only_writes_of_runs_call_the_function(expanded: Resources) -> None:
    (described,) = mapping(expanded)["FilterCriteria"]["Filters"]
    pattern = EventPattern.load(described["Pattern"])
    item = write_run(make_run(), None).serialize()

    def calls(event_name: str, sk: dict[str, str]) -> bool:
        keys = {"pk": item["pk"], "sk": sk}
        return bool(pattern.matches_event({"eventName": event_name, "dynamodb": {"Keys": keys, "NewImage": item}}))

    assert calls("INSERT", item["sk"])
    assert calls("MODIFY", item["sk"])
    assert not calls("REMOVE", item["sk"])
    for other in ("JOB", "EVENT#00000001", "QUEUE#01a1", "UNIT#000001", "FILE#a.csv", "BOOKMARK"):
        assert not calls("MODIFY", {"S": other}), other


def test_events_of_ours_go_to_the_queue_and_those_that_look_like_glues_do_not(expanded: Resources) -> None:
    rule = expanded["ToEventsQueue"]["Properties"]
    assert rule["EventBusName"] == {"Ref": "JobrunsBus"}
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["EventsQueue", "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["AsyncDeadLetterQueue", "Arn"]}}
    pattern = EventPattern.load(json.dumps(rule["EventPattern"]))
    notice = Notice(make_run(RunState.SUCCEEDED, ended_at=NOW, settled=True), NoticeKind.ENDED)
    event = for_bus(cloud_event(notice, None))
    looking_like_glue = glue_event(notice)
    assert looking_like_glue is not None
    detail_type, detail = looking_like_glue
    assert pattern.matches_event({"source": "jobruns", "detail-type": event["type"], "detail": event})
    assert not pattern.matches_event({"source": "jobruns", "detail-type": detail_type, "detail": dict(detail)})
    assert not pattern.matches_event({"source": "aws.glue", "detail-type": event["type"], "detail": event})


def test_only_the_rules_of_this_stack_may_send_to_the_queues(expanded: Resources) -> None:
    allowed = {
        name: [
            statement["Condition"]["ArnEquals"]["aws:SourceArn"]
            for statement in expanded[f"{name}Policy"]["Properties"]["PolicyDocument"]["Statement"]
            if statement.get("Principal") == {"Service": "events.amazonaws.com"}
        ]
        for name in ("EventsQueue", "AsyncDeadLetterQueue")
    }
    assert allowed["EventsQueue"] == [{"Fn::GetAtt": ["ToEventsQueue", "Arn"]}]
    ((executions, to_queue),) = allowed["AsyncDeadLetterQueue"]
    assert executions["Fn::Sub"].endswith(":rule/${AWS::StackName}-executions")
    # The rule of a bus of its own has the bus's name in its ARN.
    bus, name = expanded["JobrunsBus"]["Properties"]["Name"], expanded["ToEventsQueue"]["Properties"]["Name"]
    assert bus == {"Ref": "AWS::StackName"}
    assert to_queue["Fn::Sub"].endswith(f":rule/${{AWS::StackName}}/{name['Fn::Sub']}")


def test_only_publish_puts_events_on_the_bus(expanded: Resources, functions: Resources) -> None:
    told = {name for name, function in functions.items() if "EVENT_BUS" in function["Environment"]["Variables"]}
    assert told == {"PublishFunction"}
    policies = [policy for role in expanded.values() for policy in role.get("Properties", {}).get("Policies", [])]
    putting = [
        statement
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Action") == "events:PutEvents"
    ]
    assert [statement["Resource"] for statement in putting] == [{"Fn::GetAtt": ["JobrunsBus", "Arn"]}]


def test_a_delivery_is_over_before_its_function_is_and_the_lease_after_it(functions: Resources) -> None:
    assert 2 * POST_SECONDS < functions["DeliverFunction"]["Timeout"] < LEASE_SECONDS


def test_local_receivers_are_reached_by_the_local_runner_only() -> None:
    samconfig = (ROOT / "samconfig.toml").read_text()
    assert samconfig.count("WebhookHosts") == 1
    assert '"WebhookHosts=127.0.0.1,localhost"' in samconfig.partition("[local.deploy.parameters]")[2]
