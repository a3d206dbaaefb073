"""How things are shown: tables and lines for people, JSON for programs."""

import json
import shutil
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from jobruns.access import AccessKey
from jobruns.run import Progress, Run, RunEvent, RunState
from jobruns.user import User

PIPE_WIDTH = 200
"""Columns where there is no terminal and ``COLUMNS`` says nothing: enough for what a program may look for."""

_STYLES = {
    RunState.SUCCEEDED: "green",
    RunState.FAILED: "red",
    RunState.TIMEOUT: "red",
    RunState.STOPPED: "yellow",
    RunState.STOPPING: "yellow",
    RunState.RUNNING: "cyan",
}
_HIDDEN = {"task_token"}
"""Not shown: whoever has a run's task token can end its work."""


def make_console() -> Console:
    """Give the terminal. What is shown comes from anywhere, so nothing in it is read as markup."""
    width = shutil.get_terminal_size((PIPE_WIDTH, 25)).columns
    return Console(width=width, markup=False, emoji=False, highlight=False)


def one_line(text: str) -> str:
    """Make text safe to show: one line, and no character that moves a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split()))


def print_json(value: Any) -> None:
    """Print one JSON value on lines of its own."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_line(value: Any) -> None:
    """Print one JSON value as one line."""
    click.echo(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def dump_run(run: Run) -> dict[str, Any]:
    """Give a run as JSON, with the fraction of its work that is done."""
    fields: dict[str, Any] = run.model_dump(mode="json", exclude=_HIDDEN)
    fields["progress"]["fraction"] = run.progress.fraction
    return fields


def dump_key(key: AccessKey) -> dict[str, Any]:
    """Give a key as JSON."""
    return key.model_dump(mode="json")


def dump_user(user: User) -> dict[str, Any]:
    """Give a user as JSON, without what is kept of the password."""
    return user.model_dump(mode="json", exclude={"password", "generation", "version"})


def show_runs(runs: list[Run], now: datetime) -> None:
    """Print a table of runs."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", no_wrap=True, min_width=36)
    table.add_column("job", overflow="ellipsis", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("submitted", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("done", justify="right", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("message", overflow="ellipsis", no_wrap=True)
    for run in runs:
        table.add_row(
            run.run_id,
            one_line(run.job),
            str(run.state),
            write_time(run.submitted_at),
            f"{run.work_seconds(now):.1f}" if run.started_at else "",
            f"{run.progress.fraction:.0%}" if run.progress.units_total else "",
            f"{run.progress.rows_loaded:,}" if run.progress.units_total else "",
            one_line(run.message or ""),
            style=_STYLES.get(run.state),
        )
    make_console().print(table)


def show_run(run: Run, events: list[RunEvent], now: datetime) -> None:
    """Print everything about a run."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(run, now).items():
        if value not in (None, "", {}):
            facts.add_row(name, one_line(value if isinstance(value, str) else json.dumps(value)))
    console = make_console()
    console.print(facts)
    console.print()
    for event in events:
        show_event(console, event)


def show_event(console: Console, event: RunEvent) -> None:
    """Print one entry of a run's history as a line."""
    happened = event.kind if event.applied else f"{event.kind} (ignored)"
    line = f"{write_time(event.at)}  {event.state:<9}  {happened}  by {one_line(event.actor)}"
    text = f"{line}: {one_line(event.message)}" if event.message else line
    console.print(text, style=_STYLES.get(event.state) if event.applied else "dim", soft_wrap=True)


def show_keys(keys: list[AccessKey], now: datetime) -> None:
    """Print a table of keys."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("key", no_wrap=True, min_width=20)
    table.add_column("org", no_wrap=True)
    for heading in ("role", "status", "created", "expires"):
        table.add_column(heading, no_wrap=True)
    table.add_column("description", overflow="ellipsis", no_wrap=True)
    for key in keys:
        status = "usable" if key.usable(now) else "revoked" if key.revoked_at else "expired"
        table.add_row(
            key.key_id,
            one_line(key.org),
            str(key.role),
            status,
            write_time(key.created_at),
            write_time(key.expires_at) if key.expires_at else "never",
            one_line(key.description or ""),
            style=None if key.usable(now) else "dim",
        )
    make_console().print(table)


def show_users(users: list[User]) -> None:
    """Print a table of users."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("user", "org", "role", "status", "created", "changed"):
        table.add_column(heading, no_wrap=True)
    for user in users:
        table.add_row(
            one_line(user.name),
            one_line(user.org),
            one_line(user.role),
            "active" if user.active else "inactive",
            write_time(user.created_at),
            write_time(user.modified_at),
            style=None if user.active else "dim",
        )
    make_console().print(table)


def describe_progress(progress: Progress) -> str:
    """Say in some words how far a run is; nothing where its executor does not tell."""
    if progress.listing is None and not progress.units_total:
        return ""
    if not progress.units_total:
        return f"listing {progress.listing}"
    parts = [
        f"{progress.fraction:.0%}",
        f"{progress.units_done}/{progress.units_total} units",
        f"{progress.rows_loaded:,} rows",
    ]
    if progress.units_failed:
        parts.append(f"{progress.units_failed} units failed")
    if progress.rows_rejected:
        parts.append(f"{progress.rows_rejected:,} rows rejected")
    return ", ".join(parts)


def write_time(at: datetime) -> str:
    """Write a time for people: UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _facts(run: Run, now: datetime) -> dict[str, Any]:
    def at(moment: datetime | None) -> str | None:
        return write_time(moment) if moment else None

    return {
        "run": run.run_id,
        "org": run.org,
        "job": run.job,
        "number": run.number,
        "state": f"{run.state} ({run.phase})" if run.phase and not run.state.terminal else str(run.state),
        "message": run.message,
        "error code": run.error_code,
        "progress": describe_progress(run.progress),
        "executor": f"{run.executor} {run.target}" if run.target else str(run.executor),
        "from": run.source,
        "to": run.destination,
        "records": run.records,
        "started by": f"{run.started_by} through {run.door}, trigger {run.trigger}",
        "attempt": f"{run.attempt}, retry of {run.previous_run_id}" if run.previous_run_id else str(run.attempt),
        "submitted": at(run.submitted_at),
        "began": at(run.started_at),
        "ended": at(run.ended_at),
        "start, as reported": at(run.reported_start_at),
        "end, as reported": at(run.reported_end_at),
        "counts": None if run.counts else "not as its job's success",
        "looks back": f"{run.look_back_seconds} seconds" if run.look_back_seconds else None,
        "worked": f"{run.work_seconds(now):.1f} seconds" if run.started_at else None,
        "heartbeat": at(run.heartbeat_at),
        "deadline": None if run.state.terminal else at(run.deadline_at),
        "kept until": at(run.expires_at),
        "arguments": run.arguments or run.arguments_key,
        "metrics": run.metrics,
        "tags": run.tags,
    }
