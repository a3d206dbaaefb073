"""What it takes to make moto behave as AWS does, for the services this project stands on.

moto is made for one test in one thread. Here many processes call it at once, and machines run for as long as real
ones. Each module names what differs and replaces just that, against the version in the lock file:

* `accounts`: a test with ``mock_aws`` does not empty the account of a runner in the same process;
* `answers`, `dispatch`: a request costs two thirds;
* `dynamodb`: a transaction touches its items only, instead of copying whole tables;
* `items`, `expressions`: a read costs what it reads, and an expression is read once;
* `sqs`: no message is lost or handed out twice when senders and receivers meet;
* `events`: a rule may call a function, and a target that fails does not make PutEvents fail;
* `s3`: notifications carry the version and the sequencer, and there are some of deletions;
* `glue`: UpdateTable honours VersionId, which Iceberg's commits rest on;
* `scheduler`: what EventBridge Scheduler would refuse is refused;
* `states`, `states_map`, `states_tokens`: Step Functions;
* `streams`: reading a table's stream, which does not grow for ever.
"""

from local.emulator import (
    accounts,
    answers,
    dispatch,
    dynamodb,
    events,
    expressions,
    glue,
    items,
    s3,
    scheduler,
    sqs,
    states,
)

_applied = False


def apply() -> None:
    """Replace what differs, once per process."""
    global _applied  # noqa: PLW0603 - moto's classes are global too
    if _applied:
        return
    _applied = True
    accounts.apply()
    answers.apply()
    dispatch.apply()
    dynamodb.apply()
    events.apply()
    expressions.apply()
    glue.apply()
    items.apply()
    s3.apply()
    scheduler.apply()
    sqs.apply()
    states.apply()
