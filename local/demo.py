"""``python -m local demo``: the whole service once through, on real data, with every result checked.

The data is `vega_datasets`' record of Seattle's temperature, hour by hour, which lies in the package: no network is
needed. Ten months are loaded as a batch job over HTTP, the last two by dropping their files into the landing bucket.
Then a script looks at the files, as a job of the Glue door, and another, which runs elsewhere, logs its run over HTTP.
"""

import itertools
import json
import logging
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import urllib3
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from vega_datasets import local_data

from local.demo_jobs import show_jobs
from local.demo_log import show_log
from local.errors import DemoError, LocalError
from local.runner import Runner

_LOG = logging.getLogger(__name__)

PIPE_WIDTH = 120
STEP_SECONDS = 120.0
"""Each step takes some seconds; one that takes this long hangs."""

POLL_SECONDS = 0.1
BATCH_MONTHS = 10
SHOWN_ROWS = 5

COLUMNS: list[dict[str, Any]] = [
    {
        "name": "measured_at",
        "datatype": {
            "type": "datetime",
            "primary": True,
            "format": "2006/01/02 15:04",
            "source": {"from_input_field": "date"},
        },
    },
    {"name": "fahrenheit", "datatype": {"type": "double", "source": {"from_input_field": "temp"}}},
]


class Door:
    """Speaks to the hydrolix door.

    Parameters
    ----------
    url, org, token : str
        As the runner's environment has them.
    """

    def __init__(self, url: str, org: str, token: str) -> None:
        self._base = f"{url}/config/v1/orgs/{org}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=35), retries=False)

    def post(self, path: str, document: dict[str, Any] | None = None) -> Any:
        """Send a POST, with a document or without.

        Raises
        ------
        DemoError
            It was not answered with 200 or 201.
        """
        answer = self._http.request("POST", self._base + path, json=document, headers=self._headers)
        if answer.status not in (200, 201):
            raise DemoError(f"POST {path} was answered with {answer.status}: {answer.data.decode()[:500]}")
        return answer.json()


class Demo:
    """One demonstration.

    Parameters
    ----------
    runner : Runner
        The service, running.
    console : Console
        Where it is shown.
    """

    def __init__(self, runner: Runner, console: Console) -> None:
        self._runner = runner
        self._console = console
        self._bucket = runner.env["JOBRUNS_LANDING_BUCKET"]

    def run(self) -> None:
        """Do all of it.

        Raises
        ------
        DemoError
            A run failed, rows are missing, or a step takes too long.
        """
        months = list(_split_by_month(Path(local_data.seattle_temps.filepath)))
        batch, uploads = dict(months[:BATCH_MONTHS]), dict(months[BATCH_MONTHS:])

        org, key = self._make_org()
        door = Door(self._runner.url, org, key["token"])
        self._say(f"made the org {org} and its key, by the command line")
        table = self._make_table(door, org)
        self._say("made the project weather, the table hourly and its transform, over HTTP")

        self._put(batch, f"{org}/history/")
        self._say(f"put {len(batch)} files, {_count_rows(batch):,} rows, into the landing bucket")
        run_id = self._load(door, f"s3://{self._bucket}/{org}/history/", _count_rows(batch))
        self._put(uploads, f"{org}/incoming/")
        self._say(f"dropped {len(uploads)} files, {_count_rows(uploads):,} rows, where uploads are watched for")
        run_ids = self._watch_uploads(org, _count_rows(uploads))

        for finished in (run_id, *run_ids):
            self._console.print()
            self._console.rule(f"jobruns runs show {finished}", align="left", style="dim")
            self._console.out(self._command("runs", "show", finished, "--org", org), highlight=False, end="")
        self._read_back(table, _count_rows(dict(months)))
        show_jobs(
            self._runner,
            key_id=key["key_id"],
            secret=key["secret"],
            prefix=f"{org}/history/",
            rows=_count_rows(batch),
            say=self._say,
            polls=_polls,
        )
        loaded = {"weather.hourly": _count_rows(dict(months))}
        show_log(self._runner, token=key["token"], loaded=loaded, say=self._say)

    def _say(self, what: str) -> None:
        say(self._console, what)

    def _command(self, *arguments: str) -> str:
        """Run the command line, which finds the service by the variables in ``jobruns.env``."""
        done = subprocess.run(
            [sys.executable, "-m", "jobruns_cli.main", *arguments],
            env={**self._runner.env, "COLUMNS": str(self._console.width)},
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise DemoError(f"jobruns {' '.join(arguments)} failed: {done.stderr.strip()}")
        return str(done.stdout)

    def _make_org(self) -> tuple[str, dict[str, str]]:
        """Make an org: it is there as soon as it has a key, which is given as id, secret and token."""
        org = str(uuid.uuid4())
        made: dict[str, str] = json.loads(
            self._command("keys", "create", "--org", org, "--role", "admin", "--expires-in", "1d", "--json")
        )
        return org, made

    def _make_table(self, door: Door, org: str) -> str:
        """Make a table that also watches for uploads; give its uuid."""
        project = door.post("/projects/", {"name": "weather"})["uuid"]
        watch = {"enabled": True, "pattern": f"^s3://{self._bucket}/{org}/incoming/.*\\.csv$"}
        document = {"name": "hourly", "settings": {"autoingest": [watch]}}
        table = str(door.post(f"/projects/{project}/tables/", document)["uuid"])
        door.post(
            f"/projects/{project}/tables/{table}/transforms/",
            {"name": "seattle", "type": "csv", "settings": {"is_default": True, "output_columns": COLUMNS}},
        )
        return table

    def _put(self, files: dict[str, str], prefix: str) -> None:
        s3 = self._runner.client("s3")
        for name, text in files.items():
            s3.put_object(Bucket=self._bucket, Key=prefix + name, Body=text.encode())

    def _load(self, door: Door, url: str, rows: int) -> str:
        """Load by a batch job, each file a task of its own; give the run's id."""
        source = {
            "table": "weather.hourly",
            "type": "batch",
            "subtype": "aws s3",
            "transform": "seattle",
            "settings": {"url": url},
        }
        job = door.post(
            "/jobs/batch",
            {
                "name": "Seattle, January to October 2010",
                "type": "batch_import",
                "settings": {"input_aggregation": 1, "source": source},
            },
        )
        with self._bar("batch job") as advance:
            for _ in _polls("the batch job"):
                (shown,) = door.post(f"/jobs/batch/{job['uuid']}/status")
                details = shown["details"]
                advance(float(details["status_detail"]["percent_complete"]), shown["status"])
                if shown["status"] not in ("ready", "running"):
                    break
        if shown["status"] != "done":
            raise DemoError(f"the batch job is {shown['status']}: {'; '.join(details['errors']) or 'no reason given'}")
        _expect("rows loaded by the batch job", details["rows_loaded"], rows)
        return str(details["job_id"])

    def _watch_uploads(self, org: str, rows: int) -> list[str]:
        """Wait for the runs that uploads start, usually one; give their ids."""
        runs: list[dict[str, Any]] = []
        with self._bar("uploads") as advance:
            for _ in _polls("loading the uploads"):
                listed = json.loads(self._command("runs", "list", "--org", org, "--job", "weather.hourly", "--json"))
                runs = [run for run in listed if run["trigger"] == "upload"]
                ended = [run for run in runs if run["ended_at"]]
                failed = [run for run in ended if run["state"] != "SUCCEEDED"]
                if failed:
                    raise DemoError(f"the run {failed[0]['run_id']} is {failed[0]['state']}: {failed[0]['message']}")
                loaded = sum(run["progress"]["rows_loaded"] for run in runs)
                advance(loaded / rows, runs[0]["state"].lower() if runs else "gathering")
                if len(ended) == len(runs) and loaded >= rows:
                    break
        _expect("rows loaded by uploads", loaded, rows)
        return [run["run_id"] for run in runs]

    def _read_back(self, table: str, rows: int) -> None:
        """Read the table as any Iceberg reader does: by the catalog, where its name ends as its uuid does."""
        from pyiceberg.catalog import load_catalog

        env = self._runner.env
        access = {
            "region": env["AWS_DEFAULT_REGION"],
            "access-key-id": env["AWS_ACCESS_KEY_ID"],
            "secret-access-key": env["AWS_SECRET_ACCESS_KEY"],
            "endpoint": env["AWS_ENDPOINT_URL"],
        }
        settings = {f"{service}.{name}": value for service in ("glue", "s3") for name, value in access.items()}
        catalog = load_catalog("lake", type="glue", **settings)
        names = (name for database in catalog.list_namespaces() for name in catalog.list_tables(database))
        (name,) = (name for name in names if name[-1].endswith(table[-8:]))
        found = catalog.load_table(name).scan().to_arrow().sort_by("measured_at")
        _expect("rows in the table", found.num_rows, rows)
        _expect("hours in the table", len(set(found["measured_at"].to_pylist())), rows)

        shown = Table()
        for column in found.column_names:
            shown.add_column(column)
        for row in found.slice(0, SHOWN_ROWS).to_pylist():
            shown.add_row(*(str(value) for value in row.values()))
        self._console.print()
        self._say(f"read {found.num_rows:,} rows back by PyIceberg from {'.'.join(name)}, the first of which are")
        self._console.print(shown)

    def _bar(self, what: str) -> "_Bar":
        return _Bar(self._console, what)


class _Bar:
    """A progress bar; where there is no terminal, a line when the state changes."""

    def __init__(self, console: Console, what: str) -> None:
        self._what = what
        self._state = ""
        self._console = console
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(what, total=1.0, state="")

    def __enter__(self) -> Callable[[float, str], None]:
        self._progress.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _advance(self, fraction: float, state: str) -> None:
        self._progress.update(self._task, completed=fraction, state=state)
        if state != self._state and not self._console.is_terminal:
            self._console.print(f"  {self._what}: {state}, {fraction:.0%}", highlight=False)
        self._state = state


def show(template: Path, state: Path) -> None:
    """Start the service on free ports and demonstrate it.

    Parameters
    ----------
    template : path
        template.yaml.
    state : path
        The runner's state directory.

    Raises
    ------
    LocalError
        It cannot start, or something came out otherwise than it should.
    """
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    began = time.monotonic()
    try:
        with Runner(template, state, record_calls=False) as runner:
            say(console, f"started the service at {runner.url}")
            Demo(runner, console).run()
    except LocalError:
        raise
    except Exception as error:
        _LOG.info("the demonstration failed", exc_info=True)
        raise DemoError(f"{type(error).__name__}: {' '.join(str(error).split())}") from error
    say(console, f"stopped the service; all of it took {time.monotonic() - began:.0f} seconds")


def say(console: Console, what: str) -> None:
    """Tell of a step that is done."""
    console.print(Text.assemble(("✓ ", "green"), what), soft_wrap=True)


def _split_by_month(path: Path) -> Iterator[tuple[str, str]]:
    """Cut the file into one a month, each with the header, as a station would deliver them."""
    header, *lines = path.read_text().splitlines()
    for month, rows in itertools.groupby(lines, key=lambda line: line[:7]):
        yield f"{month.replace('/', '-')}.csv", "\n".join([header, *rows, ""])


def _count_rows(files: dict[str, str]) -> int:
    return sum(text.count("\n") - 1 for text in files.values())


def _polls(what: str) -> Iterator[None]:
    """Say when to look again; a step that does not come to its end ends here."""
    end = time.monotonic() + STEP_SECONDS
    while time.monotonic() < end:
        yield
        time.sleep(POLL_SECONDS)
    raise DemoError(f"{what} did not end within {STEP_SECONDS:.0f} seconds")


def _expect(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise DemoError(f"{what}: {found:,}, but there should be {wanted:,}")
