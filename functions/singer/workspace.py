"""The folder that a sync works in: what the programs find there, what they are told, and what is kept of it.

It is laid out as the run's files are, so that what lies somewhere in one lies there in the other.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobruns.run_file import HALF_WRITTEN
from jobruns.sync_state import GIVEN_FILE
from scripts.errors import RunFailedError
from singer.configuration import Configuration
from singer.order import SyncOrder
from singer.storage import Buckets

SYNC, ETL, EXPORT, SNAPSHOTS, LOGS = "sync-output", "etl-output", "export-output", "snapshots", "logs"
MESSAGES = "data.singer"
CATALOG = "catalog.json"

KEPT = "syncs"
"""Where that which outlives runs lies in its bucket."""

_INHERITED = ("PATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
"""What programs need to start and to talk to others. The function's credentials are not theirs: what a flow may reach
it is told by its own configuration."""

_SDK_HOME = Path("/home/hotglue")
"""Where targets of hotglue's SDK save what they have done, below the job's id; on a function nobody can write there."""

_HIDDEN = ".secrets"
"""Where the same targets save it, beside their folder, when they are told no id."""


class Workspace:
    """Folders and files of one run.

    Parameters
    ----------
    root : Path
        An empty folder.
    buckets : Buckets
        Where files are fetched and kept.
    order : SyncOrder
        What is to be done.
    configuration : Configuration
        What the programs are told.
    """

    def __init__(self, root: Path, buckets: Buckets, order: SyncOrder, configuration: Configuration) -> None:
        self.root = root
        self._buckets, self._order, self._configuration = buckets, order, configuration
        self._snapshots: dict[str, tuple[int, int]] = {}
        for name in (SYNC, ETL, EXPORT, SNAPSHOTS, LOGS, _HIDDEN, ".home", ".tmp"):
            (root / name).mkdir()

    def path(self, *names: str) -> Path:
        """Give the path of a file."""
        return self.root.joinpath(*names)

    def write_json(self, name: str, value: Any) -> Path:
        """Write a document that only this process and the programs read."""
        path = self.root / name
        path.touch(mode=0o600)
        path.write_text(json.dumps(value))
        return path

    def read(self, name: str) -> bytes | None:
        """Read a file; ``None`` where there is none."""
        path = self.root / name
        return path.read_bytes() if path.is_file() else None

    def prepare(self) -> None:
        """Lay down what the programs are told, and what was left for this run and for its tenant.

        Raises
        ------
        RunFailedError
            It cannot be fetched.
        """
        given = self._configuration
        self.write_json("config.json", given.tap)
        self.write_json("target-config.json", given.target)
        if given.payload:
            self.write_json("payload.json", given.payload)
        if given.field_map is not None:
            self.write_json("mapping.json", given.field_map)
        if given.wanted is not None:
            self.write_json("selectedTables.json", given.wanted)
        for name in (CATALOG, "target-catalog.json"):
            self.fetch(name)
        self._take_catalog()
        if not given.restart:
            self.fetch(GIVEN_FILE)
        if self._snapshots_prefix:
            self._buckets.kept.fetch_folder(self._snapshots_prefix, self.root / SNAPSHOTS)
            self._snapshots = self._snapshot_marks()

    def _take_catalog(self) -> None:
        """Lay down the flow's own catalog, where the run has none."""
        key, path = self._order.work.catalog_key, self.root / CATALOG
        if key is None or path.is_file():
            return
        if not key.startswith(f"{KEPT}/{self._order.run.org}/"):
            raise RunFailedError("the flow names a catalog that is not its org's", "CatalogInvalid")
        if not self._buckets.kept.fetch(key, path):
            raise RunFailedError("the flow's catalog is not there; set the flow again", "CatalogInvalid")
        self.keep(CATALOG)

    def fetch(self, name: str) -> bool:
        """Fetch a file of the run."""
        path = self.root / name
        found = self._buckets.runs.fetch(self._order.prefix + name, path)
        if not found:
            path.unlink(missing_ok=True)
        return found

    def keep(self, name: str) -> None:
        """Put a file, or all files of a folder, where the run's files are kept.

        Raises
        ------
        RunFailedError
            It cannot be written now.
        """
        place = self.root / name
        files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        for file in files:
            if file.is_file() and not file.is_symlink() and not file.name.endswith(HALF_WRITTEN):
                self._buckets.runs.put(self._order.prefix + file.relative_to(self.root).as_posix(), file)

    def keep_snapshots(self) -> None:
        """Put what the programs remember of their tenant where the next run finds it.

        Raises
        ------
        RunFailedError
            It cannot be written now.
        """
        if not self._snapshots_prefix:
            return
        for path, mark in self._snapshot_marks().items():
            if self._snapshots.get(path) != mark:
                self._buckets.kept.put(self._snapshots_prefix + path, self.root / SNAPSHOTS / path)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Make the environment of a program.

        Parameters
        ----------
        more : mapping, optional
            For this program; what the caller of the run says goes before.
        """
        work, about = self._order.work, self._order.work.about
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        told = {
            "HOME": str(self.root / ".home"),
            "TMPDIR": str(self.root / ".tmp"),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "AWS_EC2_METADATA_DISABLED": "true",
            "ROOT": str(self.root),
            "ROOT_DIR": str(self.root),
            "SNAPSHOT_DIR": str(self.root / SNAPSHOTS),
            "SYNC_TYPE": work.sync_type,
            "STREAMING_JOB": "True" if work.streaming else "False",
            **({"TAP": work.tap.name} if work.tap else {}),
            **({"TARGET": work.target.name} if work.target else {}),
            **({"CONNECTOR_ID": work.connector} if work.connector else {}),
            **about,
            **({"USER_ID": about["TENANT"]} if "TENANT" in about else {}),
        }
        return {**inherited, **told, **(more or {}), **self._configuration.environment}

    def target_environment(self) -> dict[str, str]:
        """Make the environment of a target.

        Without an id of the job those of hotglue's SDK keep what they have done beside their folder, and not where
        nobody can write: what is told them of the job is all but that.
        """
        environment = self.environment()
        if self._sdk_folder() is None:
            environment.pop("JOB_ID", None)
        return environment

    def listens(self, since: float) -> bool:
        """Tell whether a target of hotglue's SDK, started then, waits for a signal."""
        places = [self.root / _HIDDEN, *([Path("/tmp")] if self._sdk_folder() else [])]  # noqa: S108 - theirs
        marks = [place / "user_signal.listener" for place in places]
        return any(mark.is_file() and mark.stat().st_mtime >= since for mark in marks)

    def saved_target_state(self) -> Path | None:
        """Find what a target saved that did not come to its end."""
        for folder in (self.root / _HIDDEN, self._sdk_folder()):
            if folder is not None and (folder / "incremental_target_state.json").is_file():
                return folder / "incremental_target_state.json"
        return None

    def _sdk_folder(self) -> Path | None:
        job_id = self._order.work.about.get("JOB_ID")
        folder = _SDK_HOME / job_id if job_id else None
        return folder if folder is not None and folder.is_dir() and os.access(folder, os.W_OK) else None

    @property
    def _snapshots_prefix(self) -> str | None:
        flow, jobs, _ = self._order.prefix.partition("/jobs/")
        return f"{KEPT}/{flow}/{SNAPSHOTS}/" if jobs else None

    def _snapshot_marks(self) -> dict[str, tuple[int, int]]:
        folder = self.root / SNAPSHOTS
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(HALF_WRITTEN)]
        stats = {path.relative_to(folder).as_posix(): path.stat() for path in files}
        return {path: (stat.st_mtime_ns, stat.st_size) for path, stat in stats.items()}
