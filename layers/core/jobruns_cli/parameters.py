"""What options take: durations, moments, and the options that several commands share."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_DURATION = re.compile(r"([0-9]{1,9})(s|m|h|d|w)")
_SECONDS = re.compile(r"[0-9]{1,9}")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MAX_DURATION = timedelta(days=36500)


def _read_duration(text: str) -> timedelta | None:
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])})
    return duration if timedelta(0) < duration <= _MAX_DURATION else None


class Duration(click.ParamType):
    """A length of time: a whole number and one of s, m, h, d, w."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        duration = _read_duration(value)
        if duration is None:
            self.fail(f"{value!r} is no duration; write 30s, 15m, 12h, 90d or 4w", param, ctx)
        return duration


class Lifetime(click.ParamType):
    """A length of time, or ``never``."""

    name = "duration|never"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta | None:
        """Read it; ``never`` is ``None``."""
        return None if value in ("never", None) else Duration().convert(value, param, ctx)


class Margin(click.ParamType):
    """A length of time that may be none: a whole number of seconds, or as of `Duration`."""

    name = "seconds|duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        if isinstance(value, str) and _SECONDS.fullmatch(value):
            return timedelta(seconds=int(value))
        return Duration().convert(value, param, ctx)


class Moment(click.ParamType):
    """A moment: a time in ISO 8601, UTC unless it says otherwise, or a length of time ago."""

    name = "time|duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        ago = _read_duration(value)
        if ago is not None:
            return datetime.now(UTC) - ago
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write 2026-05-01, 2026-05-01T12:00Z or, for how long ago, 2h", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def stack_option(command: CommandT) -> CommandT:
    """Add the option that says which deployment is meant."""
    add = click.option(
        "--stack",
        metavar="NAME",
        envvar="JOBRUNS_STACK",
        help="The CloudFormation stack to work with [env JOBRUNS_STACK]; without it, LEDGER_TABLE and the other "
        "variables of the functions are read from the environment.",
    )
    return add(command)


def org_option(command: CommandT) -> CommandT:
    """Add the option that says whose runs are meant."""
    add = click.option(
        "--org", metavar="ORG", envvar="JOBRUNS_ORG", required=True, help="Whose runs [env JOBRUNS_ORG]."
    )
    return add(command)


def json_option(command: CommandT) -> CommandT:
    """Add the option that asks for JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
