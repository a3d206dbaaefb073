"""Headers: preferences, ranges, media types and profiles."""

from zoneinfo import ZoneInfo

import pytest

from pgrest.errors import Code, RefusedError
from pgrest.media import ROOT, MediaType, Shape, choose_media
from pgrest.preferences import Representation, Resolution, read_preferences
from pgrest.profiles import check_profile
from pgrest.ranges import Window, content_range, read_status, read_window

ALL = (
    "tx=commit, max-affected=5, timezone=America/Chicago, handling=strict, count=exact, return=representation,"
    "missing=default,resolution=merge-duplicates"
)
_WRITE = "return=representation, count=exact, handling=strict, timezone=America/Chicago"


def test_all_preferences_are_read() -> None:
    preferences = read_preferences(ALL)
    assert preferences.resolution is Resolution.MERGE
    assert preferences.representation is Representation.FULL
    assert preferences.missing_default
    assert preferences.counts
    assert preferences.max_affected == 5
    assert preferences.zone == ZoneInfo("America/Chicago")


def test_without_preferences_nothing_is_special() -> None:
    preferences = read_preferences(None)
    assert preferences.resolution is None
    assert preferences.representation is Representation.MINIMAL
    assert (preferences.missing_default, preferences.counts, preferences.max_affected) == (False, False, None)
    assert preferences.applied("POST") is None


@pytest.mark.parametrize(
    ("verb", "applied"),
    [
        ("GET", "count=exact, handling=strict, timezone=America/Chicago"),
        ("POST", f"resolution=merge-duplicates, missing=default, {_WRITE}"),
        ("PATCH", f"missing=default, {_WRITE}, max-affected=5"),
        ("DELETE", f"{_WRITE}, max-affected=5"),
        ("OPTIONS", None),
    ],
)
def test_what_took_effect_is_told_in_one_order(verb: str, applied: str | None) -> None:
    assert read_preferences(ALL).applied(verb) == applied


def test_the_first_of_a_kind_counts() -> None:
    assert read_preferences("return=minimal,return=representation").representation is Representation.MINIMAL


@pytest.mark.parametrize("header", ["max-affected=5", "max-affected=5, handling=lenient"])
def test_a_limit_that_is_not_strict_is_none(header: str) -> None:
    assert read_preferences(header).max_affected is None
    assert "max-affected" not in (read_preferences(header).applied("PATCH") or "")


@pytest.mark.parametrize("token", ["anything", "return=maximal", "count=roughly", "max-affected=-1", "max-affected=x"])
def test_what_is_unknown_is_ignored_unless_handling_is_strict(token: str) -> None:
    assert read_preferences(f"{token}, count=exact").counts
    with pytest.raises(RefusedError) as refusal:
        read_preferences(f"{token}, handling=strict")
    assert refusal.value.code is Code.PREFERENCES
    assert token in str(refusal.value.details)


@pytest.mark.parametrize("handling", ["lenient", "strict"])
def test_an_unknown_zone_is_refused_however_it_is_handled(handling: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        read_preferences(f"timezone=Mars/Base, handling={handling}")
    assert refusal.value.code is Code.PARAMETER


@pytest.mark.parametrize("token", ["tx=commit", "tx=rollback"])
def test_transactions_can_be_asked_for_and_mean_nothing(token: str) -> None:
    assert read_preferences(f"{token}, handling=strict").applied("POST") == "handling=strict"


@pytest.mark.parametrize(
    ("limit", "offset", "header", "window"),
    [
        (None, None, None, Window(0, 100)),
        (10, None, None, Window(0, 10)),
        (10, 5, None, Window(5, 10)),
        (None, 5, None, Window(5, 100)),
        (500, None, None, Window(0, 100)),
        (0, 7, None, Window(7, 0)),
        (None, None, "0-24", Window(0, 25)),
        (None, None, "10-", Window(10, 100)),
        (None, None, "7-7", Window(7, 1)),
        (5, None, "0-24", Window(0, 5)),
        (10, 20, "0-24", Window(20, 5)),
        (10, None, "5-24", Window(5, 5)),
        (0, None, "5-24", Window(0, 0)),
        (None, None, "bytes=0-5", Window(0, 100)),
        (None, None, "-5", Window(0, 100)),
        (None, None, "rows", Window(0, 100)),
    ],
)
def test_limit_offset_and_range_are_cut_with_each_other(
    limit: int | None, offset: int | None, header: str | None, window: Window
) -> None:
    assert read_window(limit, offset, header, 100) == window


@pytest.mark.parametrize(("limit", "header"), [(None, "5-4"), (5, "10-20"), (5, "5-")])
def test_a_range_without_rows_cannot_be_satisfied(limit: int | None, header: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        read_window(limit, None, header, 100)
    assert (refusal.value.code, refusal.value.status) == (Code.RANGE, 416)


@pytest.mark.parametrize(
    ("offset", "returned", "total", "status", "header"),
    [
        (0, 3, None, 200, "0-2/*"),
        (0, 0, None, 200, "*/*"),
        (500, 0, None, 200, "*/*"),
        (0, 3, 3, 200, "0-2/3"),
        (0, 2, 3, 206, "0-1/3"),
        (1, 2, 3, 206, "1-2/3"),
        (3, 0, 3, 206, "*/3"),
        (0, 0, 0, 200, "*/0"),
        (0, 0, 3, 206, "*/3"),
    ],
)
def test_the_answer_tells_which_rows_it_has(
    offset: int, returned: int, total: int | None, status: int, header: str
) -> None:
    assert read_status(offset, returned, total) == status
    assert content_range(offset, returned, total) == header


def test_an_offset_past_the_count_cannot_be_satisfied() -> None:
    with pytest.raises(RefusedError) as refusal:
        read_status(4, 0, 3)
    assert refusal.value.status == 416
    assert refusal.value.headers["Content-Range"] == "*/3"


@pytest.mark.parametrize(
    ("header", "media", "content_type"),
    [
        (None, MediaType(Shape.ARRAY), "application/json; charset=utf-8"),
        ("*/*", MediaType(Shape.ARRAY), "application/json; charset=utf-8"),
        ("application/json", MediaType(Shape.ARRAY), "application/json; charset=utf-8"),
        ("text/html, application/json;q=0.9, */*;q=0.8", MediaType(Shape.ARRAY), "application/json; charset=utf-8"),
        ("text/csv", MediaType(Shape.CSV), "text/csv; charset=utf-8"),
        ("application/json;q=0.5, text/csv", MediaType(Shape.CSV), "text/csv; charset=utf-8"),
        ("application/json;q=0, text/csv;q=0.1", MediaType(Shape.CSV), "text/csv; charset=utf-8"),
        (
            "application/vnd.pgrst.object+json",
            MediaType(Shape.OBJECT),
            "application/vnd.pgrst.object+json; charset=utf-8",
        ),
        ("application/vnd.pgrst.object", MediaType(Shape.OBJECT), "application/vnd.pgrst.object+json; charset=utf-8"),
        (
            "application/vnd.pgrst.object+json;nulls=stripped",
            MediaType(Shape.OBJECT, nulls_stripped=True),
            "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
        ),
        (
            "application/vnd.pgrst.array+json; nulls=stripped",
            MediaType(Shape.ARRAY, nulls_stripped=True),
            "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
        ),
    ],
)
def test_the_first_form_that_is_served_is_chosen(header: str | None, media: MediaType, content_type: str) -> None:
    assert choose_media(header) == media
    assert media.content_type == content_type


@pytest.mark.parametrize(
    "header",
    [
        "text/html",
        "application/vnd.pgrst.plan+text; for=application/json",
        "application/vnd.pgrst.plan+json",
        "image/png, text/plain",
        "application/openapi+json",
        "*/*;q=0",
    ],
)
def test_a_form_that_is_not_served_is_refused(header: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        choose_media(header)
    assert (refusal.value.code, refusal.value.status) == (Code.MEDIA_TYPE, 406)


def test_the_root_is_an_openapi_document() -> None:
    for header in (None, "*/*", "application/json", "application/openapi+json"):
        assert choose_media(header, ROOT).content_type == "application/openapi+json; charset=utf-8"


@pytest.mark.parametrize(
    ("verb", "header"), [("GET", "accept-profile"), ("HEAD", "accept-profile"), ("POST", "content-profile")]
)
def test_both_schemas_are_served_and_told(verb: str, header: str) -> None:
    assert check_profile(verb, {header: "public"}) == {"Content-Profile": "public"}
    assert check_profile(verb, {header: "api"}) == {"Content-Profile": "api"}
    assert check_profile(verb, {}) == {}
    with pytest.raises(RefusedError) as refusal:
        check_profile(verb, {header: "private"})
    assert (refusal.value.code, refusal.value.status) == (Code.PROFILE, 406)


def test_the_schema_of_the_other_kind_of_request_does_not_count() -> None:
    assert check_profile("GET", {"content-profile": "private"}) == {}
    assert check_profile("PATCH", {"accept-profile": "private", "content-profile": "api"}) == {"Content-Profile": "api"}
