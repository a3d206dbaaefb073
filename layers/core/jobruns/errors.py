"""Every error a caller of the core can meet.

::

    JobrunsError
    ├── InvalidInputError            the request itself is wrong
    │   ├── NoAttributeError         it names an attribute that the table does not have
    │   └── UnreadableJsonError      its body is no JSON, or none that could be stored and sent back
    ├── NotAuthenticatedError        a wrong secret, a revoked key or a temporary token; or one of
    │   ├── MissingCredentialError   the request carries nothing that tells who calls
    │   ├── MalformedCredentialError what it carries cannot be read
    │   ├── ExpiredCredentialError   a token or key of ours that was good once
    │   ├── InactiveUserError        the user is switched off, and whoever calls knows its password
    │   ├── UnknownKeyError          no such key, or one that has expired or was revoked
    │   └── WrongSignatureError      the signature is not the key's over this request, or is for elsewhere
    │       └── UntimelySignatureError  it was made too long ago, or is yet to be made
    ├── AccessDeniedError            the caller's role does not allow this
    │   └── MissingRightsError       it lacks rights on tables, which are listed
    ├── NotFoundError                it does not exist, or belongs to another org
    ├── AlreadyExistsError           the name or id is taken
    │   └── RootTakenError           another run has its files in that place
    ├── ConflictError                the present state does not allow it
    │   ├── IllegalTransitionError   the run's lifecycle does not allow it
    │   ├── GoneError                the run has been deleted in the meantime
    │   ├── BookmarkConflictError    another run has moved, or is about to move, the job's bookmark
    │   └── StaleWriteError          another writer was faster, too often in a row
    ├── ConcurrentRunsExceededError  the job runs as often as it may
    ├── SourceError                  what a load is to read is not there, or may not be read
    ├── UnavailableError             AWS did not answer in time; the same call may succeed later
    │   └── TooManyAttemptsError     so many wrong passwords were sent lately that none is looked at for a while
    └── CommitInProgressError        the outcome is being decided by the commit; ask again

The message is written for the caller: it names what is wrong and what to do. A door maps classes to its own wire shape
in one table; what is not a ``JobrunsError`` is a bug of ours.
"""

from collections.abc import Sequence
from json import JSONDecodeError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobruns.grants import Missing


class JobrunsError(Exception):
    """Base of every error of the core.

    Parameters
    ----------
    message : str
        Text for the caller.
    field : str, optional
        The member of the request that is wrong, in the core's words.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidInputError(JobrunsError):
    """The request is wrong whatever the state of the ledger."""


class NoAttributeError(InvalidInputError):
    """The table has no such attribute.

    Parameters
    ----------
    name : str
        The attribute's.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no attribute {name[:300]!r}", field="attribute")
        self.name = name


class UnreadableJsonError(InvalidInputError):
    """The body is no JSON, or none that could be stored and sent back.

    Parameters
    ----------
    message : str
        Text for the caller, which quotes nothing of the body.
    syntax : JSONDecodeError, optional
        Where it breaks the rules of JSON, and which.
    """

    def __init__(self, message: str, syntax: JSONDecodeError | None = None) -> None:
        super().__init__(message)
        self.syntax = syntax


class NotAuthenticatedError(JobrunsError):
    """The caller did not prove who it is."""


class MissingCredentialError(NotAuthenticatedError):
    """The request carries nothing that tells who calls."""


class MalformedCredentialError(NotAuthenticatedError):
    """What the request carries cannot be read as a credential."""


class ExpiredCredentialError(NotAuthenticatedError):
    """It was good once: a token that is genuine, or a key with its right secret. Nobody else is told so."""


class InactiveUserError(NotAuthenticatedError):
    """The user is switched off. Only who sends the right password is told so."""


class UnknownKeyError(NotAuthenticatedError):
    """There is no such key, or it has expired or was revoked."""


class WrongSignatureError(NotAuthenticatedError):
    """The signature is not the key's over this request, or was made for another service, region or day."""


class UntimelySignatureError(WrongSignatureError):
    """The signature was made too long ago, or is yet to be made."""


class AccessDeniedError(JobrunsError):
    """The caller is known and may not do this."""


class MissingRightsError(AccessDeniedError):
    """The caller lacks rights on tables.

    Parameters
    ----------
    message : str
        Text for the caller.
    missing : sequence of Missing, optional
        What is missing, table by table.
    """

    def __init__(self, message: str, missing: "Sequence[Missing]" = ()) -> None:
        super().__init__(message)
        self.missing = tuple(missing)


class NotFoundError(JobrunsError):
    """No such thing in the caller's org."""


class AlreadyExistsError(JobrunsError):
    """The name or id is taken."""


class RootTakenError(AlreadyExistsError):
    """Another run has its files in that place."""


class ConflictError(JobrunsError):
    """The request is right but the present state does not allow it."""


class IllegalTransitionError(ConflictError):
    """The run's state does not allow the step."""


class GoneError(ConflictError):
    """What was to be changed has been deleted in the meantime."""


class BookmarkConflictError(ConflictError):
    """Another run of the job has moved its bookmark, or is about to."""


class StaleWriteError(ConflictError):
    """A bounded number of optimistic writes all lost against other writers."""


class ConcurrentRunsExceededError(JobrunsError):
    """The job already has as many unfinished runs as it may have."""


class SourceError(JobrunsError):
    """What a load is to read is not there or may not be read; trying again helps only after somebody changed that."""


class UnavailableError(JobrunsError):
    """A service this one stands on did not answer; trying again may help."""


class TooManyAttemptsError(UnavailableError):
    """Many wrong passwords were sent lately, so none is compared for a while, the right one neither."""


class CommitInProgressError(JobrunsError):
    """The run has passed the point of no return; only its commit can say how it ends."""
