"""The way of a request through the checks, in the order that clients of the reference know.

A credential that is there and wrong is refused before anything is read; that is up to whoever calls. What follows is
here: the body, the operation's name, whether anybody is known to call, whether there is such an operation, whether the
caller may call it, and only then its members.
"""

from dataclasses import dataclass
from typing import Any

from hdb.bodies import Call, read_call
from hdb.errors import JobRefusedError
from hdb.operations import ALIASES, OPERATIONS, Access, Operation, check_access, find_operation
from jobruns.errors import MissingCredentialError
from jobruns.grants import Grants


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that is to be served.

    Parameters
    ----------
    call : Call
        As it was sent; the name in it is the one that a job shows as its type.
    operation : Operation
        What it asks for.
    request : Any
        What `operation` made of the members; ``None`` where there is a refusal.
    refusal : str, optional
        The message with which the job of this request ends at once.
    """

    call: Call
    operation: Operation
    request: Any
    refusal: str | None = None


def take_request(content_type: str | None, body: bytes, grants: Grants | None) -> Taken:
    """Take a request.

    Parameters
    ----------
    content_type : str or None
        The header.
    body : bytes
        As it was sent.
    grants : Grants or None
        What the caller may do; ``None`` where the request says nothing of who calls.

    Raises
    ------
    JobrunsError
        It is not to be served; the first thing that is wrong is told.
    """
    call = read_call(content_type, body)
    if grants is None and not _is_open(call):
        raise MissingCredentialError("the request carries nothing that tells who calls")
    operation = find_operation(call.name)
    if grants is not None:
        check_access(operation, grants, call.fields)
    try:
        return Taken(call, operation, operation.read(call.fields))
    except JobRefusedError as error:
        return Taken(call, operation, None, error.message)


def _is_open(call: Call) -> bool:
    operation = OPERATIONS.get(ALIASES.get(call.name, call.name))
    return operation is not None and operation.access is Access.OPEN
