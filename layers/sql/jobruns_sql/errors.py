"""Every error the SQL layer raises on purpose.

::

    JobrunsError
    └── SqlError               the database does not understand or cannot do it; its own words
        ├── SqlRefusedError    it is not one SELECT
        └── SqlExhaustedError  it took too long, or more memory than there is for it
"""

from jobruns.errors import JobrunsError

__all__ = ["SqlError", "SqlExhaustedError", "SqlRefusedError"]


class SqlError(JobrunsError):
    """A statement cannot be run."""


class SqlRefusedError(SqlError):
    """Something else than one SELECT."""


class SqlExhaustedError(SqlError):
    """A query was stopped."""
