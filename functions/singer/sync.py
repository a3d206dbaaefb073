"""Does one sync, step by step: the tap's catalog, the tap, a script, the target.

How a step ended is what its program's exit status says, with two exceptions. A run that was stopped is stopped, though
a target that listens ends well when it is asked to. And a target that had records refused ends well all the same: that
is a success with refused records, unless the flow says otherwise.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from jobruns.run import RunState
from jobruns.singer import Connector
from jobruns.sync_state import GIVEN_FILE, TAP_STATE_FILE, TARGET_STATE_FILE
from jobruns_events.run_metrics import EXPORT_FILES, read_export, refused_records
from scripts.errors import RunFailedError
from singer.catalog import choose_streams
from singer.configuration import Configuration, mask
from singer.endings import Ending
from singer.landing import land_csv
from singer.launch import NOT_INSTALLED
from singer.logs import StepLog
from singer.messages import NOTHING, Reading, put_state_last, read_messages, write_payload
from singer.order import SyncOrder
from singer.packages import program_command, script_command
from singer.programs import Cut, Ended, Limits, Program, run_pair, run_program
from singer.progress import Progress
from singer.storage import Buckets
from singer.workspace import CATALOG, ETL, EXPORT, LOGS, MESSAGES, SNAPSHOTS, SYNC, Workspace


class CutError(Exception):
    """The programs were made to end: their time is over, or the run is stopped."""

    def __init__(self, cut: Cut) -> None:
        super().__init__(str(cut))
        self.cut = cut


class Sync:
    """One sync.

    Parameters
    ----------
    order : SyncOrder
        What is to be done.
    workspace : Workspace
        Where.
    configuration : Configuration
        What the programs are told.
    buckets : Buckets
        Where scripts are fetched and logs kept.
    progress : Progress
        Hears how far it has come.
    home : Path
        Where taps and targets are installed.
    until : float
        When it is late, by the monotonic clock.
    stopped : threading.Event
        Set when it shall end at once.
    groups : set of int
        Gets the process groups of the programs that run.
    """

    def __init__(
        self,
        order: SyncOrder,
        workspace: Workspace,
        configuration: Configuration,
        *,
        buckets: Buckets,
        progress: Progress,
        home: Path,
        until: float,
        stopped: threading.Event,
        groups: set[int],
    ) -> None:
        self._order, self._work = order, order.work
        self._workspace, self._configuration = workspace, configuration
        self._buckets, self._progress, self._home = buckets, progress, home
        self._limits = Limits(until, stopped)
        self._groups = groups

    def run(self) -> Ending:
        """Do all steps.

        Raises
        ------
        RunFailedError
            A step failed.
        CutError
            It was made to end.
        LeftoverProcessError
            Something that was started cannot be ended.
        """
        self._workspace.prepare()
        if self._work.discover and self._work.tap is not None:
            self._discover(self._work.tap)
        if self._work.streaming and self._work.tap is not None and self._work.target is not None:
            reading = self._stream(self._work.tap, self._work.target)
            return self._conclude(reading)
        self._progress.reach("SYNC_STARTED")
        reading = self._sync()
        self._progress.reach("SYNC_SUCCESS")
        made = None if self._work.script is None else self._transform(self._work.script)
        if self._work.target is not None:
            messages = self._workspace.path(SYNC, MESSAGES)
            to = self._workspace.path(".tmp", MESSAGES)
            self._export(self._work.target, made or put_state_last(messages, reading, to))
        return self._conclude(reading)

    def _discover(self, tap: Connector) -> None:
        self._progress.reach("DISCOVER_STARTED")
        arguments = ["--config", str(self._workspace.path("config.json")), "--discover"]
        found = self._workspace.path(CATALOG)
        with self._log("discover") as log:
            program = self._program(tap, arguments, SYNC, log)
            _require(run_program(program, self._limits, self._groups, output=found), "discover", log)
        try:
            catalog = json.loads(found.read_bytes())
        except ValueError:
            raise RunFailedError("the tap did not print a catalog", "CatalogInvalid") from None
        self._workspace.write_json(CATALOG, choose_streams(catalog, self._configuration.wanted))
        self._workspace.keep(CATALOG)
        self._progress.reach("DISCOVER_SUCCESS")

    def _sync(self) -> Reading:
        messages = self._workspace.path(SYNC, MESSAGES)
        with self._log("sync") as log:
            if self._work.tap is None:
                log.write("there is no tap: what the caller sent is taken as it is")
                write_payload(self._configuration.payload, messages)
            else:
                program = self._program(self._work.tap, self._tap_arguments(self._work.tap), SYNC, log)
                _require(run_program(program, self._limits, self._groups, output=messages), "sync", log)
            reading = read_messages(messages)
            self._note_reading(reading)
            if self._work.script is not None:
                land_csv(messages, reading, self._workspace.path(SYNC), datetime.now(UTC))
            for stream, count in reading.counts.items():
                log.write(f"{count} records of {stream}")
        self._workspace.keep(SYNC)
        return reading

    def _transform(self, key: str) -> Path:
        self._progress.reach("ETL_STARTED")
        made = self._workspace.path(ETL, MESSAGES)
        with self._log("etl") as log:
            if not key.startswith(f"{self._order.run.org}/"):
                raise RunFailedError("the flow names a script that is not its org's", "ScriptNotFound")
            script = self._workspace.path("etl.py")
            if not self._buckets.landing.fetch(key, script):
                raise RunFailedError(f"there is no script {key.partition('/')[2]}", "ScriptNotFound")
            command = script_command(self._home, self._work.script_package, script)
            program = Program(command, self._workspace.root, self._workspace.environment(), log.write)
            printed = self._workspace.path(".tmp", "etl.out")
            ended = run_program(program, self._limits, self._groups, output=printed, given=None)
            with printed.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    log.write(line.rstrip("\n"))
            _require(ended, "etl", log)
            if self._work.target is not None and not made.is_file():
                raise RunFailedError(f"the script left no {ETL}/{MESSAGES} for the target", "EtlFailed")
        self._workspace.keep(ETL)
        self._progress.reach("ETL_SUCCESS")
        return made

    def _export(self, target: Connector, given: Path) -> None:
        self._progress.reach("EXPORT_STARTED")
        printed = self._workspace.path(TARGET_STATE_FILE)
        with self._log("export") as log:
            program = self._target_program(target, log)
            try:
                ended = run_program(program, self._limits, self._groups, output=printed, given=given)
                _require(ended, "export", log)
            finally:
                self._keep_target_state(printed)
        self._workspace.keep(EXPORT)

    def _stream(self, tap: Connector, target: Connector) -> Reading:
        self._progress.reach("SYNC_STARTED")
        reading = Reading()
        printed = self._workspace.path(TARGET_STATE_FILE)
        with self._log("sync") as sync_log, self._log("export") as export_log:
            first = self._program(tap, self._tap_arguments(tap), SYNC, sync_log)
            second = self._target_program(target, export_log)
            try:
                ended = run_pair(
                    first,
                    second,
                    self._limits,
                    self._groups,
                    output=printed,
                    on_line=lambda line: _take(reading, line),
                )
            finally:
                # The target alone knows which of the tap's states is safe.
                reading.state = NOTHING
                self._note_reading(reading)
                self._keep_target_state(printed)
            self._workspace.keep(SYNC)
            if ended.cut is not None:
                raise CutError(ended.cut)
            tap_status, target_status = ended.statuses
            if not ended.target_first:
                _require(Ended((tap_status,)), "sync", sync_log)
            self._progress.reach("SYNC_SUCCESS")
            self._progress.reach("EXPORT_STARTED")
            _require(Ended((target_status,)), "export", export_log)
            if ended.target_first:
                raise RunFailedError("the target ended before the tap had given it everything", "ExportFailed")
        self._workspace.keep(EXPORT)
        return reading

    def _note_reading(self, reading: Reading) -> None:
        counts = {"recordCount": dict(reading.counts)}
        self._workspace.write_json(f"{SYNC}/job_metrics.json", counts)
        if reading.state is not NOTHING:
            self._workspace.write_json(TAP_STATE_FILE, reading.state)

    def _keep_target_state(self, printed: Path) -> None:
        """Keep what a target printed; one that printed nothing has said nothing of any state."""
        if printed.is_file() and not printed.read_bytes().strip():
            printed.unlink()
        saved = self._workspace.saved_target_state()
        if saved is not None:
            self._workspace.path(EXPORT_FILES[1]).write_bytes(saved.read_bytes())
        for name in EXPORT_FILES:
            self._workspace.keep(name)

    def _conclude(self, reading: Reading) -> Ending:
        self._workspace.keep_snapshots()
        self._workspace.keep(SNAPSHOTS)
        content = self._workspace.read(TARGET_STATE_FILE)
        export = read_export(content) if content is not None else None
        refused = refused_records(export["exportSummary"]) if export else 0
        message = f"{_plural(reading.counts.total(), 'record')} of {_plural(len(reading.counts), 'stream')} read"
        if refused:
            message += f"; {_plural(refused, 'record')} refused by the destination"
            if self._work.fail_on_refused:
                raise RunFailedError(message, "RecordsRefused")
        return Ending(state=RunState.SUCCEEDED, message=message)

    def _tap_arguments(self, tap: Connector) -> list[str]:
        arguments = ["--config", str(self._workspace.path("config.json"))]
        for option, name in (("--state", GIVEN_FILE), (tap.catalog_option, CATALOG)):
            path = self._workspace.path(name)
            if path.is_file():
                arguments += [option, str(path)]
        return arguments

    def _program(self, connector: Connector, arguments: list[str], folder: str, log: StepLog) -> Program:
        command = program_command(self._home, connector, arguments)
        return Program(command, self._workspace.path(folder), self._workspace.environment(), log.write)

    def _target_program(self, target: Connector, log: StepLog) -> Program:
        config = str(self._workspace.path("target-config.json"))
        command = program_command(self._home, target, ["--config", config])
        began = time.time()
        return Program(
            command,
            self._workspace.path(EXPORT),
            self._workspace.target_environment(),
            log.write,
            lambda: self._workspace.listens(began),
        )

    @contextmanager
    def _log(self, step: str) -> Iterator[StepLog]:
        key = f"{self._order.prefix}{LOGS}/{step}.log"
        path = self._workspace.path(LOGS, f"{step}.log")
        with StepLog(self._buckets.runs, key, path, self._configuration.secrets) as log:
            try:
                yield log
            except RunFailedError as error:
                error.message = mask(error.message, self._configuration.secrets)
                log.write(f"failed: {error.message}")
                raise
            except CutError as error:
                log.write(f"ended: {error.cut}")
                raise


def _take(reading: Reading, line: bytes) -> None:
    if line.strip():
        reading.take(line)


def _require(ended: Ended, step: str, log: StepLog) -> None:
    """See to it that a program ended well.

    Raises
    ------
    RunFailedError
        It did not.
    CutError
        It was made to end.
    """
    if ended.cut is not None:
        raise CutError(ended.cut)
    status = ended.statuses[0]
    if status == 0:
        return
    told = log.reason()
    if status < 0:
        how = (
            f"it was killed by signal {-status}, as happens when memory runs out"
            if status == -9
            else (f"it was killed by signal {-status}")
        )
        told = f"{how}; its last word: {told}" if told else how
    code = "PackageMissing" if status == NOT_INSTALLED else f"{step.capitalize()}Failed"
    raise RunFailedError(told or f"exited with status {status}", code)


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
