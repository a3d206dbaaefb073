"""GET and HEAD of a relation."""

from pgrest.asking import Asked
from pgrest.errors import Code, RefusedError
from pgrest.query import write_location
from pgrest.ranges import content_range, read_status, read_window
from pgrest.reads import MAX_BYTES, MAX_ROWS, Found, read_rows
from pgrest.representations import render_rows
from pgrest.wire import Answer

VARY = "Accept, Prefer, Range"


def show_rows(asked: Asked) -> Answer:
    """Show the rows a query asks for.

    Raises
    ------
    RefusedError
        There is no room in an answer for as many rows as are asked for.
    """
    header = asked.request.headers.get("range") if asked.request.verb == "GET" else None
    window = read_window(asked.query.limit, asked.query.offset, header, MAX_ROWS)
    found = read_rows(asked.caller, asked.bound, window, counted=asked.preferences.counts)
    if found.cut and (asked.query.limit is not None or header is not None):
        raise _refuse_cut(found)
    status = read_status(window.offset, len(found.rows), found.total)
    headers = {
        "Content-Range": content_range(window.offset, len(found.rows), found.total),
        "Content-Location": write_location(asked.relation.name, asked.parameters),
        "Vary": VARY,
        **asked.headers,
        **found.headers,
    }
    return Answer(status, asked.media.content_type, render_rows(found.rows, asked.media), headers)


def _refuse_cut(found: Found) -> RefusedError:
    """Refuse to show fewer rows than a caller asked for: one that reads page after page takes that for the end."""
    return RefusedError(
        Code.TOO_MANY,
        f"The rows asked for have more than {MAX_BYTES} bytes",
        hint=f"Ask for fewer at a time, such as limit={len(found.rows)}, or for fewer columns: select=id,status.",
    )
