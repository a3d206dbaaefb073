"""Reads of runs: by id, by job, by time, by state, and what is due."""

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition

from jobruns.errors import InvalidInputError
from jobruns.run import Run, RunEvent, RunRoot, RunState
from jobruns.service.store_ports import Page, RunRef
from jobruns.store import keys
from jobruns.store.run_items import RunItem, read_run
from jobruns.store.run_part_items import AttemptItem, EventItem, RootItem, RunRefItem

MAX_PAGE = 1000

MAX_KEY_CHARACTERS = 1024
"""Of any part of a run's keys; DynamoDB takes sort keys of 1,024 bytes and partition keys of 2,048."""


class RunReads:
    """Reads runs. What is read by key is read consistently."""

    def get(self, org: str, job: str, run_id: str) -> Run | None:
        """Read a run whose job is known: one read."""
        try:
            return read_run(RunItem.get(keys.job_pk(org, job), keys.run_sk(run_id), consistent_read=True))
        except DoesNotExist:
            return None

    def ref(self, org: str, run_id: str) -> RunRef | None:
        """Look up which job a run belongs to: one read."""
        try:
            item = RunRefItem.get(keys.run_pk(org, run_id), "REF", consistent_read=True)
        except DoesNotExist:
            return None
        return RunRef(None if item.abandoned else item.job)

    def find(self, org: str, run_id: str) -> Run | None:
        """Read a run by its id alone: two reads."""
        ref = self.ref(org, run_id)
        return self.get(org, ref.job, run_id) if ref and ref.job else None

    def attempt(self, org: str, job: str, root_run_id: str, attempt: int) -> Run | None:
        """Read an automatic retry of a run by its number: two reads."""
        try:
            item = AttemptItem.get(keys.run_pk(org, root_run_id), keys.attempt_sk(attempt), consistent_read=True)
        except DoesNotExist:
            return None
        return self.get(org, job, item.run_id)

    def rooted(self, org: str, root: RunRoot) -> Run | None:
        """Read the run that has its files in a place: two reads."""
        try:
            item = RootItem.get(
                keys.roots_pk(org, root.scope), keys.root_sk(root.name, root.path), consistent_read=True
            )
        except DoesNotExist:
            return None
        return self.get(org, item.job, item.run_id)

    def named(self, org: str, scope: str, name: str, limit: int) -> list[Run]:
        """Read the runs of a scope that are called so, consistently, at most `limit`: one query and one batch."""
        found = RootItem.query(
            keys.roots_pk(org, scope), RootItem.sk.startswith(keys.root_sk(name)), consistent_read=True, limit=limit
        )
        return self._batch([(keys.job_pk(org, item.job), keys.run_sk(item.run_id)) for item in found])

    def of_job(self, org: str, job: str, *, limit: int, token: str | None = None) -> Page:
        """Read a page of a job's runs, newest first: one query that reads only the page, and whether one follows."""
        pk = keys.job_pk(org, job)
        found = RunItem.query(
            pk,
            RunItem.sk.startswith("RUN#"),
            consistent_read=True,
            scan_index_forward=False,
            limit=limit + 1,
            page_size=limit + 1,
            last_evaluated_key=_read_token(token, "pk", pk),
        )
        runs = [read_run(item) for item in found]
        page = runs[:limit]
        last = {"pk": {"S": pk}, "sk": {"S": keys.run_sk(page[-1].run_id)}} if len(runs) > limit else None
        return Page(page, _write_token(last))

    def of_org(
        self,
        org: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        state: RunState | None = None,
        limit: int,
        token: str | None = None,
    ) -> Page:
        """Read a page of all runs of an org by their start, newest first, of one state if asked.

        One query of an index of keys and one consistent batch read: a run may be missing for the moment it takes an
        index to follow, but what is shown is as it is now.
        """
        index: Any
        if state is None:
            index, pk, sk = RunItem.gsi_time, keys.time_pk(org), RunItem.time_sk
        else:
            index, pk, sk = RunItem.gsi_state, keys.state_pk(org, state), RunItem.state_sk
        found = index.query(
            pk,
            _between(sk, since, until),
            scan_index_forward=False,
            limit=limit,
            page_size=limit,
            last_evaluated_key=_read_token(token, "time_pk" if state is None else "state_pk", pk),
        )
        wanted = [(item.pk, item.sk) for item in found]
        runs = [run for run in self._batch(wanted) if state is None or run.state is state]
        return Page(runs, _write_token(found.last_evaluated_key))

    def due(self, now: datetime, limit: int) -> Iterator[Run]:
        """Read the runs somebody must look at, at most `limit` of each shard, longest due first."""
        for shard in range(keys.DUE_SHARDS):
            found = RunItem.gsi_due.query(
                keys.due_shard_pk(shard),
                RunItem.due_sk <= keys.instant(now) + "$",
                limit=limit,
                page_size=limit,
            )
            yield from self._batch([(item.pk, item.sk) for item in found])

    def many(self, org: str, refs: Iterable[tuple[str, str]]) -> dict[str, Run]:
        """Read the runs with the given (job, run id), consistently, by run id; what is not there is left out."""
        wanted = [(keys.job_pk(org, job), keys.run_sk(run_id)) for job, run_id in refs]
        return {run.run_id: run for run in self._batch(wanted)}

    def events(self, org: str, run_id: str, *, after: int = 0, limit: int = MAX_PAGE) -> list[RunEvent]:
        """Read a run's history from the sequence `after` (exclusive) on, oldest first, consistently."""
        found = EventItem.query(
            keys.run_pk(org, run_id),
            EventItem.sk.between(keys.event_sk(after + 1), "EVENT#~"),
            consistent_read=True,
            limit=limit,
        )
        return [_read_event(item) for item in found]

    def _batch(self, wanted: list[tuple[str, str]]) -> list[Run]:
        """Read the runs with the given keys, consistently, in their order; what is not there is left out."""
        if not wanted:
            return []
        # A run that moves while several parts of an index are read is in two of them; DynamoDB takes each key once.
        wanted = list(dict.fromkeys(wanted))
        found = {item.run_id: read_run(item) for item in RunItem.batch_get(wanted, consistent_read=True)}
        ids = [sk.removeprefix("RUN#") for _, sk in wanted]
        return [found[run_id] for run_id in ids if run_id in found]


def _between(sk: Any, since: datetime | None, until: datetime | None) -> Condition | None:
    condition: Condition
    low = keys.instant(since) if since else None
    high = keys.instant(until) + "$" if until else None  # "$" follows "#": the whole of that microsecond is in
    if low and high:
        condition = sk.between(low, high)
        return condition
    if low:
        condition = sk >= low
        return condition
    return sk <= high if high else None


def _write_token(key: dict[str, Any] | None) -> str | None:
    if not key:
        return None
    plain = {name: value["S"] for name, value in key.items()}
    return base64.urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).decode()


def _read_token(token: str | None, partition: str, value: str) -> dict[str, Any] | None:
    if token is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError:  # also what is no base64, or no UTF-8
        key = None
    # DynamoDB must be able to take it for a key of a run: what it refuses would be a fault of ours.
    names = {"pk", "sk", partition, partition.replace("pk", "sk")}
    whole = isinstance(key, dict) and key.keys() == names and all(_may_be_key(part) for part in key.values())
    if not whole or key[partition] != value or not key["sk"].startswith("RUN#"):
        raise InvalidInputError("the continuation token is not one of this list's; begin again without it")
    return {name: {"S": part} for name, part in key.items()}


def _may_be_key(part: Any) -> bool:
    return isinstance(part, str) and len(part) <= MAX_KEY_CHARACTERS


def _read_event(item: EventItem) -> RunEvent:
    return RunEvent(
        org=item.org,
        job=item.job,
        run_id=item.run_id,
        sequence=int(item.sequence),
        kind=item.event,
        state=RunState(item.state),
        at=item.at,
        actor=item.actor,
        applied=item.applied,
        message=item.message,
        was=item.was or {},
    )
