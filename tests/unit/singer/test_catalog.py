"""Which streams of a catalog are read."""

from typing import Any

import pytest

from scripts.errors import RunFailedError
from singer.catalog import choose_streams


def stream(name: str, *metadata: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"tap_stream_id": name, "schema": {"type": "object"}, "metadata": list(metadata), **fields}


def root(**facts: Any) -> dict[str, Any]:
    return {"breadcrumb": [], "metadata": facts}


def field(name: str, **facts: Any) -> dict[str, Any]:
    return {"breadcrumb": ["properties", name], "metadata": facts}


def selected(catalog: dict[str, Any]) -> dict[str, bool]:
    return {one["tap_stream_id"]: one["metadata"][0]["metadata"]["selected"] for one in catalog["streams"]}


def test_without_a_wish_all_are_read_but_those_the_catalog_itself_leaves_out() -> None:
    catalog = {"streams": [stream("a"), stream("b", root(selected=False)), stream("c", root(inclusion="available"))]}
    assert selected(choose_streams(catalog, None)) == {"a": True, "b": False, "c": True}


def test_with_a_wish_those_are_read_that_are_wanted_by_either_name() -> None:
    catalog = {"streams": [stream("db-a", stream="a"), stream("b", root(selected=True)), stream("c")]}
    chosen = choose_streams(catalog, {"a": True, "c": {"fields": ["x"]}, "b": False})
    assert selected(chosen) == {"db-a": True, "b": False, "c": True}


def test_fields_are_selected_each_unless_they_cannot_be_or_the_catalog_says_no() -> None:
    fields = [field("id", inclusion="automatic"), field("blob", inclusion="unsupported"), field("x", selected=False)]
    chosen = choose_streams({"streams": [stream("a", root(), *fields)]}, None)
    assert [entry["metadata"].get("selected") for entry in chosen["streams"][0]["metadata"]] == [
        True,
        True,
        None,
        False,
    ]


def test_what_was_discovered_is_not_changed() -> None:
    catalog = {"streams": [stream("a", root())], "version": 2}
    chosen = choose_streams(catalog, None)
    assert (catalog["streams"][0]["metadata"], chosen["version"]) == ([root()], 2)


def test_a_wish_for_nothing_that_there_is_fails() -> None:
    with pytest.raises(RunFailedError, match="none of the streams that are wanted: x, y"):
        choose_streams({"streams": [stream("a")]}, {"y": True, "x": True, "a": False})


@pytest.mark.parametrize("printed", [[], None, {"streams": {}}, "x"])
def test_what_is_no_catalog_fails(printed: Any) -> None:
    with pytest.raises(RunFailedError, match="did not print a catalog"):
        choose_streams(printed, None)
