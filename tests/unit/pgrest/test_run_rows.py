"""Rows of ``runs``: all there is of a run, but for what is secret."""

from datetime import UTC, datetime
from typing import Any

import pytest

from jobruns.run import Executor, Predecessor, Run, RunState
from jobruns.secret_names import HIDDEN
from jobruns.settings import Settings
from pgrest.argument_secrets import hide_secrets
from pgrest.columns import ColumnType
from pgrest.consoles import find_consoles
from pgrest.run_rows import UNSHOWN, RunRow
from pgrest.runs import RUNS
from tests.unit.core.runs import NOW, make_run

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:jobruns-run-lifecycle"
SETTINGS = Settings(
    ledger_table="ledger",
    lifecycle_arn=MACHINE,
    ingest_arn=MACHINE.replace("run-lifecycle", "ingest"),
    run_log_group="/jobruns/jobruns/runs",
)
HOME = "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/"
EXECUTION = f"{HOME}arn:aws:states:eu-west-1:123456789012:execution:jobruns-run-lifecycle:"
_PYTHON_TYPES: dict[ColumnType, Any] = {
    ColumnType.TEXT: str,
    ColumnType.BIGINT: int,
    ColumnType.INTEGER: int,
    ColumnType.BOOLEAN: bool,
    ColumnType.TIMESTAMPTZ: datetime,
    ColumnType.JSONB: (dict, list),
}

pytestmark = pytest.mark.usefixtures("deployed")


def full_run() -> Run:
    """Make a run of which everything is known."""
    return make_run(
        RunState.FAILED,
        number=7,
        version=5,
        source="knack",
        destination="socrata",
        records=3_000_000_000,
        message="no such table",
        error_code="Failed",
        ended_at=NOW,
        started_at=NOW,
        heartbeat_at=NOW,
        notified_at=NOW,
        warned_at=NOW,
        expires_at=NOW,
        stop_by_at=NOW,
        reported_start_at=datetime(2018, 6, 17, tzinfo=UTC),
        heartbeat_seconds=60,
        notify_after_seconds=300,
        target="t",
        phase="commit",
        trigger_name="nightly",
        previous_run_id="x",
        predecessors=(Predecessor(job="a", run_id="b"),),
        metrics={"rows": 1},
        tags={"team": "data"},
        arguments={"--table": "roads", "--password": "x"},
        task_token="secret-token",
        extra={"glue": {}},
    )


def test_every_field_of_a_run_is_a_column_or_is_known_not_to_be() -> None:
    fields = set(Run.model_fields)
    assert fields - set(RUNS.by_name) == UNSHOWN
    assert not UNSHOWN & set(RUNS.by_name)


def test_a_row_has_every_column_in_its_type() -> None:
    row = RunRow(full_run())
    assert list(row) == [column.name for column in RUNS.columns]
    assert len(row) == len(RUNS.columns)
    for column in RUNS.columns:
        assert isinstance(row[column.name], _PYTHON_TYPES[column.type]), column.name
    assert (row["status"], row["state"], row["id"], row["records"]) == ("error", "FAILED", 7, 3_000_000_000)
    assert row["start_date"] == datetime(2018, 6, 17, tzinfo=UTC)
    assert row["predecessors"] == [{"job": "a", "run_id": "b"}]
    assert row["arguments"] == {"--table": "roads", "--password": HIDDEN}
    assert "secret-token" not in str(dict(row))
    with pytest.raises(KeyError):
        row["task_token"]


def test_what_is_not_known_is_null_only_where_the_relation_says_so() -> None:
    row = RunRow(make_run(RunState.WAITING))
    null = {name for name, cell in row.items() if cell is None}
    assert null == {column.name for column in RUNS.columns if column.nullable} - {"arguments"}


def test_arguments_that_are_kept_elsewhere_are_not_shown() -> None:
    assert RunRow(make_run(arguments_key="runs/o/r/arguments.json"))["arguments"] is None


@pytest.mark.parametrize(
    ("shown", "arguments"),
    [
        ({"a": "b", "n": 5, "x": None, "f": True}, None),
        ({"password": HIDDEN}, {"password": "p"}),
        ({"--db-passwd": HIDDEN, "API_KEY": HIDDEN, "x": None}, {"--db-passwd": 1, "API_KEY": "k", "x": None}),
        ({"dsn": HIDDEN, "Bearer": HIDDEN}, {"dsn": "Server=db", "Bearer": True}),
        ({"clientSecret": HIDDEN, "secret": None}, {"clientSecret": {"value": "k"}, "secret": None}),
        ({"in": [{"auth_token": HIDDEN, "max_tokens": 5}]}, {"in": [{"auth_token": "t", "max_tokens": 5}]}),
        (
            {"url": f"postgres://me:{HIDDEN}@db:5432/x", "other": "https://a.b/c?d=e@f"},
            {"url": "postgres://me:pw@db:5432/x", "other": "https://a.b/c?d=e@f"},
        ),
        (
            {"db": f"Server=db;Uid=me;Pwd={HIDDEN};Database=x", "u": f"https://a/?X-Amz-Signature={HIDDEN}&b=1"},
            {"db": "Server=db;Uid=me;Pwd=pw;Database=x", "u": "https://a/?X-Amz-Signature=ab12&b=1"},
        ),
        ({"conf": f"password = {HIDDEN} user=me"}, {"conf": "password = 'a b' user=me"}),
    ],
)
def test_secrets_are_hidden(shown: dict[str, Any], arguments: dict[str, Any] | None) -> None:
    assert hide_secrets(arguments or shown) == shown


def test_a_run_is_linked_to_its_execution_and_its_load() -> None:
    assert find_consoles(make_run(RunState.RUNNING), SETTINGS) == {"execution": EXECUTION + make_run().run_id}
    load = find_consoles(make_run(RunState.RUNNING, executor=Executor.INGEST), SETTINGS)
    assert load["load"] == (EXECUTION + make_run().run_id).replace("run-lifecycle", "ingest")


def test_what_has_no_execution_is_linked_to_none() -> None:
    assert find_consoles(make_run(RunState.WAITING), SETTINGS) == {}
    assert find_consoles(make_run(RunState.SUCCEEDED, version=1), SETTINGS) == {}
    assert find_consoles(make_run(RunState.RUNNING), Settings(ledger_table="ledger")) == {}


def test_a_script_is_linked_to_its_logs() -> None:
    run = make_run(RunState.SUCCEEDED, version=3, executor=Executor.PYTHON_SCRIPT)
    logs = "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/"
    found = find_consoles(run, SETTINGS)
    assert found["output"].startswith(f"{logs}$252Fjobruns$252Fjobruns$252Fruns$252Foutput/log-events/jr_")
    assert found["errors"] == found["output"].replace("$252Foutput", "$252Ferror")
    spark = find_consoles(run.model_copy(update={"executor": Executor.SPARK}), SETTINGS)
    assert spark["output"].startswith(f"{logs}$252Fjobruns$252Fjobruns$252Fruns$252Foutput$3FlogStreamNameFilter$3Djr_")


def test_a_function_is_linked_to_its_logs_where_it_is() -> None:
    target = "arn:aws-cn:lambda:cn-north-1:123456789012:function:sync:live"
    run = make_run(RunState.RUNNING, executor=Executor.LAMBDA, target=target)
    assert find_consoles(run, SETTINGS)["output"] == (
        "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1"
        "#logsV2:log-groups/log-group/$252Faws$252Flambda$252Fsync"
    )
