"""Which source has the rows of a relation."""

from collections.abc import Mapping

from pgrest.job_plans import JobSource
from pgrest.jobs import JOBS
from pgrest.plans import Source
from pgrest.run_plans import RunSource
from pgrest.runs import RUNS

SOURCES: Mapping[str, Source] = {
    JOBS.name: JobSource(),
    RUNS.name: RunSource(),
}
