"""The operations on tags, of jobs and triggers.

Clients compose the ARN themselves, so neither its region nor its account is looked at. Decided for this service: jobs
of other doors have their tags changed there, as everything else of them.
"""

import re
from typing import Any

from glue.admission import Caller
from glue.job_documents import MAX_NAME_CHARACTERS
from glue.jobs import find_own_job
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.service.definitions import find_job, tag_job
from jobruns.service.triggers import find_trigger, tag_trigger

Members = dict[str, Any]

# A name may itself hold slashes and colons.
_ARN = re.compile(r"arn:[^:]+:glue:[^:]*:[^:]*:([^/]+)/(.+)", re.DOTALL)


def tag_resource(caller: Caller, request: Members) -> Members:
    """Add tags, or change their values."""
    return _change(caller, request, tags=request["TagsToAdd"])


def untag_resource(caller: Caller, request: Members) -> Members:
    """Take tags away."""
    return _change(caller, request, untag=request["TagsToRemove"])


def get_tags(caller: Caller, request: Members) -> Members:
    """Read the tags of a job or a trigger."""
    match _read_arn(request["ResourceArn"]):
        case "job", name:
            return {"Tags": find_job(caller.ports, caller.principal, name).tags}
        case _, name:
            return {"Tags": find_trigger(caller.ports, caller.principal, name).tags}


def _change(caller: Caller, request: Members, **changes: Any) -> Members:
    change: Any
    match _read_arn(request["ResourceArn"]):
        case "job", name:
            find_own_job(caller, name)
            change = tag_job
        case _, name:
            change = tag_trigger
    change(caller.ports, caller.principal, name, **{"tags": {}, **changes})
    return {}


def _read_arn(arn: str) -> tuple[str, str]:
    found = _ARN.fullmatch(arn)
    if found is None:
        raise InvalidInputError("ResourceArn: it must end in job/<name> or trigger/<name>")
    if found[1] not in ("job", "trigger"):
        raise NotFoundError(f"this service tags jobs and triggers; it has nothing of the kind {found[1][:64]!r}")
    kind, name = found.groups()
    if len(name) > MAX_NAME_CHARACTERS:
        raise NotFoundError(f"no {kind} has a name of {len(name)} characters")
    return kind, name


OPERATIONS = {"GetTags": get_tags, "TagResource": tag_resource, "UntagResource": untag_resource}
