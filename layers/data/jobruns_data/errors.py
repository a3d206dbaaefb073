"""Every error the data layer raises on purpose.

::

    JobrunsError
    └── DataError
        ├── SchemaConflictError   table and transform do not agree on a column
        ├── InvalidAttributeError   no attribute can have that name
        ├── UnknownAttributeError   the table has no such attribute
        ├── CommitConflictError   other writers were faster, too often in a row
        ├── UncommittableError    results that must not be committed
        ├── UnfinishedError       there was more to do than there was time for
        └── UnreadableFileError   a file cannot be read; inside Index it becomes a FailedFile
"""

from jobruns.errors import JobrunsError

__all__ = [
    "CommitConflictError",
    "DataError",
    "InvalidAttributeError",
    "SchemaConflictError",
    "UncommittableError",
    "UnfinishedError",
    "UnknownAttributeError",
    "UnreadableFileError",
]


class DataError(JobrunsError):
    """Base of every error of the data layer."""


class SchemaConflictError(DataError):
    """The table has a column that cannot hold what the transform makes of it."""


class InvalidAttributeError(DataError):
    """No attribute of a table can have that name, or that one may not be changed; the message is the name.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class UnknownAttributeError(DataError):
    """A table has no attribute of that name; the message is the name.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class CommitConflictError(DataError):
    """A bounded number of commits all lost against other writers; the same call may succeed later."""


class UncommittableError(DataError):
    """The results name a failed file, or files of another table."""


class UnfinishedError(DataError):
    """Part of the work is done, and there is no time for the rest; the same call goes on."""


class UnreadableFileError(DataError):
    """A file cannot be read; the message says why and what to do, and the caller knows the file."""
