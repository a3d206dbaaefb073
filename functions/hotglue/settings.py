"""Use cases of environments and flows: documents of this door, made before there are jobs."""

import json
import secrets
from contextlib import suppress
from typing import Any

from hotglue.admission import Caller
from hotglue.bodies import check_document
from hotglue.connections import (
    MARKS,
    UNTOLD,
    find_changes,
    find_webhook,
    mark_configs,
    tell_untold,
    write_untold,
)
from hotglue.flow_documents import Configs, Environment, Flow, gather_configs, read_body, show_body, write_body
from jobruns.access import Permission
from jobruns.documents import Document
from jobruns.endpoint import Endpoint
from jobruns.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError
from jobruns_events.details import write_time

ENVIRONMENTS = "hotglue/environments"
FLOWS = "hotglue/flows"
CONFIG_SECRET = "config_secret"  # noqa: S105 - name of a member
FLOW = "flow"
SALT = "salt"
"""Member of the secret, beside the configs: what their marks are made with, so that no mark gives a config away."""

MAX_DOCUMENT_BYTES = 320 * 1024
"""An item of the ledger has 400 KB at most."""
MAX_CONFIG_BYTES = 60_000
"""Secrets Manager keeps 65,536 bytes in a secret."""
MAX_LISTED = 1000


def find_environment(caller: Caller, env_id: str) -> Environment:
    """Read an environment: one read.

    Raises
    ------
    NotFoundError
        The org has none of this id.
    """
    return Environment.model_validate(_find_environment(caller, env_id).body)


def list_environments(caller: Caller) -> list[dict[str, Any]]:
    """Read the org's environments by id."""
    caller.principal.require(Permission.READ)
    found = caller.ports.documents.page(caller.principal.org, ENVIRONMENTS, limit=MAX_LISTED)
    return [_show(document, Environment.model_validate(document.body).model_dump(), "env_id") for document in found]


def show_environment(caller: Caller, env_id: str) -> dict[str, Any]:
    """Read an environment as it is shown."""
    document = _find_environment(caller, env_id)
    return _show(document, Environment.model_validate(document.body).model_dump(), "env_id")


def put_environment(caller: Caller, env_id: str, body: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Make an environment, or say anew how it is.

    Returns
    -------
    tuple of dict and bool
        As it is shown, and whether it is new.

    Raises
    ------
    InvalidInputError
        The document is wrong, or the id is that of the org.
    """
    caller.principal.require(Permission.DEFINE)
    if env_id == caller.principal.org:
        raise InvalidInputError(
            "the environment with the id of the org is always there: it shows the runs of the other doors",
            field="env_id",
        )
    environment = check_document(Environment.model_validate, body)
    before = caller.ports.documents.get(caller.principal.org, ENVIRONMENTS, env_id)
    document, new = _put(caller, ENVIRONMENTS, env_id, environment.model_dump(exclude_none=True), before)
    return _show(document, environment.model_dump(), "env_id"), new


def delete_environment(caller: Caller, env_id: str) -> None:
    """Delete an environment that has no flows; its jobs stay in the ledger.

    Raises
    ------
    ConflictError
        It has flows.
    """
    caller.principal.require(Permission.DEFINE)
    document = _find_environment(caller, env_id)
    if caller.ports.documents.page(caller.principal.org, _flows_of(env_id), limit=1):
        raise ConflictError(f"the environment {env_id!r} has flows; delete those first", field="env_id")
    caller.ports.documents.remove(document)


def find_flow(caller: Caller, env_id: str, flow_id: str) -> tuple[Flow, str | None]:
    """Read a flow: one read.

    Returns
    -------
    tuple of Flow and str or None
        Without its configs, and the name of the secret that they are in.

    Raises
    ------
    NotFoundError
        The environment has none of this id.
    """
    body = _find_flow(caller, env_id, flow_id).body
    return read_body(body[FLOW]), body.get(CONFIG_SECRET)


def list_flows(caller: Caller, env_id: str) -> list[dict[str, Any]]:
    """Read the flows of an environment by id."""
    _find_environment(caller, env_id)
    found = caller.ports.documents.page(caller.principal.org, _flows_of(env_id), limit=MAX_LISTED)
    return [_show_flow(document) for document in found if FLOW in document.body]


def show_flow(caller: Caller, env_id: str, flow_id: str) -> dict[str, Any]:
    """Read a flow as it is shown."""
    return _show_flow(_find_flow(caller, env_id, flow_id))


def put_flow(caller: Caller, env_id: str, flow_id: str, body: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Make a flow, or say anew how it is. Jobs that have been started go on as they were.

    What this changes of what the flow is linked to is told by the environment's webhook.

    Returns
    -------
    tuple of dict and bool
        As it is shown, and whether it is new.

    Raises
    ------
    InvalidInputError
        The document is wrong.
    NotFoundError
        There is no such environment.
    ConflictError
        Somebody else changes the flow at the same time.
    UnavailableError
        The flow is perhaps as it was said, but that could not be told. Who says it again has it told.
    """
    caller.principal.require(Permission.DEFINE)
    _find_environment(caller, env_id)
    flow = check_document(Flow.model_validate, body)
    before = _settle(caller, env_id, caller.ports.documents.get(caller.principal.org, _flows_of(env_id), flow_id))
    secret = before.body.get(CONFIG_SECRET) if before else None
    kept: Configs = json.loads(caller.flow_secrets.get(secret)) if secret else {}
    known = kept.pop(SALT, None)
    salt = known or secrets.token_hex(16)
    configs = gather_configs(flow, kept)
    text = json.dumps({**configs, SALT: salt})
    if len(text) > MAX_CONFIG_BYTES:
        raise InvalidInputError(f"the configs of a flow have {MAX_CONFIG_BYTES} bytes at most", field="config")
    name = f"{caller.principal.org}/{env_id}/{flow_id}" if configs else None
    if name is not None and (configs != kept or known is None):
        caller.flow_secrets.put(name, text)
    whole: dict[str, Any] = {FLOW: write_body(flow, configs)}
    if name is not None:
        whole |= {CONFIG_SECRET: name, MARKS: mark_configs(flow, configs, salt)}
    changes = find_changes(before.body if before else None, whole)
    webhook = find_webhook(caller, env_id) if changes else None
    untold = write_untold(caller, changes) if webhook else {}
    document, new = _put(caller, _flows_of(env_id), flow_id, whole, before, beside=untold)
    if secret and not name:
        caller.flow_secrets.remove(secret)
    if webhook is not None:
        tell_untold(caller, env_id, document, webhook)
        document = _forget_told(caller, document)
    return _show_flow(document), new


def delete_flow(caller: Caller, env_id: str, flow_id: str) -> None:
    """Delete a flow with its configs; its jobs stay in the ledger. What it was linked to is told.

    Raises
    ------
    NotFoundError
        There is no such flow.
    ConflictError
        Somebody else changes the flow at the same time.
    UnavailableError
        The flow is perhaps gone, but that could not be told. Who deletes it again has it told.
    """
    caller.principal.require(Permission.DEFINE)
    found = caller.ports.documents.get(caller.principal.org, _flows_of(env_id), flow_id)
    document = _settle(caller, env_id, found)
    if found is not None and document is None:
        return
    document = _require_flow(caller, env_id, flow_id, document)
    changes = find_changes(document.body, None)
    webhook = find_webhook(caller, env_id) if changes else None
    if webhook is not None:
        kept = {name: document.body[name] for name in (CONFIG_SECRET,) if name in document.body}
        gone = document.amended(caller.ports.clock(), body={**kept, **write_untold(caller, changes)})
        caller.ports.documents.change(gone, was=document)
        _end_deletion(caller, env_id, gone, webhook)
        return
    caller.ports.documents.remove(document)
    if secret := document.body.get(CONFIG_SECRET):
        caller.flow_secrets.remove(secret)


def _find_environment(caller: Caller, env_id: str) -> Document:
    caller.principal.require(Permission.READ)
    document = caller.ports.documents.get(caller.principal.org, ENVIRONMENTS, env_id)
    if document is None and env_id == caller.principal.org:
        raise NotFoundError(f"the environment {env_id!r} shows the runs of the other doors and has no settings")
    if document is None:
        raise NotFoundError(
            f"there is no environment {env_id!r}; an admin makes it with PUT /hotglue/{env_id}/settings",
            field="env_id",
        )
    return document


def _find_flow(caller: Caller, env_id: str, flow_id: str) -> Document:
    caller.principal.require(Permission.READ)
    document = caller.ports.documents.get(caller.principal.org, _flows_of(env_id), flow_id)
    return _require_flow(caller, env_id, flow_id, document)


def _require_flow(caller: Caller, env_id: str, flow_id: str, document: Document | None) -> Document:
    if document is None or FLOW not in document.body:
        _find_environment(caller, env_id)
        raise NotFoundError(
            f"there is no flow {flow_id!r}; an admin makes it with PUT /hotglue/{env_id}/settings/flows/{flow_id}",
            field="flow_id",
        )
    return document


def _settle(caller: Caller, env_id: str, document: Document | None) -> Document | None:
    """Do what a request before left undone: tell what is untold, and delete what is no flow any more."""
    if document is None or UNTOLD not in document.body:
        return document
    webhook = find_webhook(caller, env_id)
    if FLOW not in document.body:
        _end_deletion(caller, env_id, document, webhook)
        return None
    tell_untold(caller, env_id, document, webhook)
    return document


def _end_deletion(caller: Caller, env_id: str, gone: Document, webhook: Endpoint | None) -> None:
    if secret := gone.body.get(CONFIG_SECRET):
        caller.flow_secrets.remove(secret)
    tell_untold(caller, env_id, gone, webhook)
    # Whoever made a flow of this name since has ended this first.
    with suppress(ConflictError):
        caller.ports.documents.remove(gone, unchanged=True)


def _forget_told(caller: Caller, document: Document) -> Document:
    body = {name: value for name, value in document.body.items() if name != UNTOLD}
    told = document.amended(document.modified_at, body=body)
    # Whoever changed the flow since has told this too, by the same ids.
    with suppress(ConflictError):
        caller.ports.documents.change(told, was=document)
    return told


def _put(
    caller: Caller,
    collection: str,
    document_id: str,
    body: dict[str, Any],
    before: Document | None,
    *,
    beside: dict[str, Any] | None = None,
) -> tuple[Document, bool]:
    size = len(json.dumps(body))
    if size > MAX_DOCUMENT_BYTES:
        raise InvalidInputError(f"the settings have {size} bytes; they may have {MAX_DOCUMENT_BYTES}")
    org, now, whole = caller.principal.org, caller.ports.clock(), {**body, **(beside or {})}
    if before is not None:
        after = before.amended(now, body=whole)
        caller.ports.documents.change(after, was=before)
        return after, False
    made = Document(
        org=org,
        collection=collection,
        document_id=document_id,
        name=document_id,
        body=whole,
        created_at=now,
        modified_at=now,
    )
    try:
        caller.ports.documents.add(made)
    except AlreadyExistsError:
        raise ConflictError(f"{document_id!r} is being made by somebody else; try again") from None
    return made, True


def _flows_of(env_id: str) -> str:
    return f"{FLOWS}/{env_id}"


def _show_flow(document: Document) -> dict[str, Any]:
    shown = _show(document, show_body(document.body[FLOW]), "flow_id")
    return {"env_id": document.collection.removeprefix(f"{FLOWS}/"), **shown}


def _show(document: Document, body: dict[str, Any], id_name: str) -> dict[str, Any]:
    times = {"created_at": write_time(document.created_at), "modified_at": write_time(document.modified_at)}
    return {id_name: document.document_id, **body, **times}
