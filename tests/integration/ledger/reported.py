"""Runs that workers tell of, for the tests of the ledger."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from jobruns.access import Principal
from jobruns.run import Outcome, Run
from jobruns.service.ports import Ports
from jobruns.service.reported_starts import RunReport, report_start

DAY = datetime(2018, 6, 17, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return DAY + timedelta(minutes=minutes)


def tell(
    ports: Ports,
    principal: Principal,
    outcome: Outcome = Outcome.GOING,
    start: float | None = None,
    end: float | None = None,
    job: str = "detectors",
    token: str | None = None,
    **fields: Any,
) -> Run:
    """Tell of a run from minute `start` to minute `end` of the day."""
    report = RunReport(
        job=job,
        outcome=outcome,
        reported_start_at=None if start is None else at(start),
        reported_end_at=None if end is None else at(end),
        **fields,
    )
    return report_start(ports, principal, report, door="test", token=token)


def key_of(order_by: Callable[[Run], datetime | None]) -> Callable[[Run], tuple[bool, datetime | None, int]]:
    """Order runs as a list does: those without a time after all others, those of the same time by number."""
    return lambda run: (order_by(run) is None, order_by(run) or DAY, run.number or 0)
