"""Reads what a tap prints: one Singer message a line.

https://github.com/singer-io/getting-started/blob/master/docs/SPEC.md: a message has a ``type``, which is compared
without regard to its case here, and what is of another type than those of the specification is let pass.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.errors import RunFailedError

NOTHING = object()
"""No state was printed, which is not the same as a state that says nothing."""


@dataclass(slots=True)
class Reading:
    """What was read so far.

    Attributes
    ----------
    counts : Counter
        Records of each stream, in the order in which streams came.
    columns : dict
        Those of each stream.
    state : Any
        The value of the last state; `NOTHING` where there was none.
    early : bool
        Whether a state came before something else.
    """

    counts: Counter[str] = field(default_factory=Counter)
    columns: dict[str, dict[str, None]] = field(default_factory=dict)
    state: Any = NOTHING
    early: bool = False

    def take(self, line: bytes) -> dict[str, Any] | None:
        """Take note of a line; gives its message where it is a record.

        Raises
        ------
        RunFailedError
            It is no message.
        """
        message = _parse(line)
        stream = str(message.get("stream", ""))
        self.early = self.early or self.state is not NOTHING
        match str(message.get("type", "")).upper():
            case "RECORD":
                self.counts[stream] += 1
                self.columns.setdefault(stream, {}).update(dict.fromkeys(message.get("record") or {}))
                return message
            case "SCHEMA":
                self.counts.setdefault(stream, 0)
                properties = (message.get("schema") or {}).get("properties") or {}
                self.columns.setdefault(stream, {}).update(dict.fromkeys(properties))
            case "STATE":
                self.state = message.get("value")
        return None


def read_messages(path: Path) -> Reading:
    """Read a file of messages.

    Raises
    ------
    RunFailedError
        A line is no message; what a tap prints for people belongs to its other output.
    """
    reading = Reading()
    for line in _lines(path):
        reading.take(line)
    return reading


def records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the records of a file of messages that was read before, with their streams."""
    for line in _lines(path):
        message = _parse(line)
        if str(message.get("type", "")).upper() == "RECORD":
            yield str(message.get("stream", "")), message.get("record") or {}


def put_state_last(path: Path, reading: Reading, to: Path) -> Path:
    """Give the messages of a file with no other state than the last one, at their end.

    Targets of hotglue's SDK keep what they did with each record where they keep the first state they are told: one that
    comes before a record costs them their summary. To others it is the same, as they have stored all before they end.

    Returns
    -------
    Path
        `path` itself where it is so already, else `to`.
    """
    if not reading.early:
        return path
    with to.open("wb") as file:
        for line in _lines(path):
            if str(_parse(line).get("type", "")).upper() != "STATE":
                file.write(line if line.endswith(b"\n") else line + b"\n")
        file.write(json.dumps({"type": "STATE", "value": reading.state}).encode() + b"\n")
    return to


def write_payload(payload: dict[str, Any], path: Path) -> None:
    """Write a caller's payload, ``{stream: [record, ...]}``, as messages.

    Raises
    ------
    RunFailedError
        It has another form.
    """
    with path.open("w", encoding="utf-8") as file:
        for stream, rows in payload.items():
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise RunFailedError(
                    f"the payload must be an object of lists of records, which {stream[:100]!r} is not",
                    "PayloadInvalid",
                )
            columns: dict[str, dict[str, Any]] = {name: {} for row in rows for name in row}
            schema = {"type": "SCHEMA", "stream": stream, "schema": {"properties": columns}, "key_properties": []}
            for message in (schema, *({"type": "RECORD", "stream": stream, "record": row} for row in rows)):
                file.write(json.dumps(message, ensure_ascii=False) + "\n")


def _lines(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield line


def _parse(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        text = line[:200].decode(errors="replace").strip()
        raise RunFailedError(f"the tap printed a line that is no Singer message: {text!r}", "OutputInvalid")
    return message
