"""Where a load looks for files: which endpoints may be named, and what becomes of them; and how names are searched."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jobruns.places import Endpoint, LoadSource, read_endpoint
from jobruns.table import check_pattern, compile_pattern


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3.amazonaws.com", Endpoint()),
        ("https://s3.amazonaws.com/", Endpoint()),
        ("https://s3.eu-west-1.amazonaws.com", Endpoint("eu-west-1")),
        ("s3-us-west-2.amazonaws.com", Endpoint("us-west-2")),
        ("https://s3.dualstack.ap-southeast-2.amazonaws.com", Endpoint("ap-southeast-2", dualstack=True)),
        ("https://s3-fips.us-gov-west-1.amazonaws.com", Endpoint("us-gov-west-1", fips=True)),
        ("s3-fips.dualstack.us-east-1.amazonaws.com", Endpoint("us-east-1", dualstack=True, fips=True)),
        ("https://s3.cn-north-1.amazonaws.com.cn", Endpoint("cn-north-1")),
    ],
)
def test_an_endpoint_of_s3_says_region_and_kind(text: str, expected: Endpoint) -> None:
    assert read_endpoint(text) == expected
    assert LoadSource(bucket="a-b", endpoint=text).asked == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://s3.eu-west-1.amazonaws.com",  # not encrypted
        "https://minio.example.test",
        "https://s3.eu-west-1.amazonaws.com.example.test",
        "https://example.test/s3.eu-west-1.amazonaws.com",
        "https://s3.eu-west-1.amazonaws.com@example.test",
        "https://s3.eu-west-1.amazonaws.com:8080",
        "https://ec2-203-0-113-7.eu-west-1.compute.amazonaws.com",  # anybody's machine
        "https://abc123.execute-api.eu-west-1.amazonaws.com",
        "https://my-bucket.s3.eu-west-1.amazonaws.com",
        "https://sqs.eu-west-1.amazonaws.com",
        "169.254.169.254",
        "https://s3.eu-west-1.amazonaws.com\nX: y",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is none of S3's own"):
        read_endpoint(text)


@given(st.text(max_size=60))
def test_no_text_brings_the_reader_down(text: str) -> None:
    try:
        read_endpoint(text)
    except ValueError:
        return
    assert ".amazonaws.com" in text


def test_a_region_goes_with_an_endpoint_that_says_none_or_the_same() -> None:
    assert LoadSource(bucket="a-b", region="eu-west-1").asked == Endpoint("eu-west-1")
    both = LoadSource(bucket="a-b", region="eu-west-1", endpoint="s3.eu-west-1.amazonaws.com")
    assert both.asked == Endpoint("eu-west-1")
    assert LoadSource(bucket="a-b", region="eu-west-1", endpoint="s3.amazonaws.com").asked == Endpoint("eu-west-1")
    with pytest.raises(ValidationError, match="is of us-east-1, not of the region eu-west-1"):
        LoadSource(bucket="a-b", region="eu-west-1", endpoint="s3.us-east-1.amazonaws.com")


@pytest.mark.parametrize("region", ["Frankfurt", "eu-west", "eu-west-1 ", "../eu-west-1", "eu-west-1.evil.test"])
def test_what_no_region_is_called_is_refused(region: str) -> None:
    with pytest.raises(ValidationError):
        LoadSource(bucket="a-b", region=region)


@pytest.mark.parametrize(
    "pattern", ["(?=x)", "(?<!x)y", r"(a)\1", "(", "*", "a{2000}", "(((a{100}){100}){100})", r"\p{No}x{1,9999}"]
)
def test_what_cannot_be_searched_for_in_bounded_time_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is no regular expression"):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|aa)+$", "(.*)(.*)(.*)(.*)(.*)x$", "(a?){300}a{300}b"])
def test_a_pattern_made_to_hang_does_not(pattern: str) -> None:
    search = compile_pattern(pattern).search
    began = time.monotonic()
    assert search("s3://c/" + "a" * 1024 + "!") is None
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("^s3://b/x/.*\\.gz$", True),
        ("x/a", True),  # anywhere, unless anchored
        ("^x/", False),
        ("\\.GZ$", False),
        ("(?i)\\.GZ$", True),
        ("\\.gz\\z", True),
        ("ü", True),
        ("^s3://b/./a.*z$", True),
    ],
)
def test_a_pattern_is_searched_for_in_the_whole_url(pattern: str, found: bool) -> None:
    assert bool(compile_pattern(pattern).search("s3://b/x/a-ü.gz")) is found
