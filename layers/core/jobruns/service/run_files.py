"""Use cases of the files of runs: note what S3 tells of them, and look what there is."""

from collections.abc import Callable, Mapping
from typing import Any

from jobruns.run import Run
from jobruns.run_file import RunFile, files_prefix, is_runs_own
from jobruns.service.ports import Ports

MAX_LISTED = 10_000
"""Files of a run that are looked through. More are seen by their notifications only."""

Reader = Callable[[str, Callable[[], bytes]], Mapping[str, Any]]
"""Reads what a file tells of its run: gets its path and what fetches it, gives facts; none where it tells nothing."""


def note_file(ports: Ports, run: Run, file: RunFile) -> bool:
    """Note how a file of a run is, unless something later is known of it.

    Returns
    -------
    bool
        False where nothing was written.
    """
    return ports.run_files.note(run.org, run.run_id, file)


def collect_files(ports: Ports, run: Run, read: Reader) -> list[RunFile]:
    """Look what files a run has, and note what no notification has told of yet. May be repeated.

    Parameters
    ----------
    ports : Ports
        The outside.
    run : Run
        Whose files.
    read : callable
        Reads what a file tells of the run; called for those that were not known.

    Returns
    -------
    list of RunFile
        As they are now, by path.
    """
    prefix = files_prefix(run)
    known = _read_known(ports, run)
    refused: dict[str, RunFile] = {}
    for found in ports.run_objects.listed(prefix, MAX_LISTED):
        before = known.get(found.path)
        if not is_runs_own(found.path) or (before is not None and before.etag == found.etag):
            continue
        facts = read(found.path, lambda path=found.path: ports.run_objects.get(prefix + path))  # type: ignore[misc]
        file = found.model_copy(update={"facts": dict(facts)})
        if note_file(ports, run, file):
            known[file.path] = file
        else:
            refused[file.path] = file
    if refused:
        now = _read_known(ports, run)
        # A notification that came meanwhile knows better. One from before does not: a list has whole seconds only, so
        # what was written in the second of that notification seems older than it.
        latest = {path: file for path, file in refused.items() if now.get(path) == known.get(path)}
        known = now | latest
    return [known[path] for path in sorted(known)]


def _read_known(ports: Ports, run: Run) -> dict[str, RunFile]:
    return {file.path: file for file in ports.run_files.all(run.org, run.run_id)}
