"""Requests signed with AWS Signature Version 4: who claims to have sent one, and whether the claim holds.

The signature is worked out anew by `botocore.auth`, over exactly the headers that the client says it signed, the path
and query as they were sent, and the body. botocore's own choice of headers is of no use here, because every SDK chooses
others.

Decided where AWS's documents leave a choice:

* ``host`` and ``x-amz-date`` must be among the signed headers, and what else the caller names (a door whose operation
  is in a header names that header). AWS asks for every ``x-amz-*`` header, but proxies add some of their own.
* The time is read from ``x-amz-date`` only; ``Date`` is not looked at.
* ``x-amz-content-sha256`` may be sent and signed, but the body's own hash is what counts: ``UNSIGNED-PAYLOAD`` is a
  wrong signature.
* Temporary credentials are refused, as this service issues none.
"""

import hmac
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from jobruns.errors import (
    MalformedCredentialError,
    MissingCredentialError,
    NotAuthenticatedError,
    UntimelySignatureError,
    WrongSignatureError,
)

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=5)
"""How far a signature's time may be from ours, either way."""

_TERMINATOR = "aws4_request"
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_PARAMETERS = ("Credential", "SignedHeaders", "Signature")
_ALWAYS_SIGNED = frozenset({"host", "x-amz-date"})


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it was sent.

    Parameters
    ----------
    method : str
        Such as ``POST``.
    path : str
        As sent: not decoded, with the stage's prefix and a slash at the end if there was one.
    query : str
        As sent, without the question mark.
    headers : mapping of str to str
        Lower-case names; the values of a header sent more than once are joined by commas.
    body : bytes
        As sent.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What a signed request says of itself, read and found to be of our place and time, but not yet proven.

    Parameters
    ----------
    key_id : str
        Whose signature it is said to be.
    request : SignedRequest
        What is said to be signed.
    region, service : str
        What it is signed for.
    signed_headers : tuple of str
        Lower-case names, each of a header that was sent.
    signature : str
        As sent.
    """

    key_id: str
    request: SignedRequest
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str

    def holds(self, secret: str) -> bool:
        """Tell whether `secret` makes the same signature. Takes as long for a wrong one as for the right one."""
        signer = _Signer(Credentials(self.key_id, secret), self.service, self.region)
        request = AWSRequest(self.request.method, _url(self.request), data=self.request.body)
        request.context["timestamp"] = self.request.headers["x-amz-date"]
        request.context["signed"] = {name: self.request.headers[name] for name in self.signed_headers}
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return hmac.compare_digest(expected.encode(), self.signature.encode())


class _Signer(SigV4Auth):
    """Signs the headers that the client has signed, where botocore would choose among them.

    They are kept out of the request's own headers, so that the body's hash is worked out and not read from one of them.
    """

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        headers = HTTPHeaders()
        for name, value in request.context["signed"].items():
            headers[name] = value
        return headers


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether a request's Authorization, its name in lower case, is an AWS signature of any version."""
    return headers.get("authorization", "").lstrip().lower().startswith("aws4-")


def read_claim(
    request: SignedRequest, *, region: str, service: str, now: datetime, must_sign: Collection[str] = ()
) -> Claim:
    """Read a signed request's claim and check all of it that needs no secret.

    Parameters
    ----------
    request : SignedRequest
        The request.
    region, service : str
        What it must be signed for.
    now : datetime
        Aware.
    must_sign : collection of str
        Lower-case names of headers that must be signed beside ``host`` and ``x-amz-date``.

    Raises
    ------
    MissingCredentialError
        It has no Authorization.
    MalformedCredentialError
        Its Authorization cannot be read, or does not cover what it must.
    WrongSignatureError
        It is signed for another service or region, or its two dates differ.
    UntimelySignatureError
        It was signed too long ago, or is yet to be.
    NotAuthenticatedError
        It is signed with temporary credentials.
    """
    headers = request.headers
    if "authorization" not in headers:
        raise MissingCredentialError("the request has no Authorization header")
    parameters = _read_authorization(headers["authorization"])
    if "x-amz-security-token" in headers:
        raise NotAuthenticatedError(
            "temporary credentials (X-Amz-Security-Token) are not taken; sign with a key id and secret of this service"
        )
    key_id, day = _read_scope(parameters["Credential"], region, service)
    names = tuple(parameters["SignedHeaders"].split(";"))
    _check_coverage(names, headers, _ALWAYS_SIGNED.union(must_sign))
    _check_time(headers["x-amz-date"], day, now)
    _check_text([request.path, request.query, key_id, parameters["Signature"], *(headers[name] for name in names)])
    return Claim(key_id, request, region, service, names, parameters["Signature"])


def _url(request: SignedRequest) -> str:
    # The host is signed as a header, so the one here is only there to make the rest a URL. No client sends a number
    # sign, and nothing after one may go unsigned.
    path = request.path.removeprefix("/").replace("?", "%3F")
    return f"https://host/{path}?{request.query}".replace("#", "%23")


def _read_authorization(text: str) -> dict[str, str]:
    algorithm, _, rest = text.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise MalformedCredentialError(f"the signature's algorithm must be {ALGORITHM}, not {algorithm[:64]!r}")
    parameters: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or name not in _PARAMETERS or name in parameters:
            raise MalformedCredentialError(
                f"the Authorization header has {_listed(_PARAMETERS)}, each once and with a value"
            )
        parameters[name] = value
    missing = [name for name in _PARAMETERS if not parameters.get(name)]
    if missing:
        raise MalformedCredentialError(f"the Authorization header has no {_listed(missing)}")
    return parameters


def _read_scope(credential: str, region: str, service: str) -> tuple[str, str]:
    match credential.split("/"):
        case [key_id, day, its_region, its_service, end] if key_id and end == _TERMINATOR:
            pass
        case _:
            raise MalformedCredentialError(f"Credential must be <key id>/<date>/<region>/<service>/{_TERMINATOR}")
    if its_service != service:
        raise WrongSignatureError(f"the request is signed for the service {its_service[:64]!r}, not for {service!r}")
    if its_region != region:
        raise WrongSignatureError(f"the request is signed for the region {its_region[:64]!r}, not for {region!r}")
    return key_id, day


def _check_coverage(names: Iterable[str], headers: Mapping[str, str], required: Collection[str]) -> None:
    unsigned = sorted(set(required).difference(names))
    if unsigned:
        raise MalformedCredentialError(f"SignedHeaders must name {_listed(unsigned)}")
    absent = [name for name in names if name not in headers]
    if absent:
        raise MalformedCredentialError(f"SignedHeaders names {absent[0][:64]!r}, which the request does not have")


def _check_time(text: str, day: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC) if _TIME.fullmatch(text) else None
    except ValueError:
        signed_at = None
    if signed_at is None:
        raise MalformedCredentialError("X-Amz-Date must be a time such as 20261121T120000Z")
    if day != text[:8]:
        raise WrongSignatureError(f"the date of the credential's scope, {day[:64]!r}, is not that of X-Amz-Date")
    minutes = int(MAX_SKEW.total_seconds()) // 60
    if signed_at < now - MAX_SKEW:
        raise UntimelySignatureError(
            f"the signature expired: it is of {text}, more than {minutes} minutes before {now:%Y%m%dT%H%M%SZ}, our time"
        )
    if signed_at > now + MAX_SKEW:
        raise UntimelySignatureError(
            f"the signature is not yet valid: it is of {text}, more than {minutes} minutes after "
            f"{now:%Y%m%dT%H%M%SZ}, our time"
        )


def _check_text(texts: Iterable[str]) -> None:
    # An event may hold half characters, which no client can have sent or signed.
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError:
        raise WrongSignatureError("the request has characters that cannot have been signed") from None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
