"""What a path below the door's own names."""

from collections.abc import Mapping
from difflib import get_close_matches
from urllib.parse import unquote

from pgrest.columns import Relation
from pgrest.errors import Code, RefusedError


def find_relation(path: str, relations: Mapping[str, Relation]) -> Relation | None:
    """Find the relation a path names.

    Parameters
    ----------
    path : str
        Past the door's prefix, as it was sent: ``/jobs``.
    relations : mapping
        All there are, by name.

    Returns
    -------
    Relation or None
        ``None`` for the root.

    Raises
    ------
    RefusedError
        There is none; functions and single rows are no resources here.
    """
    segments = [unquote(segment) for segment in path.removeprefix("/").split("/")]
    if segments == [""]:
        return None
    if segments[0] == "rpc" and len(segments) == 2:
        raise RefusedError(Code.NO_FUNCTION, f"Could not find the function {segments[1][:80]}")
    if len(segments) > 1:
        raise RefusedError(
            Code.PATH,
            "Invalid path specified in request URL",
            hint="A row has no path of its own: write /jobs?id=eq.5, not /jobs/5.",
        )
    if (relation := relations.get(segments[0])) is None:
        near = get_close_matches(segments[0][:80], relations, n=1)
        raise RefusedError(
            Code.NO_TABLE,
            f"Could not find the table '{segments[0][:80]}'",
            hint=f"Perhaps you meant the table '{near[0]}'" if near else None,
        )
    return relation
