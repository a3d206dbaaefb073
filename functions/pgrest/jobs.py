"""The relation ``jobs``: runs by nine columns."""

from pgrest.columns import Check, Column, ColumnType, Default, Relation

STATUSES = ("in_progress", "success", "error")

_NAME_BYTES = 1020  # a job's name has 255 characters at most, and UTF-8 needs up to four bytes for each
_PLACE_BYTES = 2048
_MESSAGE_BYTES = 32_768  # what the ledger keeps of a run's message

JOBS = Relation(
    name="jobs",
    columns=(
        Column("id", ColumnType.INTEGER, nullable=False, default=Default.SERIAL, description="Number of the run."),
        Column("name", ColumnType.TEXT, nullable=False, max_bytes=_NAME_BYTES, description="Name of the job."),
        Column(
            "start_date",
            ColumnType.TIMESTAMPTZ,
            nullable=False,
            default=Default.NOW,
            description="When the run began.",
        ),
        Column("end_date", ColumnType.TIMESTAMPTZ, description="When it ended."),
        Column("message", ColumnType.TEXT, max_bytes=_MESSAGE_BYTES, description="What there is to say about it."),
        Column(
            "status",
            ColumnType.TEXT,
            nullable=False,
            default="in_progress",
            description="One of: in_progress, success, error.",
        ),
        Column("records_processed", ColumnType.INTEGER, description="How many records it processed."),
        Column("source", ColumnType.TEXT, nullable=False, max_bytes=_PLACE_BYTES, description="Where from."),
        Column("destination", ColumnType.TEXT, nullable=False, max_bytes=_PLACE_BYTES, description="Where to."),
    ),
    key="id",
    checks=(Check("jobs_status_check", "status", STATUSES),),
    description="Runs of jobs and their outcome.",
)
