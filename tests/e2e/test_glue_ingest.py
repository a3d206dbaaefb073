"""A Glue job that loads what came in since its last success, by its bookmark."""

import json
from typing import Any

import pytest
from mypy_boto3_glue import GlueClient

from jobruns.service.ports import Ports
from local.runner import Runner
from tests.e2e.door import Door, rows_csv
from tests.e2e.glue_clients import connect, wait_for_run
from tests.e2e.ledger import wait_for

ROWS = 20
"""In each file."""


class Incremental:
    """A table, and a job that loads into it what lies under a prefix and has not been loaded."""

    def __init__(self, runner: Runner, ports: Ports, glue: GlueClient, name: str) -> None:
        self.door, self.ports, self.glue = Door(runner), ports, glue
        self.job, self.table, self.prefix = name, f"{name}.rows", f"{name}/"
        self.door.make_table(name, "rows")
        arguments = {
            "--table": self.table,
            "--source": f"s3://{self.door.landing}/{self.prefix}",
            "--job-bookmark-option": "job-bookmark-enable",
        }
        limit = {"MaxConcurrentRuns": 1}
        glue.create_job(
            Name=name, Role="r", Command={"Name": "ingest"}, DefaultArguments=arguments, ExecutionProperty=limit
        )

    def drop(self, *files: int) -> None:
        """Put files where the job looks; the file n has the ids from n * `ROWS` on."""
        for number in files:
            key = f"{self.prefix}{number:03d}.csv"
            self.door.s3.put_object(Bucket=self.door.landing, Key=key, Body=rows_csv(number * ROWS, ROWS))

    def run(self) -> str:
        """Run the job to its end, and let everything follow from it; the run's id."""
        run_id = self.glue.start_job_run(JobName=self.job)["JobRunId"]
        run = wait_for_run(self.glue, self.job, run_id, 60)
        assert run["JobRunState"] == "SUCCEEDED", run
        return run_id

    def bookmark(self, run_id: str) -> Any:
        """Read the bookmark once this run has moved it."""
        return wait_for(lambda: (now := self._bookmark()) and now.get("RunId") == run_id and now)

    def _bookmark(self) -> Any:
        try:
            return self.glue.get_job_bookmark(JobName=self.job)["JobBookmarkEntry"]
        except self.glue.exceptions.EntityNotFoundException:
            return None

    def taken(self) -> dict[int, int]:
        """Tell how often each file was loaded, by its number; files are loaded wholly or not at all."""
        ids = self.door.ids(self.ports, self.table)
        times = {file: ids.count(file * ROWS) for file in sorted({number // ROWS for number in ids})}
        assert ids == sorted(
            file * ROWS + row for file, often in times.items() for row in range(ROWS) for _ in range(often)
        )
        return times


@pytest.fixture(scope="module")
def glue(runner: Runner) -> GlueClient:
    runner.wait_warm()
    return connect(runner)


@pytest.mark.slow  # tests/integration/ingest has the same without functions
def test_three_drops_are_taken_once_each_and_again_after_a_reset(
    runner: Runner, ports: Ports, glue: GlueClient
) -> None:
    load = Incremental(runner, ports, glue, "incremental")
    with pytest.raises(glue.exceptions.EntityNotFoundException, match="bookmark"):
        glue.get_job_bookmark(JobName=load.job)
    assert glue.reset_job_bookmark(JobName=load.job)["JobBookmarkEntry"]["Version"] == 0

    runs, entries = list[str](), list[Any]()
    for drop in ((0, 1), (2, 3), (4,)):
        load.drop(*drop)
        runs.append(load.run())
        entries.append(load.bookmark(runs[-1]))
    assert load.taken() == dict.fromkeys(range(5), 1)
    assert [(entry["Version"], entry["Run"], entry["Attempt"]) for entry in entries] == [
        (1, 1, 0),
        (2, 2, 0),
        (3, 3, 0),
    ]
    assert [entry.get("PreviousRunId") for entry in entries] == [None, *runs[:2]]
    assert [sum(part["count"] for part in json.loads(entry["JobBookmark"])["segments"]) for entry in entries] == [
        2,
        4,
        5,
    ]

    # Nothing new: a success that takes nothing.
    load.bookmark(load.run())
    assert load.taken() == dict.fromkeys(range(5), 1)

    rewound = glue.reset_job_bookmark(JobName=load.job, RunId=runs[0])["JobBookmarkEntry"]
    assert (rewound["Version"], rewound["Run"], rewound["RunId"]) == (5, 1, runs[0])
    assert rewound["JobBookmark"] == entries[0]["JobBookmark"]
    load.bookmark(load.run())
    assert load.taken() == {0: 1, 1: 1, 2: 2, 3: 2, 4: 2}

    empty = glue.reset_job_bookmark(JobName=load.job)["JobBookmarkEntry"]
    assert (empty["Version"], empty["Run"], empty["JobBookmark"]) == (7, 0, "{}")
    load.drop(5)
    load.bookmark(load.run())
    assert load.taken() == {0: 2, 1: 2, 2: 3, 3: 3, 4: 3, 5: 1}


def test_a_bad_option_fails_the_run_and_is_named(glue: GlueClient) -> None:
    glue.create_job(Name="bad-options", Role="r", Command={"Name": "ingest"}, DefaultArguments={"--table": "a.b"})
    with_typo = glue.start_job_run(JobName="bad-options", Arguments={"--source": "s3://landing/", "--patern": "x"})[
        "JobRunId"
    ]
    run = wait_for_run(glue, "bad-options", with_typo)
    assert run["JobRunState"] == "FAILED"
    assert "--patern" in run["ErrorMessage"]
    with pytest.raises(glue.exceptions.InvalidInputException, match="job-bookmark-option"):
        glue.start_job_run(JobName="bad-options", Arguments={"--job-bookmark-option": "on"})
