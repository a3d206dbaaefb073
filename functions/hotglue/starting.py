"""Use case: run a job of a flow for a tenant."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger

from hotglue.admission import DOOR, Caller
from hotglue.flow_documents import Flow
from hotglue.job_requests import PAYLOAD, SECRET_MEMBERS, JobRequest, read_job_request
from hotglue.names import Lane
from hotglue.plans import Plan, base_plan, catalog_key, plan_job, write_work
from hotglue.roots import draw_job_id, make_root, place_job
from hotglue.settings import find_environment, find_flow
from hotglue.webhooks import redirect_webhook
from jobruns.access import Permission
from jobruns.errors import ConcurrentRunsExceededError, InvalidInputError, JobrunsError, NotFoundError, RootTakenError
from jobruns.ids import new_id
from jobruns.job import Job
from jobruns.lifecycle import DEFAULT_TIMEOUT_SECONDS
from jobruns.run import Executor, Run, RunFolder, SyncStateUse
from jobruns.service.kept_jobs import keep_job
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.sync_states import clear_sync_state, has_sync_state
from jobruns.singer import read_work
from jobruns_events.redaction import redact

MAX_INLINE_BYTES = 4096
"""More of what a caller sends along goes to S3: an item is paid for by the kilobyte at each transition."""

MAX_DRAWS = 8
"""Of an id that no other job of the same hour has: of 60 thousand million, one is taken by luck only."""

EXECUTORS = {"external": Executor.EXTERNAL, "singer": Executor.SINGER}

logger = Logger(child=True)


def create_job(caller: Caller, lane: Lane, version: int, body: dict[str, Any], *, token: str | None = None) -> Run:
    """Start a job.

    Parameters
    ----------
    caller : Caller
        Needs START.
    lane : Lane
        Which flow, for whom.
    version : int
        Of the API by which it is asked for, which is to be that of the flow.
    body : dict
        The request.
    token : str, optional
        Marks the request: sent again within minutes, it gives the same job.

    Returns
    -------
    Run
        STARTING, or WAITING where it is to wait for another.

    Raises
    ------
    NotFoundError
        There is no such environment, flow or connector.
    InvalidInputError
        The request is wrong, or the flow is of another version.
    ConcurrentRunsExceededError
        A job of the same lane is active, and nothing is said of what to do then.
    """
    caller.principal.require(Permission.START)
    flow, secret = find_flow(caller, lane.env_id, lane.flow_id)
    environment = find_environment(caller, lane.env_id)
    if flow.version != version:
        path = f"/hotglue{'/v2' if flow.version == 2 else ''}/{lane.scope}/jobs"
        raise InvalidInputError(f"the flow is one of version {flow.version}; POST to {path}", field="flow_id")
    request = read_job_request(body, version)
    plan = plan_job(flow, request)
    job = _keep_job(caller, flow, lane, plan.connector_id, secret, extended_statuses=environment.extended_statuses)
    sync_type, use = _choose_sync(caller, lane, plan, request)
    singer = flow.runner == "singer"
    order = _Order(
        job=job,
        lane=lane,
        plan=plan,
        request=request,
        facts={**_facts(plan, lane, request, sync_type), **_redirect(caller, lane, request)},
        work=write_work(flow, plan, lane, org=caller.principal.org, secret=secret) if singer else None,
        sync_state=use,
        token=token,
    )
    return _start(caller, order)


@dataclass(frozen=True, slots=True)
class _Order:
    """All that is known of a job before it has an id."""

    job: Job
    lane: Lane
    plan: Plan
    request: JobRequest
    facts: Mapping[str, Any]
    work: Mapping[str, Any] | None
    sync_state: SyncStateUse | None
    token: str | None


def _start(caller: Caller, order: _Order) -> Run:
    now = caller.ports.clock()
    run_id = new_id(now)
    shown, request_key = _keep_payload(caller, order.request, run_id, ours=order.work is not None)
    own = {**order.facts, "task_id": run_id.replace("-", ""), "job_name": _name_job(order, now), **shown}
    try:
        for _ in range(MAX_DRAWS):
            job_id = draw_job_id()
            s3_root = place_job(order.lane, job_id, now)
            root = make_root(order.lane, job_id, s3_root)
            with suppress(RootTakenError):
                run = start_run(
                    caller.ports,
                    caller.principal,
                    StartRequest(
                        job=order.job.name,
                        door=DOOR,
                        run_id=run_id,
                        token=order.token,
                        arguments=_tell_job(order.work, own, request_key, job_id=job_id, s3_root=s3_root),
                        queueing=bool(order.request.queue_if_active_job),
                        unlimited=bool(order.request.ignore_parallel_jobs),
                        root=root,
                        sync_state=order.sync_state,
                        source=order.plan.tap_name,
                        destination=order.plan.target_name,
                        extra={DOOR: own},
                    ),
                    order.job,
                )
                if run.run_id != run_id:
                    _take_back(caller, request_key)
                logger.append_keys(run_id=run.run_id)
                return run
    except ConcurrentRunsExceededError:
        _take_back(caller, request_key)
        raise ConcurrentRunsExceededError(
            "a job of this flow is active for this tenant; let the new one wait with queue_if_active_job, "
            "or run it beside with ignore_parallel_jobs"
        ) from None
    except (InvalidInputError, NotFoundError):
        _take_back(caller, request_key)
        raise
    _take_back(caller, request_key)
    raise RootTakenError(f"{MAX_DRAWS} ids were drawn, and other jobs have them all")


def _take_back(caller: Caller, request_key: str | None) -> None:
    """Delete what was kept of a request for a job that there is not; where that is in doubt, it stays."""
    if request_key is None:
        return
    try:
        caller.ports.run_objects.remove(request_key)
    except JobrunsError:
        logger.warning("what was kept of a request stays, though there is no job", extra={"key": request_key})


def _choose_sync(caller: Caller, lane: Lane, plan: Plan, request: JobRequest) -> tuple[str, SyncStateUse | None]:
    """Say whether a job takes up where the last one ended: decided here, once."""
    if plan.state_end is None:
        return "full_sync", None
    key = lane.state_key(plan.state_end)
    if request.reset_source_state:
        clear_sync_state(caller.ports, caller.principal, key)
        return "full_sync", SyncStateUse(key=key, given=False)
    if not has_sync_state(caller.ports, caller.principal.org, key):
        return "full_sync", SyncStateUse(key=key, given=False)
    # A start of its own is instead of the state, for this job; the label says that there is one.
    return "incremental_sync", SyncStateUse(key=key, given=request.override_start_date is None)


def _keep_job(
    caller: Caller,
    flow: Flow,
    lane: Lane,
    connector_id: str | None,
    secret: str | None,
    *,
    extended_statuses: bool,
) -> Job:
    """See to it that the ledger has the job, with what is known of every run of it, whoever starts it."""
    org, singer = caller.principal.org, flow.runner == "singer"
    plan = base_plan(flow, connector_id)
    catalog = None
    if singer and flow.catalog is not None:
        # Before there is a run that looks for it. There is nothing secret in it.
        catalog = catalog_key(flow.catalog, lane, org)
        caller.ports.objects.put_json(catalog, flow.catalog)
    facts = _base_facts(flow, plan, lane, extended_statuses=extended_statuses)
    return keep_job(
        caller.ports,
        caller.principal,
        door=DOOR,
        name=lane.job_name(connector_id),
        executor=EXECUTORS[flow.runner],
        target=f"{lane.env_id}/{lane.flow_id}" if singer else None,
        # A job's own order goes over this, and has no word of the catalog.
        arguments=write_work(flow, plan, lane, org=org, secret=secret, catalog=catalog) if singer else {},
        max_concurrent_runs=1,
        run_folder=RunFolder(scope=lane.scope, path=f"{lane.env_id}/{lane.folder}".rstrip("/")),
        sync_state_key=None if plan.state_end is None else lane.state_key(plan.state_end),
        run_extra={DOOR: facts},
        timeout_seconds=flow.timeout_seconds or DEFAULT_TIMEOUT_SECONDS,
        heartbeat_seconds=flow.heartbeat_seconds,
        notify_after_seconds=flow.notify_after_seconds,
    )


def _base_facts(flow: Flow, plan: Plan, lane: Lane, *, extended_statuses: bool) -> dict[str, Any]:
    task = flow.task_definition
    facts = {
        "env_id": lane.env_id,
        "flow_id": lane.flow_id,
        "tenant": lane.tenant,
        "started_by": lane.tenant,
        "version": flow.version,
        "tap": plan.tap_name,
        "target": plan.target_name,
        "connector_id": plan.connector_id,
        "job_type": plan.job_type,
        "task_type": flow.task_type,
        "task_definition": None if task is None else task.model_dump(),
        "discover_install_uri": plan.tap.package if plan.tap else None,
        "extended_statuses": extended_statuses,
        "fail_on_refused": flow.fail_job_on_record_failures or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _facts(plan: Plan, lane: Lane, request: JobRequest, sync_type: str) -> dict[str, Any]:
    """Give what is known of this job only."""
    facts = {
        "tap": plan.tap_name,
        "target": plan.target_name,
        "job_type": plan.job_type,
        "sync_type": sync_type,
        "scheduled_job": False,
        "streaming_job": request.streaming_job or None,
        "state_key": None if plan.state_end is None else lane.state_key(plan.state_end),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _redirect(caller: Caller, lane: Lane, request: JobRequest) -> dict[str, Any]:
    if (webhook := request.webhook) is None:
        return {}
    told = webhook.model_dump(exclude_none=True)
    return {
        "redirect": redirect_webhook(caller, lane.env_id, webhook),
        "override_lifecycle_webhook": told if webhook.secret_ref else webhook.url,
    }


def _name_job(order: _Order, now: datetime) -> str:
    parts = [order.lane.flow_id, order.plan.source_name, f"{now:%Y%m%d-%H%M%S}"]
    return order.request.job_name or "-".join(part for part in parts if part)


def _keep_payload(caller: Caller, request: JobRequest, run_id: str, *, ours: bool) -> tuple[dict[str, Any], str | None]:
    """Keep what a caller sends along where it belongs: what is secret or large in S3, the rest on the run.

    Returns
    -------
    tuple of dict and str or None
        What the run keeps, and the key of what it does not.
    """
    payload = request.payload
    open_part = {name: redact(value) if name in SECRET_MEMBERS else value for name, value in payload.items()}
    open_part.pop("environment_variables", None)
    large = len(json.dumps(open_part)) > MAX_INLINE_BYTES
    if not (large or SECRET_MEMBERS & payload.keys() or (ours and payload)):
        return open_part, None
    key = f"{caller.principal.org}/requests/{run_id}.json"
    caller.ports.run_objects.put_json(key, payload)
    if not large:
        return {**open_part, "request_key": key}, key
    # What is short, such as dates, stays where everybody sees it.
    kept = {name: value for name, value in open_part.items() if isinstance(value, str)}
    left_out = [name for name in PAYLOAD if name in open_part and name not in kept]
    return {**kept, "large": left_out, "request_key": key}, key


def _tell_job(
    work: Mapping[str, Any] | None, own: Mapping[str, Any], request_key: str | None, *, job_id: str, s3_root: str
) -> dict[str, Any] | None:
    """Write the work of one job, over what the ledger's job says of all of them.

    Raises
    ------
    InvalidInputError
        It is none that can be done.
    """
    if work is None:
        return None
    streaming = bool(own.get("streaming_job"))
    told = {
        **work,
        "tap": work.get("tap"),
        "target": work.get("target"),
        "script": None if streaming else work.get("script"),
        "streaming": streaming,
        "sync_type": own["sync_type"],
        "request_key": request_key,
        "about": {**work["about"], "JOB_ID": job_id, "JOB_ROOT": s3_root},
    }
    read_work(told)
    return told
