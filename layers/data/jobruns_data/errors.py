"""Every error the data layer raises on purpose.

::

    JobrunsError
    └── DataError
        ├── SchemaConflictError   table and transform do not agree on a column
        ├── CommitConflictError   other writers were faster, too often in a row
        ├── UncommittableError    results that must not be committed
        ├── UnfinishedError       there was more to do than there was time for
        └── UnreadableFileError   a file cannot be read; inside Index it becomes a FailedFile
"""

from jobruns.errors import JobrunsError

__all__ = [
    "CommitConflictError",
    "DataError",
    "SchemaConflictError",
    "UncommittableError",
    "UnfinishedError",
    "UnreadableFileError",
]


class DataError(JobrunsError):
    """Base of every error of the data layer."""


class SchemaConflictError(DataError):
    """The table has a column that cannot hold what the transform makes of it."""


class CommitConflictError(DataError):
    """A bounded number of commits all lost against other writers; the same call may succeed later."""


class UncommittableError(DataError):
    """The results name a failed file, or files of another table."""


class UnfinishedError(DataError):
    """Part of the work is done, and there is no time for the rest; the same call goes on."""


class UnreadableFileError(DataError):
    """A file cannot be read; the message says why and what to do, and the caller knows the file."""
