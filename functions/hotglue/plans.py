"""What a job of a flow is going to be: from where to where, by which programs, and whose state it takes up."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hotglue.flow_documents import Connector, Flow, LinkedConnector
from hotglue.job_requests import JobRequest
from hotglue.names import Lane
from jobruns.errors import InvalidInputError, NotFoundError

API = "api"
"""The tap of jobs that are given what they write with the request."""

VARIANT = ":"
"""Between the name of a tap and that of a variant of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A job as it is going to be.

    Parameters
    ----------
    version : int
        That of the flow.
    tap_name, target_name : str or None
        What people call them.
    tap, target : Connector or None
        The programs, where the flow names them.
    connector_id : str or None
        Of a flow of version 2.
    job_type : str or None
        ``read`` or ``write``, in a flow of version 2.
    state_end : str or None
        The end of the name of the state that it takes up and moves on; ``None`` where there is nothing to take up.
    """

    version: int
    tap_name: str | None
    target_name: str | None
    tap: Connector | None
    target: Connector | None
    connector_id: str | None = None
    job_type: str | None = None
    state_end: str | None = None

    @property
    def side(self) -> Literal["tap", "target"] | None:
        """The side that the connector takes."""
        if self.connector_id is None:
            return None
        return "target" if self.job_type == "write" else "tap"

    @property
    def source_name(self) -> str | None:
        """What the job's own name is made of."""
        return self.connector_id or self.tap_name


def plan_job(flow: Flow, request: JobRequest) -> Plan:
    """Find out what is to be done.

    Raises
    ------
    InvalidInputError
        The flow has no such tap.
    NotFoundError
        The flow has no such connector.
    """
    if flow.version == 1:
        return _plan_direct(flow, request)
    return _plan_linked(flow, request)


def base_plan(flow: Flow, connector_id: str | None) -> Plan:
    """Give the plan of a job of whose request nothing is known but the connector: one that reads, if there is such."""
    try:
        return plan_job(flow, JobRequest(connector_id=connector_id, job_type="read"))
    except InvalidInputError:
        return plan_job(flow, JobRequest(connector_id=connector_id, job_type="write"))


def write_work(
    flow: Flow, plan: Plan, lane: Lane, *, org: str, secret: str | None, catalog: str | None = None
) -> dict[str, Any]:
    """Write what our own runner is told to do, as `jobruns.singer.SyncWork` reads it."""
    about = {
        "ENV_ID": lane.env_id,
        "FLOW": lane.flow_id,
        "TENANT": lane.tenant,
        "TAP": plan.tap_name,
        "TARGET": plan.target_name,
        "CONNECTOR_ID": plan.connector_id,
        "JOB_TYPE": plan.job_type,
    }
    work = {
        "tap": _program(plan.tap),
        "target": _program(plan.target),
        "script": None if flow.script is None else f"{org}/scripts/{flow.script}",
        "script_package": flow.script_package,
        "discover": flow.discover and flow.catalog is None,
        "catalog_key": catalog,
        "fail_on_refused": flow.fail_job_on_record_failures,
        "config_secret": secret,
        "connector": plan.connector_id,
        "side": plan.side,
        "about": {name: value for name, value in about.items() if value is not None},
    }
    return {name: value for name, value in work.items() if value is not None}


def catalog_key(catalog: Mapping[str, Any], lane: Lane, org: str) -> str:
    """Say where a flow's catalog is kept for its runs: each catalog by itself, as jobs that have been started go on."""
    digest = hashlib.sha256(json.dumps(catalog, sort_keys=True).encode()).hexdigest()
    return f"syncs/{org}/{lane.env_id}/flows/{lane.flow_id}/catalogs/{digest}.json"


def _plan_direct(flow: Flow, request: JobRequest) -> Plan:
    named = flow.tap.name if flow.tap else None
    name = request.tap or named
    ours = flow.runner == "singer"
    if name == API:
        tap = None
    elif ours and (name or "").partition(VARIANT)[0] != named:
        raise InvalidInputError(
            f"tap: the flow's tap is {named!r}; {API!r} writes what the request brings", field="tap"
        )
    else:
        tap = flow.tap
    target = flow.target
    if ours and request.target not in (None, target and target.name):
        raise InvalidInputError(f"target: the flow's target is {target and target.name!r}", field="target")
    return Plan(
        version=1,
        tap_name=name,
        target_name=request.target or (target.name if target else None),
        tap=tap,
        target=target,
        state_end=None if name in (None, API) else name,
    )


def _plan_linked(flow: Flow, request: JobRequest) -> Plan:
    connector_id = str(request.connector_id)
    linked = flow.connectors.get(connector_id)
    if linked is None:
        if flow.connectors or flow.runner == "singer":
            raise NotFoundError(f"the flow has no connector {connector_id!r}", field="connector_id")
        linked = LinkedConnector()
    writes = request.job_type == "write"
    tap, target = (flow.tap, linked.target) if writes else (linked.tap, flow.target)
    if flow.runner == "singer" and (target if writes else tap) is None:
        raise InvalidInputError(
            f"job_type: the connector {connector_id!r} is not one to {request.job_type}", field="job_type"
        )
    ends = {False: connector_id, True: f"{connector_id}/{API if tap is None else tap.name}"}
    return Plan(
        version=2,
        tap_name=(tap.name if tap else API) if writes else (tap.name if tap else connector_id),
        target_name=target.name if target else (connector_id if writes else None),
        tap=tap,
        target=target,
        connector_id=connector_id,
        job_type=request.job_type,
        state_end=None if writes and tap is None else ends[writes],
    )


def _program(connector: Connector | None) -> dict[str, Any] | None:
    if connector is None:
        return None
    return connector.model_dump(include={"name", "package", "executable", "catalog_option"}, exclude_none=True)
