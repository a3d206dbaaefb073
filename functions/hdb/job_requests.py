"""Requests for jobs that are there: one by its id, or those that started between two moments."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hdb.errors import FailedRequestError, InvalidRequestError
from hdb.fields import MISSING
from hdb.moments import parse_moment

_NO_LIST = "there was an error searching for jobs.  Please check the log for details."
_NO_DATE = (
    "There was an error searching jobs by date: Error: Invalid '{}' date, must be in ISO-8601 format (YYYY-MM-DD){}"
)


@dataclass(frozen=True, slots=True)
class GetJob:
    """A job by its id, which may be any text: the answer is then no job at all."""

    job_id: str


@dataclass(frozen=True, slots=True)
class SearchJobs:
    """Jobs that started after one moment and before another; a job that started at either is not among them."""

    after: datetime
    before: datetime

    def matches(self, started_at: datetime) -> bool:
        """Whether a job that started then is one of them."""
        return self.after < started_at < self.before


def read_get_job(fields: Mapping[str, Any]) -> GetJob:
    """Read ``get_job``.

    Raises
    ------
    InvalidRequestError
        There is no id.
    FailedRequestError
        It is null, empty, or made of other values.
    """
    job_id = fields.get("id", MISSING)
    if job_id is MISSING:
        raise InvalidRequestError("'id' is required")
    if job_id is None or job_id == "":
        raise FailedRequestError("Invalid job ID specified.")
    if isinstance(job_id, list | Mapping):
        raise FailedRequestError(_NO_LIST)
    return GetJob(str(job_id))


def read_search_jobs(fields: Mapping[str, Any]) -> SearchJobs:
    """Read ``search_jobs_by_start_date``.

    Raises
    ------
    FailedRequestError
        A date is missing or is none.
    """
    return SearchJobs(_read_date(fields.get("from_date"), "from", "."), _read_date(fields.get("to_date"), "to", ""))


def _read_date(value: Any, name: str, stop: str) -> datetime:
    try:
        return parse_moment(value if isinstance(value, str) else "")
    except ValueError:
        raise FailedRequestError(_NO_DATE.format(name, stop)) from None
