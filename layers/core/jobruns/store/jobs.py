"""Definitions of jobs."""

from collections.abc import Iterable

from pynamodb.exceptions import DoesNotExist

from jobruns.errors import AlreadyExistsError, ConflictError
from jobruns.job import Job
from jobruns.store import bookmarks, keys
from jobruns.store.definition_items import JobItem
from jobruns.store.transaction import RefusedError, TransactionalStore

_KEY_FIELDS = {"org", "name", "version"}


class Jobs(TransactionalStore):
    """Reads and writes jobs. A job's item lies beside its runs; a second one lists it under its org."""

    def add(self, job: Job) -> None:
        """Write a new job.

        Raises
        ------
        AlreadyExistsError
            The org has a job of this name.
        """
        transaction = self._begin()
        transaction.put("job", _item(job), JobItem.pk.does_not_exist())
        transaction.put("listed", _listed(job))
        try:
            transaction.commit()
        except RefusedError:
            raise AlreadyExistsError(f"a job named {job.name!r} exists already", field="name") from None

    def change(self, job: Job) -> None:
        """Replace a job whose version is one more than that stored.

        Raises
        ------
        ConflictError
            It was changed or deleted in the meantime.
        """
        transaction = self._begin()
        transaction.put("job", _item(job), JobItem.version == job.version - 1)
        transaction.put("listed", _listed(job))
        try:
            transaction.commit()
        except RefusedError:
            raise ConflictError(f"the job {job.name!r} was changed in the meantime; read it and try again") from None

    def remove(self, job: Job) -> None:
        """Delete a job's definition and its bookmark. Its runs stay: history is not rewritten."""
        transaction = self._begin()
        transaction.delete("job", _item(job))
        transaction.delete("listed", _listed(job))
        bookmarks.delete_in(transaction, job.org, job.name)
        transaction.commit()

    def get(self, org: str, name: str) -> Job | None:
        """Read a job, consistently: one read."""
        try:
            return _read(org, JobItem.get(keys.job_pk(org, name), "JOB", consistent_read=True))
        except DoesNotExist:
            return None

    def many(self, org: str, names: Iterable[str]) -> dict[str, Job]:
        """Read the jobs of these names, consistently; what is not there is left out."""
        wanted = [(keys.job_pk(org, name), "JOB") for name in names]
        return {item.name: _read(org, item) for item in JobItem.batch_get(wanted, consistent_read=True)}

    def page(self, org: str, *, after: str | None = None, limit: int = 1000) -> list[Job]:
        """Read jobs by name, consistently, at most `limit`, beginning after the name `after`."""
        pk = keys.jobs_pk(org)
        start = {"pk": {"S": pk}, "sk": {"S": after}} if after else None
        found = JobItem.query(pk, consistent_read=True, limit=limit, last_evaluated_key=start)
        return [_read(org, item) for item in found]


def _item(job: Job) -> JobItem:
    definition = job.model_dump(mode="json", exclude=_KEY_FIELDS)
    return JobItem(
        pk=keys.job_pk(job.org, job.name),
        sk="JOB",
        kind="job",
        name=job.name,
        version=job.version,
        definition=definition,
    )


def _listed(job: Job) -> JobItem:
    item = _item(job)
    item.pk, item.sk, item.kind = keys.jobs_pk(job.org), job.name, "listed_job"
    return item


def _read(org: str, item: JobItem) -> Job:
    return Job.model_validate({**item.definition, "org": org, "name": item.name, "version": int(item.version)})
