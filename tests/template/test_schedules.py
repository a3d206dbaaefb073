"""Who may make schedules, what they may call, and who lends them a role."""

import pytest

from tests.template.reading import Resources, allowed_actions, as_list, role_statements

MAKERS = ("GlueFunction", "ReconcileFunction")
FOR_MAKERS = {
    "SCHEDULE_GROUP": {"Ref": "TriggerSchedules"},
    "SCHEDULER_ROLE_ARN": {"Fn::GetAtt": ["SchedulerRole", "Arn"]},
    "FIRE_FUNCTION_ARN": {"Fn::GetAtt": ["FireFunction", "Arn"]},
    "ASYNC_DLQ_ARN": {"Fn::GetAtt": ["AsyncDeadLetterQueue", "Arn"]},
}
FOR_DELIVERIES = {
    "DELIVERY_SCHEDULE_GROUP": {"Ref": "DeliverySchedules"},
    "SCHEDULER_ROLE_ARN": {"Fn::GetAtt": ["DeliverySchedulerRole", "Arn"]},
    "DELIVERIES_QUEUE_ARN": {"Fn::GetAtt": ["DeliveriesQueue", "Arn"]},
    "ASYNC_DLQ_ARN": {"Fn::GetAtt": ["AsyncDeadLetterQueue", "Arn"]},
}


def test_only_they_may_make_schedules_who_are_told_how(functions: Resources, expanded: Resources) -> None:
    told = {name for name in functions if FOR_MAKERS.items() <= functions[name]["Environment"]["Variables"].items()}
    deliver = {
        name for name in functions if FOR_DELIVERIES.items() <= functions[name]["Environment"]["Variables"].items()
    }
    allowed = {name for name in functions if "scheduler:CreateSchedule" in allowed_actions(expanded, name)}
    lend = {name for name in functions if "iam:PassRole" in allowed_actions(expanded, name)}
    assert (told, deliver) == (set(MAKERS), {"DeliverFunction"})
    assert allowed == told | deliver
    assert lend >= allowed


@pytest.mark.parametrize("name", [*MAKERS, "DeliverFunction"])
def test_the_role_is_lent_to_the_scheduler_only(name: str, expanded: Resources) -> None:
    told = FOR_DELIVERIES if name == "DeliverFunction" else FOR_MAKERS
    [lent] = [s for s in role_statements(expanded[f"{name}Role"]) if s.get("Sid") == "LendSchedulerRole"]
    assert lent["Action"] == "iam:PassRole"
    assert lent["Resource"] == told["SCHEDULER_ROLE_ARN"]
    assert lent["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}


def test_schedules_are_touched_in_the_stacks_own_group_only(functions: Resources, expanded: Resources) -> None:
    touching = 0
    for name in functions:
        group = "DeliverySchedules" if name == "DeliverFunction" else "TriggerSchedules"
        for statement in role_statements(expanded[f"{name}Role"]):
            if any(action.startswith("scheduler:") for action in as_list(statement["Action"])):
                touching += 1
                assert statement["Resource"]["Fn::Sub"].endswith(f":schedule/${{{group}}}/*"), name
    # And the fire function, which removes what was left behind; schedules of deliveries remove themselves.
    assert touching == len(MAKERS) + 2


@pytest.mark.parametrize(
    ("name", "group", "does"),
    [
        ("SchedulerRole", "TriggerSchedules", {"Fire": ("lambda:InvokeFunction", FOR_MAKERS["FIRE_FUNCTION_ARN"])}),
        (
            "DeliverySchedulerRole",
            "DeliverySchedules",
            {"TryAgain": ("sqs:SendMessage", FOR_DELIVERIES["DELIVERIES_QUEUE_ARN"])},
        ),
    ],
)
def test_a_schedule_may_only_do_one_thing_and_only_one_of_the_group(
    name: str, group: str, does: dict[str, tuple[str, dict[str, list[str]]]], expanded: Resources
) -> None:
    role = expanded[name]
    actions = {statement["Sid"]: (statement["Action"], statement["Resource"]) for statement in role_statements(role)}
    assert actions == {**does, "KeepUndelivered": ("sqs:SendMessage", FOR_MAKERS["ASYNC_DLQ_ARN"])}
    [trust] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {
        "aws:SourceAccount": {"Ref": "AWS::AccountId"},
        "aws:SourceArn": {"Fn::GetAtt": [group, "Arn"]},
    }
