"""The City of Austin's clients do what their users' scripts do, and tell as JSON what they saw.

Runs in a Python that has these clients and nothing else. Arguments: the door's address, a token, the name of the job,
and whether to do all of it or the scenario alone.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import arrow
import requests
from pypgrest import Postgrest as Successor
from tdutils.jobutil import Job
from tdutils.pgrestutil import Postgrest

door, token, name, extent = sys.argv[1:]
jobs = f"{door}/jobs"
SOURCE, DESTINATION = "knack", "socrata"
MESSAGE = 'Traceback (most recent call last):\n  "é", 100 %, \\n\t表'


def log(about: str, auth: str | None = token) -> Job:
    return Job(auth=auth, destination=DESTINATION, name=about, url=jobs, source=SOURCE)


def most_recent(job: Job, *status: str) -> int | None:
    """Ask for the watermark; with arrow 1 what the client gives is a method."""
    seen = job.most_recent(*status)
    return int(seen()) if callable(seen) else seen


def refused(call: Callable[..., Any], *arguments: Any, **named: Any) -> list[Any]:
    try:
        return [200, call(*arguments, **named)]
    except requests.HTTPError as error:
        return [error.response.status_code, error.response.json()["code"]]


def unix(row: dict[str, Any]) -> int:
    return int(datetime.fromisoformat(row["start_date"]).timestamp())


def run_the_seeds_scenario() -> dict[str, Any]:
    job = log(name)
    told: dict[str, Any] = {"never": most_recent(job), "offset": arrow.now().format("ZZ")}
    began = int(time.time())
    told["started"] = job.start()
    told["while_first"] = most_recent(job)
    told["ended"] = job.result("success", message=MESSAGE, records_processed=12)
    told["first"] = [began, unix(job.data), most_recent(job), int(time.time())]
    while int(time.time()) == unix(job.data):  # the clients write whole seconds: let the next run differ
        time.sleep(0.05)

    failing = log(name)
    failing.start()
    told["while_second"] = most_recent(failing)
    told["failed"] = failing.result("error", message="no route to host")
    told["after_failure"] = [most_recent(failing), most_recent(failing, "error"), unix(failing.data)]

    last = log(name)
    last.start()
    last.result("success")
    told["last"] = [most_recent(last), unix(last.data)]
    return told


def run_overlapping() -> list[int | None]:
    """The run that ended last began first: the next load must begin where that one did."""
    table, about, now = Postgrest(jobs, token), f"{name}_overlapping", arrow.now()
    for begin, end in ((60, 5), (40, 30)):
        table.insert(
            {
                "name": about,
                "start_date": now.shift(minutes=-begin).format(),
                "end_date": now.shift(minutes=-end).format(),
                "status": "success",
                "source": SOURCE,
                "destination": DESTINATION,
            }
        )
    return [most_recent(log(about)), int(now.shift(minutes=-60).datetime.timestamp())]


def use_the_table() -> dict[str, Any]:
    table, mine = Postgrest(jobs, token), f"name=eq.{name}"
    rows = table.select(f"{mine}&order=id.asc", increment=2)
    upserted = table.upsert({**rows[1], "message": "no route at all"})
    updated = table.update(f"id=eq.{rows[1]['id']}", {"records_processed": 3})
    return {
        "ids": [row["id"] for row in rows],
        "names": sorted({row["name"] for row in rows}),
        "upserted": [len(upserted), upserted[0]["message"], upserted[0]["status"]],
        "updated": [updated[0]["records_processed"], updated[0]["message"]],
        "deleted": [row["id"] for row in table.delete(f"id=eq.{rows[1]['id']}")],
        "left": len(table.select(mine)),
        "unfiltered": refused(log(name).delete),
        "left_then": len(table.select(mine)),
    }


def use_the_successor() -> dict[str, Any]:
    client, about = Successor(door, token), f"{name} ünd nächste"
    row = {"name": about, "source": SOURCE, "destination": DESTINATION}
    inserted = [client.insert("jobs", data=row | {"start_date": f"2026-03-0{day} 01:00:00-06:00"}) for day in (1, 2, 3)]
    mine = {"name": f"eq.{about}"}
    found = client.select(resource="jobs", params={**mine, "order": "start_date.desc", "select": "id,start_date"})
    client.update("jobs", params={"id": f"eq.{found[0]['id']}"}, data={"status": "success"})
    ended = client.select(resource="jobs", params={**mine, "order": "id", "end_date": "not.is.null", "limit": 10})
    client.upsert("jobs", data={**row, "id": found[0]["id"], "start_date": "2026-03-04 01:00:00-06:00"})
    return {
        "inserted": inserted,
        "found": [row["start_date"] for row in found],
        "ended": [row["id"] for row in ended] == [found[0]["id"]],
        "since": len(
            client.select(
                resource="jobs", params={**mine, "order": "id", "start_date": "gte.2026-03-04 00:30:00-06:00"}
            )
        ),
        "unfiltered": refused(client.delete, "jobs", force=True),
        "deleted": client.delete("jobs", params={"id": f"eq.{found[0]['id']}"}),
        "left": len(client.select(resource="jobs", params={**mine, "order": "id"})),
    }


def be_refused() -> dict[str, Any]:
    refusals = {
        "nobody": refused(log(name, auth=None).start),
        "nonsense": refused(log(name, auth="nonsense").most_recent),
        "no source": refused(Job(auth=token, destination=DESTINATION, name=name, url=jobs).start),
        "nowhere": refused(Postgrest(f"{door}/jobz", token).select, "id=eq.1"),
        "page": refused(Postgrest(jobs, token).select, "page=eq.2"),
    }
    for sign in ("+", "&", "#", "%41"):
        refusals[sign] = refused(log(f"{name}{sign}").start)
    return refusals


told = {"scenario": run_the_seeds_scenario(), "overlapping": run_overlapping()}
if extent == "all":
    told |= {"table": use_the_table(), "successor": use_the_successor(), "refused": be_refused()}
sys.stdout.write("\n" + json.dumps(told) + "\n")  # what the client asks before it deletes ends in no line of its own
