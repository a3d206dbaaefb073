"""Says when runs are forgotten: the run, and what leads to it, all at once. DynamoDB deletes them some time after.

A success gets its end only while the runs that outlived it are as they were read, and so is it: nobody can make it its
job's last one again at the same moment.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from jobruns.run import Run, RunState, RunSummary
from jobruns.store import keys
from jobruns.store.conditional import update_if
from jobruns.store.creations import RunCreations
from jobruns.store.run_items import RunItem, course_keys
from jobruns.store.run_parts import attempt_item, number_item, ref_item, root_item
from jobruns.store.transaction import RefusedError, Transaction


class RunExpiries(RunCreations):
    """Says when runs are forgotten."""

    def mark_settled(
        self, run: Run, *, expires_at: datetime | None = None, outlived_by: Sequence[RunSummary] = ()
    ) -> bool:
        """Note that all that follows from the end of a run has been done, and when it is forgotten: one write.

        Parameters
        ----------
        run : Run
            As it ended. Nothing happens where it has been told otherwise since.
        expires_at : datetime, optional
            When it is forgotten.
        outlived_by : sequence of RunSummary
            Because of which runs that may be.

        Returns
        -------
        bool
            False when one of those is not as it was read; nothing was written.
        """
        actions: list[Action] = [RunItem.settled.set(True), RunItem.due_pk.remove(), RunItem.due_sk.remove()]
        unmoved = RunItem.version == run.version
        if expires_at is None:
            update_if(_key(run), actions, unmoved)
            return True
        refused = self._expire(run, actions, unmoved, expires_at, outlived_by)
        return not refused or "run" in refused

    def expire(self, run: RunSummary, expires_at: datetime, *, outlived_by: Sequence[RunSummary] = ()) -> bool:
        """Say when a settled run is forgotten for which nobody has said so.

        Returns
        -------
        bool
            False when it, or one of those that outlived it, is not as it was read; nothing was written.
        """
        unsaid = _as_read(run) & (RunItem.settled == True) & RunItem.expires_at.does_not_exist()  # noqa: E712 - an expression
        return not self._expire(run, [], unsaid, expires_at, outlived_by)

    def keep(self, run: RunSummary) -> bool:
        """Take back that a run is forgotten.

        Returns
        -------
        bool
            False when it is gone already.
        """
        transaction = self._begin()
        transaction.update("run", _key(run), [RunItem.expires_at.remove()], RunItem.pk.exists())
        _add_pointers(transaction, run, None)
        try:
            transaction.commit()
        except RefusedError:
            return False
        return True

    def _expire(
        self,
        run: RunSummary,
        actions: Sequence[Action],
        condition: Condition,
        expires_at: datetime,
        outlived_by: Sequence[RunSummary],
    ) -> set[str]:
        """Write it, and give the names of the parts that were refused."""
        transaction = self._begin()
        transaction.update("run", _key(run), [*actions, RunItem.expires_at.set(expires_at)], condition)
        _add_pointers(transaction, run, expires_at)
        for place, other in enumerate(outlived_by):
            transaction.check(f"outlived by {place}", _key(other), _as_read(other))
        try:
            transaction.commit()
        except RefusedError as refusal:
            return set(refusal.parts)
        return set()


def _add_pointers(transaction: Transaction, run: RunSummary, expires_at: datetime | None) -> None:
    """Write what leads to a run anew: what DynamoDB has deleted before the run is there again."""
    transaction.put("ref", ref_item(run, expires_at))
    if run.number is not None:
        transaction.put("number", number_item(run, expires_at))
    # A summary does not say where files lie: what leads there from a success that outlived another's stays.
    if isinstance(run, Run) and run.root is not None:
        transaction.put("root", root_item(run, run.root, expires_at))
    # A summary does not say that it is of a retry: what leads to one that went well is small, and stays.
    if isinstance(run, Run) and run.root_run_id != run.run_id and run.state is not RunState.SUCCEEDED:
        transaction.put("attempt", attempt_item(run, expires_at))


def _key(run: RunSummary) -> RunItem:
    return RunItem(pk=keys.job_pk(run.org, run.job), sk=keys.run_sk(run.run_id))


def _as_read(run: RunSummary) -> Condition:
    """Demand that a run is where it was among its job's: what became of it, its start and its end."""
    condition: Condition = RunItem.pk.exists()
    for name, key in course_keys(run).items():
        attribute: Any = getattr(RunItem, name)
        condition &= attribute.does_not_exist() if key is None else attribute == key
    return condition
