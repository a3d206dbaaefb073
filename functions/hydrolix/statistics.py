"""What the ledger can count of tables: loads, and what they read and wrote."""

from collections.abc import Iterable
from typing import Any

from hydrolix.moments import write_time
from jobruns.access import Principal
from jobruns.run import Run, RunState
from jobruns.service.lookups import MAX_PAGE, list_job_runs
from jobruns.service.ports import Ports
from jobruns.service.tables import list_tables
from jobruns.table import Project, Table

MAX_RUNS = 5 * MAX_PAGE
"""Runs that the statistics of a project are counted from, over all its tables."""


def count_table_loads(ports: Ports, principal: Principal, table: Table, limit: int = MAX_PAGE) -> dict[str, Any]:
    """Count the loads of a table from its newest runs, at most `limit`: one query.

    Rows and bytes are those of loads that succeeded and wrote. Rows that were taken out of the table since are counted
    too, for the ledger does not know of them.
    """
    page = list_job_runs(ports, principal, table.full_name, limit=limit)
    # A table of this name may have been here before; its runs are not this one's.
    runs = [run for run in page.runs if run.submitted_at >= table.created_at]
    since = {"counted_since": write_time(page.runs[-1].submitted_at)} if page.next_token and page.runs else {}
    return {"name": table.name, **_count(runs), **since}


def count_project_loads(ports: Ports, principal: Principal, project: Project) -> dict[str, Any]:
    """Count the loads of a project's tables, one query each, until `MAX_RUNS` runs were counted."""
    tables, counted, left = list_tables(ports, principal, project.project_id), [], MAX_RUNS
    for table in tables:
        if left <= 0:
            break
        counted.append(count_table_loads(ports, principal, table, min(left, MAX_PAGE)))
        # A query costs about what reading a few runs does.
        left -= max(counted[-1]["loads"], 10)
    sums = {name: sum(table[name] for table in counted) for name in _count([])}
    summary = {"name": project.name, "tables": len(tables), "tables_counted": len(counted), **sums}
    return {"summary": summary, "tables": counted}


def _count(runs: Iterable[Run]) -> dict[str, int]:
    listed = list(runs)
    done = [run for run in listed if run.state is RunState.SUCCEEDED]
    written = [run.progress for run in done if not run.arguments.get("dry_run")]
    return {
        "loads": len(listed),
        "loads_done": len(done),
        "loads_failed": sum(run.state in (RunState.FAILED, RunState.TIMEOUT) for run in listed),
        "rows_loaded": sum(progress.rows_loaded for progress in written),
        "rows_rejected": sum(progress.rows_rejected for progress in written),
        "bytes_read": sum(progress.bytes_read for progress in written),
    }
