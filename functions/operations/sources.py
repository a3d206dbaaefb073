"""Where the rows of a load come from: a stream, whatever kind of place it is. None is taken whole into memory."""

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from jobruns.aws.files import LandingFiles
from jobruns.errors import InvalidInputError, SourceError
from jobruns.file_paths import file_key, no_file
from jobruns.operation import CallerCredentials, FileSource, InlineSource, Load, S3Credentials, S3Object, UrlSource
from jobruns.service.operations import check_inline_key
from jobruns_data.errors import UnreadableFileError
from jobruns_data.source import ObjectStream, Readable
from jobruns_data.units import SourceFile
from operations.download import Limits, open_download
from operations.pulse import Pulse

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Places:
    """Where operations may look.

    Parameters
    ----------
    org : str
    landing_bucket, work_bucket : str
    loadable_hosts : collection of str
        Hosts that URLs may name though their address is not public.
    credentials : CallerCredentials
        The caller's own; often none at all.
    seconds : float
        How long a source may take at most.
    """

    org: str
    landing_bucket: str
    work_bucket: str
    loadable_hosts: Collection[str] = ()
    credentials: CallerCredentials = field(default_factory=CallerCredentials, repr=False)
    seconds: float = 600.0


@contextmanager
def open_source(load: Load, places: Places, pulse: Pulse) -> Iterator[Readable]:
    """Open the source of a load.

    Raises
    ------
    NotFoundError, SourceError, UnreadableFileError
        It is not there, or may not be read; the latter also from any read.
    """
    source = load.source
    match source:
        case InlineSource(key=key):
            file = SourceFile(bucket=places.work_bucket, key=check_inline_key(places.org, key))
        case FileSource(path=path):
            file = SourceFile(bucket=places.landing_bucket, key=_find_file(places, path))
        case S3Object():
            file = SourceFile(bucket=source.bucket, key=source.key)
        case UrlSource():
            url = _whole_url(source, places.credentials)
            headers = {name: value.get_secret_value() for name, value in places.credentials.headers.items()}
            with open_download(url, headers, Limits(places.seconds), allowed=places.loadable_hosts) as pieces:
                yield _Counted(_Pieces(pieces), pulse)
            return
    client = caller_client(source, places.credentials.s3) if isinstance(source, S3Object) else None
    with closing(ObjectStream(file, client)) as stream:
        if client is None:
            yield _Counted(stream, pulse)
            return
        with _in_its_words():
            yield _Counted(stream, pulse)


def _whole_url(source: UrlSource, credentials: CallerCredentials) -> str:
    if not source.partial:
        return source.url
    if credentials.url is None:
        raise InvalidInputError("a URL with a user or a query is known to its caller alone", field="credentials")
    return credentials.url.get_secret_value()


def _find_file(places: Places, path: str) -> str:
    key = file_key(places.org, path)
    if not LandingFiles(places.landing_bucket).has(key):
        raise no_file(path)
    return key


def caller_client(place: S3Object, credentials: S3Credentials | None) -> "S3Client":
    """Make the client of a bucket of the caller's, which nobody else uses.

    Raises
    ------
    InvalidInputError
        There are no credentials: the operation was not begun by whoever had them.
    """
    if credentials is None:
        raise InvalidInputError("a bucket of the caller's needs the caller's credentials", field="credentials")
    session_token = credentials.session_token
    return boto3.client(
        "s3",
        region_name=place.region,
        aws_access_key_id=credentials.access_key_id.get_secret_value(),
        aws_secret_access_key=credentials.secret_access_key.get_secret_value(),
        aws_session_token=session_token.get_secret_value() if session_token else None,
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": 4},
            s3={"addressing_style": "path"},
        ),
    )


@contextmanager
def _in_its_words() -> Iterator[None]:
    """Say what is wrong with an object of the caller's as S3 says it: what our own role may do has no part in it."""
    try:
        yield
    except UnreadableFileError as error:
        if isinstance(error.__cause__, ClientError):
            raise SourceError(refusal_of(error.__cause__)) from None
        raise


def refusal_of(error: ClientError) -> str:
    """Give what S3 says of a request that it refused."""
    told = error.response.get("Error", {})
    return str(told.get("Message") or told.get("Code") or "S3 refuses the request")


class _Pieces:
    """Pieces of any size as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        data, self._left = self._left[:size], self._left[size:]
        return data


class _Counted:
    """A stream whose bytes are noted, and which ends with an error when the run is over."""

    def __init__(self, stream: Readable, pulse: Pulse) -> None:
        self._stream = stream
        self._pulse = pulse

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        data = self._stream.read(size)
        self._pulse.note(size=len(data))
        return data
