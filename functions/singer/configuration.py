"""Puts together what a tap and a target are told: the flow's own secret, and what the caller said for this run."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobruns.aws.secret_store import SecretStore
from jobruns.errors import NotFoundError, UnavailableError
from jobruns.secret_names import HIDDEN
from jobruns.singer import Side, SyncWork
from jobruns_events.redaction import redact
from scripts.errors import RunFailedError
from singer.storage import Storage

MAX_VARIABLE_NAME = 256
SHORTEST_SECRET = 6
"""What is shorter would take half a log with it."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_FORBIDDEN = re.compile(r"(LD_|PYTHON|AWS_LAMBDA_|_HANDLER\Z|_X_AMZN)")
"""Variables that would change what runs, and not what it is told."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the programs are told.

    Parameters
    ----------
    tap, target : dict
        Their configurations.
    environment : dict
        Further variables.
    payload : dict
        What the caller sends along.
    wanted : dict, optional
        Which streams.
    field_map : dict, optional
        Which fields go where; for scripts.
    restart : bool
        Whether the caller names a start of its own, before which the kept state would have the tap begin.
    secrets : tuple of str
        What no log shows.
    """

    tap: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)
    wanted: dict[str, Any] | None = None
    field_map: dict[str, Any] | None = None
    restart: bool = False
    secrets: tuple[str, ...] = ()


def load_configuration(
    work: SyncWork, org: str, *, secret_prefix: str, storage: Storage, folder: Path
) -> Configuration:
    """Read all that is kept elsewhere.

    Parameters
    ----------
    work : SyncWork
        What is to be done.
    org : str
        Whose run it is; nothing of another org is read.
    secret_prefix : str
        What the names of all flows' secrets begin with.
    storage : Storage
        The bucket of the runs' files.
    folder : Path
        For files on their way.

    Raises
    ------
    RunFailedError
        Something is not there, belongs to another org, or has another form.
    """
    kept = _secret(work.config_secret, org, secret_prefix) if work.config_secret else {}
    request = _request(work.request_key, org, storage, folder) if work.request_key else {}
    return compose(work, kept, request)


def compose(work: SyncWork, kept: dict[str, Any], request: dict[str, Any]) -> Configuration:
    """Put together what a flow keeps and what a caller said: the caller's word goes before.

    Raises
    ------
    RunFailedError
        Something has another form than it must have.
    """
    tap, target = _object(kept, "tap"), _object(kept, "target")
    connector = _object(_object(kept, "connectors"), work.connector) if work.connector else {}
    tap, target = {**tap, **_object(connector, "tap")}, {**target, **_object(connector, "target")}
    own = {Side.TAP: tap, Side.TARGET: target}
    if work.side is not None:
        own[work.side].update(_object(request, "override_connector_config"))
    tap.update(_object(request, "override_source_config"))
    target.update(_object(request, "override_target_config"))
    start, until = request.get("override_start_date"), request.get("override_end_date")
    tap.update({name: value for name, value in (("start_date", start), ("end_date", until)) if value})
    variables = _environment(_object(request, "environment_variables"))
    wanted, field_map = request.get("override_selected_tables"), request.get("override_field_map")
    if isinstance(wanted, list):
        wanted = dict.fromkeys(map(str, wanted), True)
    return Configuration(
        tap=tap,
        target=target,
        environment=variables,
        payload=_object(request, "state"),
        wanted=wanted if isinstance(wanted, dict) and wanted else None,
        field_map=field_map if isinstance(field_map, dict) else None,
        restart=bool(start),
        # All variables: nobody says of them which are secret.
        secrets=tuple(sorted({*_hidden([tap, target]), *variables.values()} - {""}, key=len, reverse=True)),
    )


def mask(text: str, secrets: tuple[str, ...]) -> str:
    """Give a text without the secrets, the longest of which come first."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return text


def _secret(name: str, org: str, prefix: str) -> dict[str, Any]:
    if not name.startswith(f"{org}/"):
        raise RunFailedError("the flow names a secret that is not its org's", "ConfigurationInvalid")
    try:
        text = SecretStore(prefix).get(name)
    except NotFoundError:
        raise RunFailedError("the configuration of the flow is gone", "ConfigurationMissing") from None
    except UnavailableError as error:
        raise RunFailedError(
            f"the configuration of the flow cannot be read now: {error}", "SecretsUnavailable"
        ) from error
    return _document(text, "the configuration of the flow")


def _request(key: str, org: str, storage: Storage, folder: Path) -> dict[str, Any]:
    path = folder / "request.json"
    if not key.startswith(f"{org}/") or not storage.fetch(key, path):
        raise RunFailedError("what the caller said of the run is gone", "ConfigurationMissing")
    text = path.read_text(encoding="utf-8")
    path.unlink()
    return _document(text, "what the caller said")


def _document(text: str, what: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RunFailedError(f"{what} is no JSON object", "ConfigurationInvalid")
    return document


def _object(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name) or {}
    if not isinstance(value, dict):
        raise RunFailedError(f"{name} must be an object", "ConfigurationInvalid")
    return dict(value)


def _environment(given: dict[str, Any]) -> dict[str, str]:
    for name in given:
        if not _VARIABLE.match(name) or len(name) > MAX_VARIABLE_NAME or _FORBIDDEN.match(name.upper()):
            raise RunFailedError(f"{name[:100]!r} cannot be the name of a variable of a sync", "ConfigurationInvalid")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}


def _hidden(value: Any) -> set[str]:
    return set(_differences(value, redact(value)))


def _differences(value: Any, shown: Any) -> Iterator[str]:
    match value:
        case dict():
            for name, member in value.items():
                yield from _differences(member, shown[name])
        case list():
            for member, other in zip(value, shown, strict=True):
                yield from _differences(member, other)
        case _ if value is not None and shown != value:
            # Of an address only the password is hidden; the whole of it is rare enough in a log to go with it.
            yield value if isinstance(value, str) else json.dumps(value)
