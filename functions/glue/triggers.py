"""The operations on triggers.

Decided for this service, where Glue leaves it open: creating a trigger again just as it is succeeds; the jobs it names
need not exist, and firing then leaves a run in ERROR; an update without ``Actions`` keeps those that are, since a
trigger without any would be none; ``DependentJobName`` of a job that no trigger starts lists nothing.
"""

from typing import Any

from glue.admission import DOOR, Caller
from glue.job_documents import check_size
from glue.pages import DEFAULT_PAGE, cut_page, read_token, write_named, write_page
from glue.trigger_documents import read_trigger, write_trigger
from jobruns.errors import InvalidInputError
from jobruns.service.activation import deactivate_trigger
from jobruns.service.triggers import (
    define_trigger,
    delete_trigger,
    find_trigger,
    find_triggers,
    list_triggers,
    replace_trigger,
    start_trigger,
)
from jobruns.trigger import Trigger

Members = dict[str, Any]

MAX_DEFINITION_BYTES = 150 * 1024
"""Half of a job's: what is given back as it came is kept beside what the core acts on."""


def create_trigger(caller: Caller, request: Members) -> Members:
    """Define a trigger."""
    check_size(request, MAX_DEFINITION_BYTES)
    if request["Type"] == "EVENT":
        raise InvalidInputError("Type: triggers of the type EVENT start workflows, which this service does not have")
    if "WorkflowName" in request:
        raise InvalidInputError("WorkflowName: this service has no workflows; leave it out")
    trigger = define_trigger(
        caller.ports,
        caller.principal,
        name=request["Name"],
        type=request["Type"],
        start_on_creation=request.get("StartOnCreation", False),
        tags=request.get("Tags", {}),
        door=DOOR,
        **read_trigger(request),
    )
    return {"Name": trigger.name}


def update_trigger(caller: Caller, request: Members) -> Members:
    """Replace a trigger's definition; whether it fires stays."""
    check_size(request, MAX_DEFINITION_BYTES)
    update = request["TriggerUpdate"]
    if "Actions" not in update:
        was = write_trigger(find_trigger(caller.ports, caller.principal, request["Name"]))
        update = {**update, "Actions": was["Actions"]}
    trigger = replace_trigger(caller.ports, caller.principal, request["Name"], **read_trigger(update))
    return {"Trigger": write_trigger(trigger)}


def get_trigger(caller: Caller, request: Members) -> Members:
    """Read a trigger."""
    return {"Trigger": write_trigger(find_trigger(caller.ports, caller.principal, request["Name"]))}


def get_triggers(caller: Caller, request: Members) -> Members:
    """Read triggers by name, a page at a time."""
    found, limit = _list(caller, request)
    documents, token = write_page(caller, "triggers", found, limit, write_trigger)
    return {"Triggers": documents, "NextToken": token}


def list_names(caller: Caller, request: Members) -> Members:
    """Read the names of triggers, a page at a time."""
    found, limit = _list(caller, request)
    triggers, token = cut_page(caller, "triggers", found, limit)
    return {"TriggerNames": [trigger.name for trigger in triggers], "NextToken": token}


def batch_get_triggers(caller: Caller, request: Members) -> Members:
    """Read triggers by their names; those that are not there are named."""
    names = request["TriggerNames"]
    found = find_triggers(caller.ports, caller.principal, dict.fromkeys(names))
    documents, absent = write_named("TriggerNames", names, found, write_trigger)
    return {"Triggers": documents, "TriggersNotFound": absent}


def start(caller: Caller, request: Members) -> Members:
    """Let a trigger fire: one on demand at once, another when its time comes."""
    return {"Name": start_trigger(caller.ports, caller.principal, request["Name"], caller.token).name}


def stop(caller: Caller, request: Members) -> Members:
    """Let a trigger fire no more."""
    return {"Name": deactivate_trigger(caller.ports, caller.principal, request["Name"]).name}


def delete(caller: Caller, request: Members) -> Members:
    """Delete a trigger; one that is not there is deleted already."""
    delete_trigger(caller.ports, caller.principal, request["Name"])
    return {"Name": request["Name"]}


def _list(caller: Caller, request: Members) -> tuple[list[Trigger], int]:
    """Read a page of triggers and, where there is one, the trigger after it; give the size of the page too."""
    limit = request.get("MaxResults", DEFAULT_PAGE)
    found = list_triggers(
        caller.ports,
        caller.principal,
        after=read_token(caller, "triggers", request.get("NextToken")),
        limit=limit + 1,
        dependent_job=request.get("DependentJobName"),
        tags=request.get("Tags"),
    )
    return found, limit


OPERATIONS = {
    "BatchGetTriggers": batch_get_triggers,
    "CreateTrigger": create_trigger,
    "DeleteTrigger": delete,
    "GetTrigger": get_trigger,
    "GetTriggers": get_triggers,
    "ListTriggers": list_names,
    "StartTrigger": start,
    "StopTrigger": stop,
    "UpdateTrigger": update_trigger,
}
