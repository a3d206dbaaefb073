"""Numbers of runs: given out by one counter, and where each leads."""

from collections.abc import Iterable

from pynamodb.exceptions import DoesNotExist

from jobruns.run import Run
from jobruns.service.store_ports import Page
from jobruns.store import keys
from jobruns.store.positions import read_position, write_position
from jobruns.store.queries import RunReads
from jobruns.store.run_items import RunItem, read_run
from jobruns.store.run_part_items import CounterItem, NumberItem


class NumberedRuns(RunReads):
    """Gives numbers out and reads runs by them, consistently."""

    def reserve_numbers(self, org: str, count: int = 1) -> int:
        """Take the next `count` numbers of an org: one write.

        Returns
        -------
        int
            The first of them. A write whose answer is lost leaves a gap.
        """
        counter = CounterItem(pk=keys.counter_pk(org), sk="RUN")
        counter.update(actions=[CounterItem.last.add(count), CounterItem.kind.set("counter")])
        return int(counter.last) - count + 1

    def by_number(self, org: str, number: int) -> Run | None:
        """Read the run that has a number: two reads."""
        try:
            item = NumberItem.get(keys.numbers_pk(org), keys.number_sk(number), consistent_read=True)
        except DoesNotExist:
            return None
        return self.get(org, item.job, item.run_id)

    def by_numbers(self, org: str, numbers: Iterable[int]) -> dict[int, Run]:
        """Read the runs that have some numbers, by number, in two batches; what is not there is left out."""
        wanted = [(keys.numbers_pk(org), keys.number_sk(number)) for number in dict.fromkeys(numbers)]
        if not wanted:
            return {}
        return self._runs(org, NumberItem.batch_get(wanted, consistent_read=True))

    def number_range(
        self, org: str, *, low: int, high: int, ascending: bool, limit: int, position: str | None = None
    ) -> Page:
        """Read a page of the runs with numbers from `low` to `high`, both included: one query and one batch."""
        scope = f"numbers {org} {low} {high} {ascending}"
        if position is not None:
            behind = int(read_position(scope, position, digits=True))
            low, high = (max(low, behind + 1), high) if ascending else (low, min(high, behind - 1))
        if low > high:
            return Page([], None)
        found = list(
            NumberItem.query(
                keys.numbers_pk(org),
                NumberItem.sk.between(keys.number_sk(low), keys.number_sk(high)),
                consistent_read=True,
                scan_index_forward=ascending,
                limit=limit,
                page_size=limit,
            )
        )
        more = write_position(scope, str(int(found[-1].sk))) if len(found) == limit else None
        runs = self._runs(org, found)
        return Page([runs[number] for item in found if (number := int(item.sk)) in runs], more)

    def _runs(self, org: str, items: Iterable[NumberItem]) -> dict[int, Run]:
        refs = [(keys.job_pk(org, item.job), keys.run_sk(item.run_id)) for item in items]
        if not refs:
            return {}
        runs = (read_run(item) for item in RunItem.batch_get(refs, consistent_read=True))
        return {run.number: run for run in runs if run.number is not None}
