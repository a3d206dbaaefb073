"""Everything that a runner keeps: what its emulated AWS holds, its logs, and the files that its functions left."""

import base64
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from local.runner import Runner

_FILE_BYTES = 64 << 20


def find_kept(runner: Runner, secrets: Iterable[str], since: float) -> list[tuple[str, str]]:
    """Look for secrets in everything that is kept; gives each one that was found, and where.

    Parameters
    ----------
    runner : Runner
    secrets : iterable of str
    since : float
        When the first of them was told: older objects and files cannot have it.
    """
    wanted = {secret: _spellings(secret) for secret in secrets}
    found: dict[tuple[str, str], None] = {}
    for place, content in _kept(runner, since):
        for secret, ways in wanted.items():
            if any(way in content for way in ways):
                found[secret, place] = None
    return list(found)


def _spellings(secret: str) -> list[bytes]:
    """Write a secret in the ways in which it may be kept: as it is, and somewhere in a text in base64."""
    raw = secret.encode()
    # Of its first and last letters of base64 some depend on what is around it.
    inside = (base64.b64encode(bytes(before) + raw)[4 if before else 0 :] for before in range(3))
    return [raw, *(text.rstrip(b"=")[:-2] for text in inside)]


def _kept(runner: Runner, since: float) -> Iterator[tuple[str, bytes]]:
    """Give everything that is kept, with the place it is at."""
    from moto.core.base_backend import BackendDict

    account = runner._cloud.account
    for backends in list(BackendDict._instances):
        if account in backends:
            yield from _in_objects(str(backends.service_name), dict(backends[account]), since)
    for folder in (runner.state_dir, runner.logs, *_changed_folders(since)):
        yield from _in_files(folder, since)


def _in_objects(service: str, root: object, since: float) -> Iterator[tuple[str, bytes]]:
    """Look into moto's own objects, so that also what no API shows is seen, such as messages in flight."""
    from moto.s3.models import FakeKey

    seen: set[int] = set()
    waiting: deque[tuple[str, object]] = deque([(service, root)])
    while waiting:
        place, thing = waiting.pop()
        if isinstance(thing, str):
            yield place, thing.encode(errors="replace")
        elif isinstance(thing, bytes | bytearray):
            yield place, bytes(thing)
        elif id(thing) not in seen:
            seen.add(id(thing))
            if isinstance(thing, FakeKey):
                place = f"{service} {thing.name}"
                if thing.last_modified.timestamp() >= int(since):
                    yield place, thing.value
            waiting.extend(_parts(place, thing))


def _parts(place: str, thing: object) -> Iterable[tuple[str, object]]:
    kind = type(thing)
    if isinstance(thing, Mapping):
        # A list at once: functions are at work meanwhile.
        return [(place, part) for pair in list(thing.items()) for part in pair]
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return [(place, part) for part in list(thing)]
    if isinstance(thing, type) or not kind.__module__.startswith(("moto.", "local.emulator.")):
        return ()
    return [(place if " " in place else f"{place} {kind.__name__}", part) for part in list(vars(thing).values())]


def _changed_folders(since: float) -> list[Path]:
    root = Path(tempfile.gettempdir())
    return [root, *(path for path in root.iterdir() if path.is_dir() and _changed(path, since))]


def _in_files(folder: Path, since: float) -> Iterator[tuple[str, bytes]]:
    try:
        paths = list(folder.iterdir())
    except OSError:
        return  # another program's, or gone
    for path in paths:
        try:
            if path.is_file() and _changed(path, since) and path.stat().st_size <= _FILE_BYTES:
                yield str(path), path.read_bytes()
        except OSError:
            continue  # as above


def _changed(path: Path, since: float) -> bool:
    try:
        return path.stat().st_mtime >= since
    except OSError:
        return False
