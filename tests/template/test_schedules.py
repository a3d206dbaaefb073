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


def test_only_they_may_make_schedules_who_are_told_how(functions: Resources, expanded: Resources) -> None:
    told = {name for name in functions if FOR_MAKERS.items() <= functions[name]["Environment"]["Variables"].items()}
    allowed = {name for name in functions if "scheduler:CreateSchedule" in allowed_actions(expanded, name)}
    lend = {name for name in functions if "iam:PassRole" in allowed_actions(expanded, name)}
    assert told == allowed == set(MAKERS)
    assert lend >= allowed


@pytest.mark.parametrize("name", MAKERS)
def test_the_role_is_lent_to_the_scheduler_only(name: str, expanded: Resources) -> None:
    [lent] = [s for s in role_statements(expanded[f"{name}Role"]) if s.get("Sid") == "LendSchedulerRole"]
    assert lent["Action"] == "iam:PassRole"
    assert lent["Resource"] == FOR_MAKERS["SCHEDULER_ROLE_ARN"]
    assert lent["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}


def test_schedules_are_touched_in_the_stacks_own_group_only(functions: Resources, expanded: Resources) -> None:
    touching = 0
    for name in functions:
        for statement in role_statements(expanded[f"{name}Role"]):
            if any(action.startswith("scheduler:") for action in as_list(statement["Action"])):
                touching += 1
                assert statement["Resource"]["Fn::Sub"].endswith(":schedule/${TriggerSchedules}/*"), name
    assert touching == len(MAKERS) + 1  # and the fire function, which removes what was left behind


def test_a_schedule_may_only_fire_and_only_one_of_the_group(expanded: Resources) -> None:
    role = expanded["SchedulerRole"]
    actions = {statement["Sid"]: (statement["Action"], statement["Resource"]) for statement in role_statements(role)}
    assert actions == {
        "Fire": ("lambda:InvokeFunction", FOR_MAKERS["FIRE_FUNCTION_ARN"]),
        "KeepUndelivered": ("sqs:SendMessage", FOR_MAKERS["ASYNC_DLQ_ARN"]),
    }
    [trust] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {
        "aws:SourceAccount": {"Ref": "AWS::AccountId"},
        "aws:SourceArn": {"Fn::GetAtt": ["TriggerSchedules", "Arn"]},
    }
