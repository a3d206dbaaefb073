"""The part of the demonstration about scripts that run elsewhere: one logs its run, and asks when it last succeeded.

Spoken as PostgREST is spoken to, over plain HTTP.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import urllib3

from local.errors import DemoError
from local.runner import Runner

NAME = "forecast"


def show_log(runner: Runner, *, token: str, loaded: dict[str, int], say: Callable[[str], None]) -> None:
    """Log a run, and read what the ledger has of all others as rows of the same table.

    Parameters
    ----------
    runner : Runner
        The service, running.
    token : str
        A token of an admin.
    loaded : dict
        How many rows each job has loaded in all its runs.
    say : callable
        Tells of a step that is done.

    Raises
    ------
    DemoError
        Something came out otherwise than it should.
    """
    table = _Table(f"{runner.url}/postgrest/jobs", token)
    watermark = f"name=eq.{NAME}&status=eq.success&order=end_date.desc&limit=1"
    (begun,) = table.send("POST", row={"name": NAME, "source": "weather.hourly", "destination": "the news"})
    if table.send("GET", watermark):
        raise DemoError(f"{NAME} has not succeeded yet, but there is a success of it")
    table.send("PATCH", f"id=eq.{begun['id']}", {"status": "success", "records_processed": 1})
    (last,) = table.send("GET", watermark)
    if last["start_date"] != begun["start_date"]:
        raise DemoError(f"{NAME} last succeeded at {begun['start_date']}, but the table says {last['start_date']}")
    say(f"logged run {last['id']} of {NAME} over HTTP; next time it takes what is new since {_clock(last)} UTC")

    rows = table.send("GET", "order=id")
    for job, wanted in loaded.items():
        found = sum(row["records_processed"] for row in rows if (row["name"], row["status"]) == (job, "success"))
        if found != wanted:
            raise DemoError(f"the rows of {job} say that {found:,} records were processed, and not {wanted:,}")
    jobs = {row["name"] for row in rows}
    say(f"found all {len(rows)} runs of this demonstration in the same table, those of {', '.join(sorted(jobs))}")


def _clock(row: dict[str, Any]) -> str:
    return f"{datetime.fromisoformat(row['start_date']):%H:%M:%S}"


class _Table:
    """One table of a PostgREST server."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Prefer": "return=representation",
        }
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=35), retries=False)

    def send(self, method: str, query: str = "", row: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Send a request, and give the rows that come back."""
        body = None if row is None else json.dumps(row).encode()
        answer = self._http.request(method, f"{self._url}?{query}", body=body, headers=self._headers)
        if answer.status not in (200, 201):
            raise DemoError(f"{method} {query} was answered with {answer.status}: {answer.data.decode()[:500]}")
        rows: list[dict[str, Any]] = answer.json()
        return rows
