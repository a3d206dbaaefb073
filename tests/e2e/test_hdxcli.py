"""hdxcli, unmodified, does all it can do with batch ingest, and what it says is so in the ledger and in the lake."""

import ast
import gzip
import json
import re
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from jobruns.access import Role
from jobruns.bootstrap import load_master, load_store, utc_now
from jobruns.errors import NotFoundError
from jobruns.run import RunState
from jobruns.service.keys import create_key
from jobruns.service.lookups import list_job_runs
from jobruns.service.ports import Ports
from jobruns.service.tables import find_table_by_name
from local.runner import Runner
from tests.e2e.door import COLUMNS, Door, rows_csv
from tests.e2e.hdxcli import ENTER, UP, Hdxcli, Terminal, host_of
from tests.e2e.ledger import admin_of, wait_for

STAGE = "local"


@pytest.fixture(scope="module")
def door(runner: Runner) -> Door:
    runner.wait_warm()
    return Door(runner)


@pytest.fixture(scope="module")
def cli(runner: Runner, door: Door, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hdxcli]:
    """The client, logged in."""
    host = host_of(runner)
    profiles = ("default", "wrong", "token", "person", "account")
    hosts = {**dict.fromkeys(profiles, host), "staged": f"{host}/{STAGE}", "nowhere": f"{host}/nowhere"}
    with Hdxcli(tmp_path_factory.mktemp("hdxcli"), hosts) as started:
        assert started(*login(runner), "project", "list")
        yield started


def login(runner: Runner) -> tuple[str, ...]:
    return ("--username", runner.env["JOBRUNS_KEY_ID"], "--password", runner.env["JOBRUNS_SECRET"])


def write(folder: Path, document: dict[str, Any]) -> str:
    path = folder / f"{uuid.uuid4()}.json"
    path.write_text(json.dumps(document))
    return str(path)


def transform(**settings: Any) -> dict[str, Any]:
    return {"type": "csv", "settings": {"output_columns": COLUMNS, "format_details": {}, **settings}}


def batch(table: str, place: dict[str, str], **settings: Any) -> dict[str, Any]:
    kind = {"type": "batch", "subtype": "aws s3"} if "url" in place else {}
    return {"type": "batch_import", "settings": {**settings, "source": {**kind, "table": table, "settings": place}}}


def rows_of(listed: str) -> dict[str, list[str]]:
    """Read the table that a list is printed as: the words of each row by its first one."""
    return {line.split()[0]: line.split()[1:] for line in listed.splitlines()[1:] if line.strip()}


def shown(cli: Hdxcli, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(cli(*arguments))
    return document


def test_login_keeps_a_token_of_a_day_and_not_the_secret(cli: Hdxcli, runner: Runner) -> None:
    cli("project", "create", "hdx-login")
    session = (cli.config / "default").read_text()
    assert runner.env["JOBRUNS_SECRET"] not in session
    assert f'org_id = "{runner.env["JOBRUNS_ORG"]}"' in session
    assert "hdx-login" in rows_of(cli("project", "list"))
    wrong = cli.refused(
        "--profile", "wrong", "--username", runner.env["JOBRUNS_KEY_ID"], "--password", "x", "project", "list"
    )
    assert wrong == "Error: Invalid credentials.\n"
    assert not (cli.config / "wrong").exists()


def test_an_access_token_needs_no_login(cli: Hdxcli, runner: Runner) -> None:
    found = re.search(r'auth_token = "(.+)"', (cli.config / "default").read_text())
    assert found
    cli("project", "create", "hdx-token")
    for token in (found[1], runner.env["JOBRUNS_TOKEN"]):
        assert "hdx-token" in rows_of(cli("--profile", "token", "--access-token", token, "project", "list"))
    assert not (cli.config / "token").exists()
    assert "expired" in cli.refused("--profile", "token", "--access-token", "no.such.token", "project", "list")


def test_a_stage_in_the_host_name_comes_first_in_every_path(cli: Hdxcli, runner: Runner, door: Door) -> None:
    cli("--profile", "staged", *login(runner), "project", "create", "hdx-staged")
    project = shown(cli, "--profile", "staged", "project", "show", "hdx-staged")
    assert project["url"].startswith(f"{runner.url}/{STAGE}/config/v1/orgs/{door.org}/projects/{project['uuid']}")
    assert shown(cli, "project", "show", "hdx-staged")["url"] == project["url"].replace(f"/{STAGE}/", "/", 1)
    staged = ("--profile", "staged", "table", "--project", "hdx-staged")
    assert cli(*staged, "create", "rows") == "Created table rows\n"
    assert "settings.merge.enabled" in cli(*staged, "--table", "rows", "settings")
    assert cli(*staged, "delete", "--disable-confirmation-prompt", "rows") == "Deleted rows\n"
    assert "not found" in cli.refused("--profile", "nowhere", *login(runner), "project", "list")


def test_streamed_events_are_not_taken_which_is_said_in_json(runner: Runner) -> None:
    for stage in ("", f"/{STAGE}"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{runner.url}{stage}/ingest/event", data=b"{}", timeout=20)
        assert (refused.value.code, json.loads(refused.value.read())) == (404, {"message": "Not Found"})


def test_glues_clients_sign_the_path_with_its_stage(runner: Runner) -> None:
    glue = boto3.client(
        "glue",
        region_name="us-east-1",
        endpoint_url=f"{runner.url}/{STAGE}/glue",
        aws_access_key_id=runner.env["JOBRUNS_KEY_ID"],
        aws_secret_access_key=runner.env["JOBRUNS_SECRET"],
        aws_session_token="",
    )
    glue.create_job(Name="hdx-staged-job", Role="none", Command={"Name": "noop"})
    assert "hdx-staged-job" in glue.list_jobs()["JobNames"]


def test_projects_tables_and_transforms_from_creation_to_deletion(
    cli: Hdxcli, door: Door, ports: Ports, tmp_path: Path
) -> None:
    cli("project", "create", "hdx-site")
    project = ("project", "--project", "hdx-site")
    table = ("table", "--project", "hdx-site", "--table", "rows")
    named = ("transform", "--project", "hdx-site", "--table", "rows", "--transform", "second")
    cli(*project, "settings", "settings.default_query_options.hdx_query_max_rows", "5")
    assert cli(*project, "settings", "settings.default_query_options") == (
        "settings.default_query_options: {'hdx_query_max_rows': 5}\n"
    )
    assert "Name cannot be changed" in cli.refused(*project, "settings", "name", "other")
    listed = rows_of(cli(*project, "settings"))
    assert (listed["name"], listed["settings.blob"]) == (["string", '"hdx-site"'], ["field", "null"])

    cli("table", "--project", "hdx-site", "create", "rows")
    wish = [{"enabled": True, "pattern": "^s3://nowhere/hdx/.*", "max_rows_per_partition": 7}]
    assert cli(*table, "settings", "settings.autoingest", json.dumps(wish)) == "Updated rows settings.autoingest\n"
    printed = cli(*table, "settings", "settings.autoingest").removeprefix("settings.autoingest: ")
    assert ast.literal_eval(printed)[0].items() >= wish[0].items()
    cli(*table, "settings", "settings.age.max_age_days", "30")
    cli(*table, "settings", "settings.own.limit", "7")  # there is no such key, so this is a PATCH with text
    listed = rows_of(cli(*table, "settings"))
    assert listed["settings.age.max_age_days"] == ["integer", "30"]
    assert listed["settings.autoingest"][0] == "list"
    assert {"url", "created", "primary_key"}.isdisjoint(listed), "what is read-only is no setting"
    assert shown(cli, *table, "show", "rows")["settings"]["own"] == {"limit": "7"}

    create = ("transform", "--project", "hdx-site", "--table", "rows", "create")
    assert cli(*create, "first", "-f", write(tmp_path, transform())) == "Created transform first\n"
    cli(*create, "second", "-f", write(tmp_path, transform(compression="gzip")))
    assert "null_values must be a list" in cli.refused(*create, "x", "-f", write(tmp_path, transform(null_values="-")))
    cli(*named, "settings", "settings.null_values", '["-", "^"]')
    cli(*named, "settings", "settings.format_details.skip_head", "2")
    cli(*named, "settings", "settings.is_default", "true")
    cli(*named, "settings", "settings.format_details.flattening.active", "false")
    assert "skip_head must be a whole number" in cli.refused(
        *named, "settings", "settings.format_details.skip_head", "x"
    )
    settings = shown(cli, *named, "show", "second")["settings"]
    assert (settings["null_values"], settings["is_default"]) == (["-", "^"], True)
    assert settings["format_details"] == {"skip_head": 2, "flattening": {"active": False}}
    assert rows_of(cli(*named, "settings"))["settings.format_details.skip_head"] == ["integer", "2"]
    assert rows_of(cli(*named[:-2], "list")).keys() >= {"first", "second"}
    assert "second (default)" in cli(*named[:-2], "list")

    activity = cli("table", "--project", "hdx-site", "activity", "rows")
    assert re.search(rf"{door.runner.env['JOBRUNS_KEY_ID']} +create table rows", activity)
    assert "update transform second" in activity
    assert "create table rows" in cli("project", "activity", "hdx-site")
    assert re.search(r"Tables: +1", cli("project", "stats", "hdx-site"))

    yes = ("delete", "--disable-confirmation-prompt")
    assert "still has tables" in cli.refused("project", *yes, "hdx-site")
    cli("transform", "--project", "hdx-site", "--table", "rows", *yes, "second")
    assert "first (default)" in cli("transform", "--project", "hdx-site", "--table", "rows", "list")
    assert cli("table", "--project", "hdx-site", *yes, "rows") == "Deleted rows\n"
    with pytest.raises(NotFoundError):
        find_table_by_name(ports, admin_of(door.runner), "hdx-site.rows")
    assert cli("project", *yes, "hdx-site") == "Deleted hdx-site\n"
    assert "not found" in cli.refused("project", "show", "hdx-site")


def test_batch_jobs_of_both_source_shapes_from_ingest_to_purge(
    cli: Hdxcli, door: Door, ports: Ports, tmp_path: Path
) -> None:
    name, admin = "hdx-batch.rows", admin_of(door.runner)
    door.make_table("hdx-batch", "rows", compression="gzip")
    part = {"hdx/a/1.csv.gz": rows_csv(0, 50), "hdx/a/2.csv.gz": b"not packed", "hdx/b/3.csv.gz": rows_csv(100, 50)}
    for key, body in part.items():
        door.s3.put_object(Bucket=door.landing, Key=key, Body=body if key == "hdx/a/2.csv.gz" else gzip.compress(body))

    def ingest(job: str, place: dict[str, str], **settings: Any) -> None:
        assert cli("job", "batch", "ingest", job, write(tmp_path, batch(name, place, **settings)))

    ingest("hdx-url", {"url": f"s3://{door.landing}/hdx/a/"}, input_aggregation=1)
    ingest("hdx-bucket", {"bucket_name": door.landing, "bucket_path": "/hdx/b/", "cloud": "aws"})
    assert "taken" in cli.refused(
        "job", "batch", "ingest", "hdx-url", write(tmp_path, batch(name, {"url": f"s3://{door.landing}/hdx/a/"}))
    )
    url, bucket = (shown(cli, "job", "batch", "show", job) for job in ("hdx-url", "hdx-bucket"))
    assert url["settings"]["source"]["subtype"] == "aws s3"
    assert bucket["settings"]["source"]["settings"]["bucket_path"] == "/hdx/b/"
    assert [url["settings"]["source"]["transform"], bucket["settings"]["source"]["transform"]] == ["rows", "rows"]
    assert (door.wait(url)["status"], door.wait(bucket)["status"]) == ("failed", "done")
    listed = rows_of(cli("job", "batch", "list"))
    assert (listed["hdx-url"], listed["hdx-bucket"]) == ([name, "failed"], [name, "done"])
    assert f"s3://{door.landing}/hdx/a/2.csv.gz" in cli("job", "batch", "show", "hdx-url")
    assert door.ids(ports, name) == list(range(100, 150)), "nothing of a job that failed is in the table"

    door.s3.put_object(Bucket=door.landing, Key="hdx/a/2.csv.gz", Body=gzip.compress(rows_csv(50, 50)))
    assert cli("job", "batch", "retry", "hdx-url") == "Retried batch job 'hdx-url'\n"
    assert door.wait(url)["status"] == "done"
    assert shown(cli, "job", "batch", "show", "hdx-url")["uuid"] == url["uuid"]
    assert door.ids(ports, name) == list(range(150))
    assert "this one is done" in cli.refused("job", "batch", "retry", "hdx-url")
    stats = cli("table", "--project", "hdx-batch", "stats", "rows")
    assert re.search(r"Loads Done: +2\b", stats)
    assert re.search(r"Rows Loaded: +150\b", stats)
    assert "load failed" in cli("table", "--project", "hdx-batch", "activity", "rows")

    for number in range(3):
        body = gzip.compress(rows_csv(1000 + number * 100_000, 100_000), 1)
        door.s3.put_object(Bucket=door.landing, Key=f"hdx/c/{number}.csv.gz", Body=body)
    ingest("hdx-live", {"url": f"s3://{door.landing}/hdx/c/"}, input_aggregation=1)
    assert cli("job", "purgejobs", "-y") == "All completed and failed jobs have been purged.\n"
    assert list(rows_of(cli("job", "batch", "list"))) == ["hdx-live"], "a job that is going stays"
    yes = ("delete", "--disable-confirmation-prompt")
    assert "cancel it first" in cli.refused("job", "batch", *yes, "hdx-live")
    assert cli("job", "batch", "cancel", "hdx-live") == "Cancelled batch job 'hdx-live'\n"
    assert rows_of(cli("job", "batch", "list"))["hdx-live"] == [name, "canceled"]
    assert cli("job", "batch", *yes, "hdx-live") == "Deleted hdx-live\n"
    assert cli("job", "batch", "list") == ""
    wait_for(lambda: all(run.settled for run in list_job_runs(ports, admin, name).runs))
    states = Counter(run.state for run in list_job_runs(ports, admin, name).runs)
    assert states == {RunState.SUCCEEDED: 2, RunState.FAILED: 1, RunState.STOPPED: 1}, "runs stay in the ledger"
    assert door.ids(ports, name) == list(range(150))

    assert cli("table", "--project", "hdx-batch", "truncate", "--yes", "rows") == "Truncated table rows\n"
    assert door.ids(ports, name) == []
    assert cli("job", "alter", "list") == ""
    assert cli("table", "--project", "hdx-batch", *yes, "rows") == "Deleted rows\n"


def test_service_accounts_are_keys_whose_tokens_can_be_had_without_their_secrets(
    cli: Hdxcli, runner: Runner, ports: Ports
) -> None:
    reader, _ = create_key(
        load_store().access_keys, load_master()(), utc_now, org=runner.env["JOBRUNS_ORG"], role=Role.READER
    )
    accounts = rows_of(cli("service-account", "list"))
    assert (accounts[runner.env["JOBRUNS_KEY_ID"]], accounts[reader.key_id]) == (["admin"], ["reader"])
    issued = json.loads(cli("service-account", "generate-token", reader.key_id, "--duration", "2h", "--json"))
    assert issued["expires_in"] in (7199, 7200)
    as_reader = ("--profile", "account", "--access-token", issued["access_token"])
    assert "Name" in cli(*as_reader, "project", "list")
    assert "reader may not define" in cli.refused(*as_reader, "project", "create", "no").lower()
    assert list(rows_of(cli(*as_reader, "service-account", "list"))) == [reader.key_id]
    assert "not found" in cli.refused(*as_reader, "service-account", "generate-token", runner.env["JOBRUNS_KEY_ID"]), (
        "nobody gets a token with more rights than its own"
    )
    assert "at the latest" in cli.refused("service-account", "generate-token", reader.key_id, "--duration", "30d")
    assert "jobruns keys create" in cli.refused("service-account", "create", "x", "--role", "reader")


def test_somebody_at_a_terminal_logs_in_and_goes_on_as_a_service_account(cli: Hdxcli, runner: Runner) -> None:
    cli("project", "create", "hdx-person")
    terminal = Terminal(cli, "--profile", "person", "project", "list")
    terminal.expect("Username:", f"{runner.env['JOBRUNS_KEY_ID']}\n")
    terminal.expect("Password", f"{runner.env['JOBRUNS_SECRET']}\n")
    terminal.expect("Continue with my user credentials", UP + UP + ENTER)
    terminal.expect("Select an existing Service Account")
    terminal.expect(runner.env["JOBRUNS_KEY_ID"], ENTER)
    terminal.expect("Enter token duration", ENTER)
    terminal.expect("is now configured to use Service Account")
    terminal.expect("hdx-person")
    assert terminal.close() == 0
    assert 'method = "service_account"' in (cli.config / "person").read_text()
