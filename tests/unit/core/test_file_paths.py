"""Paths of an org's own files: every spelling of a file has one key, and no path leads elsewhere."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.errors import NotFoundError
from jobruns.file_paths import MAX_KEY_BYTES, file_key, files_prefix
from jobruns.uploads import owner_of

ORG = "0192f0c1-2222-7aaa-8aaa-000000000001"
STEPS = st.sampled_from(["a", "b.csv", "..", ".", "", "...", "%2e%2e", "ä"])


@pytest.mark.parametrize("path", ["in/dogs.csv", "/in/dogs.csv", "./in//dogs.csv", "x/../in/dogs.csv", "in/./dogs.csv"])
def test_every_spelling_of_a_path_is_one_file(path: str) -> None:
    assert file_key(ORG, path) == f"{ORG}/files/in/dogs.csv"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        ".",
        "..",
        "a/..",
        "../other/files/x",
        "a/../../x",
        "/../x",
        "..\\x",
        "a\x00b",
        "a\nb",
        "a\x7f",
        "\ud800",
        "x" * MAX_KEY_BYTES,
    ],
)
def test_what_leads_elsewhere_or_cannot_be_is_no_file(path: str) -> None:
    with pytest.raises(NotFoundError, match="no such file or directory"):
        file_key(ORG, path)


@given(st.one_of(st.text(max_size=40), st.lists(STEPS, max_size=8).map("/".join)))
def test_a_key_lies_below_the_orgs_own_prefix_and_is_its_own_spelling(path: str) -> None:
    try:
        key = file_key(ORG, path)
    except NotFoundError:
        return
    below = key.removeprefix(files_prefix(ORG))
    assert key == files_prefix(ORG) + below
    assert below == posixpath.normpath(below)
    assert not below.startswith(("/", "../"))
    assert file_key(ORG, below) == key
    assert owner_of(key) == ORG  # loads and uploads of other orgs do not see it either
