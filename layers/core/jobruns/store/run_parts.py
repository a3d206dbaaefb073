"""What a transaction that writes a run consists of beside the run itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pynamodb.expressions import condition as expressions

from jobruns.run import Run, RunEvent, RunRoot, RunSummary
from jobruns.service.store_ports import StartToken
from jobruns.store import keys
from jobruns.store.run_part_items import (
    AttemptItem,
    EventItem,
    NumberItem,
    QueueItem,
    RootItem,
    RunRefItem,
    SlotsItem,
    TokenItem,
)
from jobruns.store.transaction import Transaction


def add_number(transaction: Transaction, run: Run, part: str = "number") -> None:
    """Let a run be found by its number, if it has one, which no other may have."""
    if run.number is not None:
        transaction.put(part, number_item(run, run.expires_at), NumberItem.pk.does_not_exist())


def add_token(transaction: Transaction, run: Run, token: StartToken) -> None:
    """Spend a token on a run: part ``token``."""
    unspent = TokenItem.pk.does_not_exist() | (TokenItem.expires_at <= int(run.submitted_at.timestamp()))
    item = TokenItem(
        pk=keys.token_pk(run.org, token.digest),
        sk="START",
        kind="start_token",
        run_id=run.run_id,
        runs=token.runs,
        expires_at=int(token.expires_at.timestamp()),
    )
    transaction.put("token", item, unspent)


def take_slots(transaction: Transaction, runs: Sequence[Run], slots: int, part: str = "slots") -> None:
    """Take one of its job's slots for each of some runs of the same job."""
    first = runs[0]
    item = SlotsItem(pk=keys.job_pk(first.org, first.job), sk="SLOTS", kind="slots")
    held = SlotsItem.holders
    free = (held.does_not_exist() | (_size(held) <= slots - len(runs))) if len(runs) <= slots else _never()
    if len(runs) == 1:
        free = free | held.contains(first.run_id)
    actions = [held.add({run.run_id for run in runs}), SlotsItem.kind.set("slots")]
    transaction.update(part, item, actions, free)


def ref_item(run: RunSummary, expires_at: datetime | None) -> RunRefItem:
    """Make the item that says which job a run belongs to."""
    pk = keys.run_pk(run.org, run.run_id)
    return RunRefItem(pk=pk, sk="REF", kind="run_ref", job=run.job, expires_at=expires_at)


def root_item(run: Run, root: RunRoot, expires_at: datetime | None) -> RootItem:
    """Make the item that says which run has its files in a place."""
    return RootItem(
        pk=keys.roots_pk(run.org, root.scope),
        sk=keys.root_sk(root.name, root.path),
        kind="root",
        job=run.job,
        run_id=run.run_id,
        expires_at=expires_at,
    )


def number_item(run: RunSummary, expires_at: datetime | None) -> NumberItem:
    """Make the item that says which run has a number."""
    return NumberItem(
        pk=keys.numbers_pk(run.org),
        sk=keys.number_sk(run.number or 0),
        kind="number",
        job=run.job,
        run_id=run.run_id,
        expires_at=expires_at,
    )


def queue_item(run: Run) -> QueueItem:
    """Make the item that is a run's place in its job's queue."""
    pk = keys.job_pk(run.org, run.job)
    return QueueItem(pk=pk, sk=keys.queue_sk(run.run_id), kind="queue", run_id=run.run_id)


def attempt_item(run: Run, expires_at: datetime | None) -> AttemptItem:
    """Make the item that says which run an automatic retry is."""
    pk = keys.run_pk(run.org, run.root_run_id)
    sk = keys.attempt_sk(run.attempt)
    return AttemptItem(pk=pk, sk=sk, kind="attempt", run_id=run.run_id, expires_at=expires_at)


def event_item(event: RunEvent, expires_at: datetime | None) -> EventItem:
    """Make an entry of a run's history."""
    return EventItem(
        pk=keys.run_pk(event.org, event.run_id),
        sk=keys.event_sk(event.sequence),
        kind="event",
        org=event.org,
        job=event.job,
        run_id=event.run_id,
        sequence=event.sequence,
        event=event.kind,
        state=str(event.state),
        at=event.at,
        actor=event.actor,
        applied=event.applied,
        message=event.message,
        was=event.was or None,
        expires_at=expires_at,
    )


def _never() -> Any:
    return SlotsItem.pk.exists() & SlotsItem.pk.does_not_exist()


def _size(path: Any) -> Any:
    make: Any = expressions.size  # untyped in PynamoDB
    return make(path)
