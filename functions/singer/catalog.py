"""Chooses the streams of a catalog that a sync reads.

What a tap discovers says what there is, and not what is wanted; a stream is read where its metadata says ``selected``.
https://github.com/singer-io/getting-started/blob/master/docs/DISCOVERY_MODE.md
"""

from collections.abc import Mapping
from typing import Any

from scripts.errors import RunFailedError


def choose_streams(catalog: Any, wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the catalog with the streams selected that are wanted.

    Parameters
    ----------
    catalog : Any
        As the tap printed it.
    wanted : mapping, optional
        Streams by name, and whether each is wanted: a truth value, or an object for one that is. Without it a stream is
        wanted unless the catalog itself says that it is not.

    Raises
    ------
    RunFailedError
        It is no catalog, or has none of the streams that are wanted.
    """
    if not isinstance(catalog, dict) or not isinstance(catalog.get("streams"), list):
        raise RunFailedError("the tap did not print a catalog", "CatalogInvalid")
    streams = [_choose(stream, wanted) for stream in catalog["streams"] if isinstance(stream, dict)]
    if wanted and not any(_root(stream)["selected"] for stream in streams):
        names = ", ".join(sorted(name for name, choice in wanted.items() if choice))
        raise RunFailedError(f"the tap has none of the streams that are wanted: {names[:300]}", "StreamsMissing")
    return {**catalog, "streams": streams}


def _choose(stream: dict[str, Any], wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    entries = [
        {**entry, "metadata": dict(entry.get("metadata") or {})}
        for entry in stream.get("metadata") or []
        if isinstance(entry, dict)
    ]
    chosen = {**stream, "metadata": entries}
    root = _root(chosen)
    if wanted is None:
        selected = root.get("selected") is not False
    else:
        selected = any(bool(wanted.get(str(chosen.get(key)))) for key in ("stream", "tap_stream_id", "table_name"))
    root["selected"] = selected
    # Older taps read fields only where each is selected by itself.
    for entry in entries:
        facts = entry["metadata"]
        if entry.get("breadcrumb") and facts.get("inclusion") != "unsupported":
            facts.setdefault("selected", True)
    return chosen


def _root(stream: dict[str, Any]) -> dict[str, Any]:
    """Give the metadata of the stream as a whole, which is made where there is none."""
    for entry in stream["metadata"]:
        if not entry.get("breadcrumb"):
            metadata: dict[str, Any] = entry["metadata"]
            return metadata
    stream["metadata"].insert(0, {"breadcrumb": [], "metadata": {}})
    inserted: dict[str, Any] = stream["metadata"][0]["metadata"]
    return inserted
