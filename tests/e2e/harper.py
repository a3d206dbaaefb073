"""A plain HTTP client of the HarperDB door, and rows to load through it."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from local.runner import Runner
from tests.e2e.ledger import wait_for


class Harper:
    """Speaks to the door as its clients do."""

    def __init__(self, runner: Runner, authorization: str | None = None) -> None:
        self.url = f"{runner.url}/harperdb"
        self.authorization = authorization or f"Bearer {runner.env['JOBRUNS_TOKEN']}"

    def ask(self, operation: str, **members: Any) -> tuple[int, Any]:
        """Send an operation; gives the status and the document of the answer."""
        return self.send({"operation": operation, **members})

    def send(self, body: Mapping[str, Any]) -> tuple[int, Any]:
        """Send a body."""
        headers = {"Content-Type": "application/json", "Authorization": self.authorization}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def do(self, operation: str, **members: Any) -> Any:
        """Send an operation that is to go well."""
        status, document = self.ask(operation, **members)
        assert status == 200, document
        return document

    def run(self, operation: str, **members: Any) -> dict[str, Any]:
        """Have a job done; gives it as it is when it has ended."""
        started = self.do(operation, **members)
        assert started["message"].split(" ")[4] == started["job_id"]
        return self.end(started["job_id"])

    def end(self, job_id: str) -> dict[str, Any]:
        """Wait until a job has ended."""

        def look() -> dict[str, Any] | None:
            (job,) = self.do("get_job", id=job_id)
            assert job["status"] in ("IN_PROGRESS", "COMPLETE", "ERROR")
            return job if job["status"] != "IN_PROGRESS" else None

        ended: dict[str, Any] = wait_for(look, 60, every_seconds=0.05)
        return ended


def csv_rows(count: int) -> str:
    return "\n".join(["id,name,age", *(f"{number},dog {number},{number % 17}" for number in range(count))])
