"""Which rows of many: ``limit``, ``offset`` and the header ``Range``, and what the answer tells of them."""

import re
from dataclasses import dataclass

from pgrest.errors import Code, RefusedError

_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Window:
    """The rows to show: past the first ``offset``, ``limit`` at most."""

    offset: int
    limit: int


def read_window(limit: int | None, offset: int | None, header: str | None, max_rows: int) -> Window:
    """Find the rows asked for.

    Parameters
    ----------
    limit, offset : int or None
        Of the query string.
    header : str or None
        ``Range``: ``0-24``, or ``10-``. What cannot be read counts as absent, as RFC 9110 has it. Only GET has one.
    max_rows : int
        The most rows an answer has.

    Raises
    ------
    RefusedError
        The header's range ends before it begins, or has no row in common with limit and offset.
    """
    first = offset or 0
    end = None if limit is None else first + limit
    match = _RANGE.fullmatch((header or "").strip())
    if match and limit != 0:
        lower, upper = int(match[1]), int(match[2]) + 1 if match[2] else None
        if upper is not None and upper <= lower:
            raise _unsatisfiable(
                "The lower boundary must be lower than or equal to the upper boundary in the Range header."
            )
        first = max(first, lower)
        end = min((bound for bound in (end, upper) if bound is not None), default=None)
        if end is not None and end <= first:
            raise _unsatisfiable("The Range header and limit with offset have no row in common.")
    return Window(first, max_rows if end is None else min(end - first, max_rows))


def content_range(offset: int, returned: int, total: int | None) -> str:
    """Write the header ``Content-Range``; `total` is known where a count was asked for."""
    rows = f"{offset}-{offset + returned - 1}" if returned and total != 0 else "*"
    return f"{rows}/{'*' if total is None else total}"


def read_status(offset: int, returned: int, total: int | None) -> int:
    """Tell the status of a read: 206 where a count was asked for and says that there are more rows.

    Raises
    ------
    RefusedError
        So many rows there are not.
    """
    if total is None:
        return 200
    if offset > total:
        raise _unsatisfiable(
            f"An offset of {offset} was requested, but there are only {total} rows.", content_range(offset, 0, total)
        )
    return 206 if returned < total else 200


def _unsatisfiable(details: str, header: str = "*/*") -> RefusedError:
    return RefusedError(
        Code.RANGE, "Requested range not satisfiable", details=details, headers={"Content-Range": header}
    )
