"""Signed requests: what is let in, and what is refused and as what."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from jobruns.access import key_secret, new_key_id
from jobruns.errors import (
    MalformedCredentialError,
    MissingCredentialError,
    NotAuthenticatedError,
    UnknownKeyError,
    UntimelySignatureError,
    WrongSignatureError,
)
from jobruns.signatures import MAX_SKEW, SignedRequest, is_signed, read_claim
from tests.unit.core.signing import (
    BOTO3,
    JAVASCRIPT,
    KEY,
    MASTER,
    NOW,
    REGION,
    SECRET,
    SERVICE,
    STAMP,
    changed,
    enter,
    make_door,
    request_of,
    sent_headers,
    sign,
)


@pytest.mark.parametrize(
    ("method", "target", "headers", "signed", "service", "signature"),
    [
        (
            "GET",
            "/",
            {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"},
            "host;x-amz-date",
            "service",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "GET",
            "/?Action=ListUsers&Version=2010-05-08",
            {
                "content-type": "application/x-www-form-urlencoded; charset=utf-8",
                "host": "iam.amazonaws.com",
                "x-amz-date": "20150830T123600Z",
            },
            "content-type;host;x-amz-date",
            "iam",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
)
def test_agrees_with_the_examples_that_aws_gives(
    method: str, target: str, headers: dict[str, str], signed: str, service: str, signature: str
) -> None:
    path, _, query = target.partition("?")
    scope = f"AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={signature}"
    claim = read_claim(
        SignedRequest(method, path, query, headers, b""),
        region="us-east-1",
        service=service,
        now=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
    )
    assert claim.key_id == "AKIDEXAMPLE"
    assert claim.holds("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    assert not claim.holds("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ")


@pytest.mark.parametrize("names", [BOTO3, JAVASCRIPT, ("host", "x-amz-date", "x-amz-target"), tuple(sent_headers(b""))])
@pytest.mark.parametrize("body", [b"{}", b"", '{"JobName": "nächtlich 🌙"}'.encode(), b"\xff\xfe"])
def test_any_set_of_signed_headers_lets_in(names: tuple[str, ...], body: bytes) -> None:
    assert enter(request_of(body, names=sorted(names))) == KEY.key_id


@pytest.mark.parametrize("url", [
    "https://api.example.test/glue",
    "https://api.example.test/glue/",
    "https://api.example.test/prod/glue",
    "https://api.example.test/prod%20one/%C3%A4/glue",
    "https://api.example.test//prod//glue",
    "https://api.example.test/a/../glue",
    "https://api.example.test/glue?b=2&a=1&a=0&empty=&flag",
    "https://api.example.test",
])  # fmt: skip
def test_the_path_is_taken_as_botocore_signed_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW)
    request = AWSRequest("POST", url, data=b"{}", headers={"X-Amz-Target": "AWSGlue.GetJobs"})
    SigV4Auth(Credentials(KEY.key_id, SECRET), SERVICE, REGION).add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()} | {"host": "api.example.test"}
    rest = url.removeprefix("https://api.example.test")
    path, _, query = rest.partition("?")
    assert enter(SignedRequest("POST", path or "/", query, headers, b"{}")) == KEY.key_id


def test_spaces_are_folded_and_repeated_headers_are_joined() -> None:
    headers = sent_headers(
        b"{}", **{"content-type": "  application/x-amz-json-1.1;   charset=utf-8 ", "x-amz-meta": "a,b  c"}
    )
    names = sorted([*BOTO3, "x-amz-meta"])
    headers["authorization"] = sign(headers, names)
    assert enter(SignedRequest("POST", "/glue", "", headers, b"{}")) == KEY.key_id
    headers["x-amz-meta"] = "b,a c"
    with pytest.raises(WrongSignatureError):
        enter(SignedRequest("POST", "/glue", "", headers, b"{}"))


def test_the_parts_of_the_authorization_may_be_in_any_order_and_without_spaces() -> None:
    request = request_of()
    algorithm, _, rest = request.headers["authorization"].partition(" ")
    parts = rest.split(", ")
    assert enter(changed(request, authorization=f"{algorithm} {','.join(reversed(parts))}")) == KEY.key_id


def test_what_is_not_signed_may_change_on_the_way() -> None:
    assert enter(changed(request_of(), x_forwarded_for="198.51.100.7", user_agent="x", x_new="1")) == KEY.key_id


@pytest.mark.parametrize(
    "altered",
    [
        SignedRequest("POST", "/glue", "", request_of().headers, b"{ }"),
        SignedRequest("POST", "/glue", "", request_of().headers, b""),
        SignedRequest("GET", "/glue", "", request_of().headers, b"{}"),
        SignedRequest("POST", "/glue/", "", request_of().headers, b"{}"),
        SignedRequest("POST", "/glue#x", "", request_of().headers, b"{}"),
        SignedRequest("POST", "/glue?x", "", request_of().headers, b"{}"),
        SignedRequest("POST", "/glue", "a=1", request_of().headers, b"{}"),
        SignedRequest("POST", "/glue", "#", request_of().headers, b"{}"),
        changed(request_of(), x_amz_target="AWSGlue.DeleteJob"),
        changed(request_of(), host="elsewhere.example.test"),
        changed(request_of(), host="\ud800"),
        changed(request_of(), content_type="application/json"),
        changed(request_of(names=JAVASCRIPT), x_amz_content_sha256="UNSIGNED-PAYLOAD"),
        request_of(secret=key_secret("other", KEY.key_id)),
        request_of(region="eu-west-1"),
        request_of(service="execute-api"),
        request_of(day="20261120"),
        changed(request_of(), authorization=request_of().headers["authorization"][:-1]),
        changed(request_of(), authorization=request_of().headers["authorization"] + "é"),
    ],
)
def test_an_altered_request_or_one_signed_for_elsewhere(altered: SignedRequest) -> None:
    with pytest.raises(WrongSignatureError) as refused:
        enter(altered)
    assert type(refused.value) is WrongSignatureError


def test_a_body_that_is_not_signed_is_refused() -> None:
    headers = sent_headers(b"{}", **{"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    signer = SigV4Auth(Credentials(KEY.key_id, SECRET), SERVICE, REGION)
    request = AWSRequest("POST", "https://api/glue", data=b"{}", headers=headers)
    request.context["timestamp"] = STAMP
    names = signer.signed_headers(signer.headers_to_sign(request))
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={names}, Signature={signature}"
    )
    with pytest.raises(WrongSignatureError):
        enter(SignedRequest("POST", "/glue", "", headers, b"{}"))


@pytest.mark.parametrize("way", [1, -1])
def test_the_clock_may_be_wrong_by_five_minutes(way: int) -> None:
    assert enter(request_of(), make_door(KEY, now=NOW + way * MAX_SKEW)) == KEY.key_id
    for late in (MAX_SKEW + timedelta(seconds=1), timedelta(hours=1), timedelta(days=400)):
        with pytest.raises(UntimelySignatureError, match="expired" if way > 0 else "not yet valid"):
            enter(request_of(), make_door(KEY, now=NOW + way * late))


def test_who_is_not_known() -> None:
    stranger = new_key_id()
    with pytest.raises(UnknownKeyError):
        enter(request_of(key_id=stranger, secret="guessed"))
    with pytest.raises(UnknownKeyError):  # known to nobody, though its secret is what the master makes of it
        enter(request_of(key_id=stranger, secret=key_secret(MASTER, stranger)))
    for gone in ({"revoked_at": NOW}, {"expires_at": NOW}):
        with pytest.raises(UnknownKeyError):
            enter(request_of(), make_door(KEY.model_copy(update=gone)))


GOOD = request_of().headers["authorization"]


@pytest.mark.parametrize(
    ("authorization", "says"),
    [
        ("", "AWS4-HMAC-SHA256"),
        ("AWS4-HMAC-SHA256", "Credential"),
        ("AWS4-ECDSA-P256-SHA256 Credential=x", "algorithm"),
        ("AWS4-HMAC-SHA256 Credential=x, Signature=y", "SignedHeaders"),
        ("AWS4-HMAC-SHA256 Credential=, SignedHeaders=host, Signature=y", "no Credential"),
        (f"{GOOD}, Signature=x", "once"),
        (GOOD.replace("aws4_request", "x"), "key id"),
        (GOOD.replace(KEY.key_id, ""), "key id"),
        (GOOD.replace(KEY.key_id, "a/b"), "key id"),
    ],
)
def test_an_authorization_that_cannot_be_read(authorization: str, says: str) -> None:
    with pytest.raises(MalformedCredentialError, match=says):
        enter(changed(request_of(), authorization=authorization))


@pytest.mark.parametrize(
    ("request_", "error", "says"),
    [
        (changed(request_of(), authorization=None), MissingCredentialError, "Authorization"),
        (changed(request_of(), x_amz_security_token="FwoGZX"), NotAuthenticatedError, "temporary"),
        (request_of(names=("host", "x-amz-date")), MalformedCredentialError, "x-amz-target"),
        (request_of(names=("x-amz-date", "x-amz-target")), MalformedCredentialError, "host"),
        (request_of(names=("host", "x-amz-target")), MalformedCredentialError, "x-amz-date"),
        (changed(request_of(), content_type=None), MalformedCredentialError, "content-type"),
        (changed(request_of(), x_amz_date="2026-11-21T12:00:00Z"), MalformedCredentialError, "X-Amz-Date"),
        (changed(request_of(), x_amz_date="20261321T120000Z"), MalformedCredentialError, "X-Amz-Date"),
    ],
)
def test_a_request_that_does_not_tell_who_calls(request_: SignedRequest, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as refused:
        enter(request_)
    assert type(refused.value) is error


@given(
    st.dictionaries(
        st.sampled_from(["authorization", "host", "x-amz-date", "x-amz-target"]),
        st.text(max_size=40) | st.sampled_from([STAMP, GOOD]),
    ),
    st.text(max_size=20),
    st.text(max_size=20),
    st.binary(max_size=20),
)
def test_nonsense_is_refused_and_breaks_nothing(headers: dict[str, str], path: str, query: str, body: bytes) -> None:
    with pytest.raises(NotAuthenticatedError):
        enter(SignedRequest("POST", path, query, headers, body))


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_nonsense_inside_an_authorization_is_refused(key_id: str, signature: str, path: str, host: str) -> None:
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={key_id}/20261121/{REGION}/{SERVICE}/aws4_request, "
        f"SignedHeaders=host;x-amz-date;x-amz-target, Signature={signature}"
    )
    headers = {"host": host, "x-amz-date": STAMP, "x-amz-target": "x", "authorization": authorization}
    with pytest.raises(NotAuthenticatedError):
        enter(SignedRequest("POST", path, "", headers, b""))


@pytest.mark.parametrize(
    ("headers", "signed"),
    [
        ({"authorization": "AWS4-HMAC-SHA256 Credential=x"}, True),
        ({"authorization": "aws4-ecdsa-p256-sha256 x"}, True),
        ({"authorization": "Bearer x"}, False),
        ({}, False),
    ],
)
def test_knows_a_signed_request(headers: dict[str, str], signed: bool) -> None:
    assert is_signed(headers) == signed
