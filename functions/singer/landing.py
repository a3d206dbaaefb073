"""Lays what a tap printed in CSV files, one for each stream, as scripts between tap and target read them."""

import csv
import json
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from singer.messages import Reading, records

_UNSAFE = str.maketrans({"/": "_", "\x00": "_"})


def land_csv(messages: Path, reading: Reading, folder: Path, at: datetime) -> list[Path]:
    """Write the records of a file of messages to CSV files.

    Parameters
    ----------
    messages : Path
        The file.
    reading : Reading
        What was read of it: a file's header must be known before its first row.
    folder : Path
        Gets ``<stream>-<time>.csv`` for each stream, also for one without records.
    at : datetime
        The time, for their names: readers take what is before the last dash for the stream.

    Returns
    -------
    list of Path
        The files.
    """
    moment = at.strftime("%Y%m%dT%H%M%S")
    paths = {stream: folder / f"{stream.translate(_UNSAFE)}-{moment}.csv" for stream in reading.counts}
    with ExitStack() as stack:
        writers = {}
        for stream, path in paths.items():
            file = stack.enter_context(path.open("w", newline="", encoding="utf-8"))
            writers[stream] = csv.DictWriter(file, list(reading.columns.get(stream, ())))
            writers[stream].writeheader()
        for stream, record in records(messages):
            writers[stream].writerow({name: _cell(value) for name, value in record.items()})
    return list(paths.values())


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
