"""Accesses to whole runs: by their ids, of a job newest first, in one state newest first."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from jobruns.errors import NotFoundError
from jobruns.run import Run, RunState
from jobruns.service.lookups import find_run, find_runs, list_job_runs, list_runs
from pgrest.accesses import MAX_BATCH, OfJob, Whole, page_sizes, read_pages
from pgrest.admission import Caller
from pgrest.plans import Meter


@dataclass(frozen=True, slots=True)
class ByIds:
    """The runs with some ids, in the order of the ids, consistently: two reads each, or a batch where the job is known.

    An id may be any text; what is no run's leads nowhere.
    """

    ids: tuple[str, ...]
    job: str | None = None

    def read(self, caller: Caller, meter: Meter, batch: int) -> Iterator[Run]:
        """Read the runs."""
        if self.job is None:
            yield from self._read_each(caller, meter)
            return
        ids = iter(self.ids)
        for size in page_sizes(batch):
            wanted = list(islice(ids, min(size, MAX_BATCH)))
            if not wanted:
                return
            meter.examine(len(wanted))
            found = find_runs(caller.ports, caller.principal, [(self.job, run_id) for run_id in wanted])
            yield from (found[run_id] for run_id in wanted if run_id in found)

    def _read_each(self, caller: Caller, meter: Meter) -> Iterator[Run]:
        for run_id in self.ids:
            meter.examine(1)
            try:
                yield find_run(caller.ports, caller.principal, run_id)
            except NotFoundError:
                continue


@dataclass(frozen=True, slots=True)
class WholeOfJob:
    """The runs another access reads of a job's index, in its order, each with all that there is of it, consistently."""

    indexed: OfJob

    def read(self, caller: Caller, meter: Meter, batch: int) -> Iterator[Run]:
        """Read the runs."""
        return Whole(self.indexed).read(caller, meter, batch)

    def count(self, caller: Caller) -> int | None:
        """Count the runs by the index alone."""
        return self.indexed.count(caller)


@dataclass(frozen=True, slots=True)
class NewestOfJob:
    """A job's runs, also those that have no number, from the last id to the first, consistently."""

    job: str

    def read(self, caller: Caller, meter: Meter, batch: int) -> Iterator[Run]:
        """Read the runs."""

        def fetch(limit: int, token: str | None) -> tuple[list[Run], str | None]:
            page = list_job_runs(caller.ports, caller.principal, self.job, limit=limit, token=token)
            return page.runs, page.next_token

        return read_pages(fetch, meter, batch)


@dataclass(frozen=True, slots=True)
class NewestInState:
    """An org's runs in one state, from the last start to the first; a moment late, but as they are now."""

    state: RunState
    since: datetime | None = None
    until: datetime | None = None

    def read(self, caller: Caller, meter: Meter, batch: int) -> Iterator[Run]:
        """Read the runs."""

        def fetch(limit: int, token: str | None) -> tuple[list[Run], str | None]:
            bounds = {"since": self.since, "until": self.until}
            page = list_runs(caller.ports, caller.principal, **bounds, state=self.state, limit=limit, token=token)
            return page.runs, page.next_token

        return read_pages(fetch, meter, batch, MAX_BATCH)
