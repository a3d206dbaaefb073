"""The relation ``runs``: the whole record of every run of every door, to be searched and read."""

from jobruns.run import RunState
from pgrest.columns import Check, Column, ColumnType, Relation
from pgrest.jobs import STATUSES

_TEXT, _BIGINT, _INTEGER, _BOOLEAN = ColumnType.TEXT, ColumnType.BIGINT, ColumnType.INTEGER, ColumnType.BOOLEAN
_TIME, _JSON = ColumnType.TIMESTAMPTZ, ColumnType.JSONB

RUNS = Relation(
    name="runs",
    columns=(
        Column("run_id", _TEXT, nullable=False, description="Id of the run. Ids ascend with the time they were made."),
        Column("id", _BIGINT, description="Number of the run, its id in jobs; null for one that never began."),
        Column("job", _TEXT, nullable=False, description="Name of its job."),
        Column("state", _TEXT, nullable=False, description="Where it is in its life."),
        Column("status", _TEXT, nullable=False, description="The same in the words of jobs."),
        Column("door", _TEXT, nullable=False, description="The API it was started through."),
        Column("executor", _TEXT, nullable=False, description="What does its work."),
        Column("target", _TEXT, description="Where the executor finds the work: a function, a table or a script."),
        Column("trigger", _TEXT, nullable=False, description="What started it: a caller, a schedule, a retry, ..."),
        Column("trigger_name", _TEXT, description="Name of the trigger, if it has one."),
        Column("predecessors", _JSON, nullable=False, description="Runs whose ends had it started: job and run_id."),
        Column("started_by", _TEXT, nullable=False, description="The key it was started with, or a part of Jobruns."),
        Column("attempt", _INTEGER, nullable=False, description="How manieth try of the same work it is."),
        Column("max_retries", _INTEGER, nullable=False, description="How many tries may follow a failure."),
        Column("previous_run_id", _TEXT, description="The run it tries again."),
        Column("root_run_id", _TEXT, nullable=False, description="The first of the automatic tries it is one of."),
        Column("counts", _BOOLEAN, nullable=False, description="Whether its success moves its job's last success."),
        Column("look_back_seconds", _INTEGER, nullable=False, description="Its job's look-back margin."),
        Column("submitted_at", _TIME, nullable=False, description="When it was asked for."),
        Column("started_at", _TIME, description="When its work began."),
        Column("ended_at", _TIME, description="When it ended, or was reported to have."),
        Column("modified_at", _TIME, nullable=False, description="When it was last written to, but for heartbeats."),
        Column("start_date", _TIME, nullable=False, description="When it began, by its worker's word if there is one."),
        Column("end_date", _TIME, description="When it ended, by its worker's word if there is one."),
        Column("heartbeat_at", _TIME, description="When its worker was last heard of."),
        Column("deadline_at", _TIME, nullable=False, description="When it must have ended."),
        Column("stop_by_at", _TIME, description="When it must have stopped, if it was asked to."),
        Column("notified_at", _TIME, description="When it was said to take long."),
        Column("warned_at", _TIME, description="When its deadline was said to be near."),
        Column("timeout_seconds", _INTEGER, nullable=False, description="How long it may take."),
        Column("heartbeat_seconds", _INTEGER, description="How often its worker must be heard of."),
        Column("notify_after_seconds", _INTEGER, description="After how long it is said to take long."),
        Column("phase", _TEXT, description="What it is doing."),
        Column("progress", _JSON, nullable=False, description="How far it is: units, rows and bytes."),
        Column("files", _TEXT, nullable=False, description="Under which keys of the runs bucket its files lie."),
        Column("source", _TEXT, description="Where from."),
        Column("destination", _TEXT, description="Where to."),
        Column("records", _BIGINT, description="How many records it processed."),
        Column("message", _TEXT, description="What there is to say about it."),
        Column("error_code", _TEXT, description="What kind of error ended it."),
        Column("metrics", _JSON, nullable=False, description="What its worker measured."),
        Column("tags", _JSON, nullable=False, description="Tags of its job."),
        Column(
            "arguments", _JSON, description="Its arguments, without secrets; null where they are too large to show."
        ),
        Column("settled", _BOOLEAN, nullable=False, description="Whether all that follows from its end is done."),
        Column("expires_at", _TIME, description="When it is deleted, if runs are not kept for ever."),
        Column("version", _INTEGER, nullable=False, description="How often it was written to."),
        Column("urls", _JSON, nullable=False, description="Where AWS's console shows its execution and its logs."),
    ),
    key="run_id",
    checks=(
        Check("runs_state_check", "state", tuple(RunState)),
        Check("runs_status_check", "status", STATUSES),
    ),
    writable=False,
    description="Every run of every door, whole. What has not begun is in here too.",
)
