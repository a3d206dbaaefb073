"""Stands for the bucket of the runs' files where S3 itself is not the point."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from jobruns.errors import NotFoundError
from jobruns.run_file import RunFile


class MemoryRunObjects:
    """Keeps files in memory."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def put(self, key: str, content: bytes) -> None:
        self.held[key] = content

    def put_json(self, key: str, value: Any) -> None:
        self.held[key] = json.dumps(value).encode()

    def get(self, key: str) -> bytes:
        if key not in self.held:
            raise NotFoundError(f"the document {key} is gone")
        return self.held[key]

    def get_json(self, key: str) -> Any:
        return json.loads(self.get(key))

    def listed(self, prefix: str, limit: int) -> list[RunFile]:
        at = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
        return [
            RunFile(
                path=key.removeprefix(prefix), size=len(content), etag=hashlib.sha1(content).hexdigest(), modified_at=at
            )
            for key, content in sorted(self.held.items())
            if key.startswith(prefix)
        ][:limit]

    def remove(self, key: str) -> None:
        self.held.pop(key, None)

    def link(self, key: str, seconds: int) -> str:
        return f"https://runs.example/{key}?seconds={seconds}"
