"""Gets small objects for less than half of what botocore takes.

A call of GetObject costs a millisecond of processor, more than to parse the hundred rows that come. Most of it goes
into what has to be found out once for a client, so here only the request is signed, sent and read.
"""

from __future__ import annotations

from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.hooks import first_non_none_response
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from jobruns_data.aws import CONNECT_SECONDS, READ_SECONDS
from jobruns_data.units import SourceFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["DirectReader"]

_CONNECTIONS: Final = 16
_OF_THE_OBJECT: Final = frozenset({200, 404, 412})
"""Statuses that tell something about one object, and not about the way it was asked for."""


class DirectReader:
    """Gets objects that S3 simply gives.

    Parameters
    ----------
    client : S3Client
        Whose endpoint and region are asked, with the credentials of the process.
    """

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self._endpoint = client.meta.endpoint_url
        self._credentials = (boto3.DEFAULT_SESSION or boto3.Session()).get_credentials()
        self._works = True

    def get(self, file: SourceFile, limit: int) -> bytes | None:
        """Get an object in one request.

        Returns
        -------
        bytes or None
            None where it is not simply given, or is more than `limit` bytes: then ask by the client, which knows what
            to repeat, where to go on, and what to say.
        """
        if self._credentials is None or not self._works:
            return None
        try:
            answer = self._ask(file, self._credentials.get_frozen_credentials())
            with closing(answer.raw):
                self._works = answer.status_code in _OF_THE_OBJECT
                length = int(answer.headers.get("Content-Length", limit + 1))
                if answer.status_code != 200 or length > limit:
                    return None
                content: bytes = answer.raw.read()
        except (BotoCoreError, HTTPError):
            self._works = False
            return None
        return content if len(content) == length else None

    def _ask(self, file: SourceFile, credentials: ReadOnlyCredentials) -> AWSResponse:
        url = f"{self._endpoint}/{file.bucket}/{quote(file.key, safe='/~')}"
        if file.version_id is not None:
            url += f"?{urlencode({'versionId': file.version_id})}"
        condition = {} if file.etag is None else {"If-Match": file.etag}
        request = AWSRequest("GET", url, headers=condition, stream_output=True)
        S3SigV4Auth(credentials, "s3", self._client.meta.region_name).add_auth(request)
        prepared = request.prepare()
        # Who answers the client's requests in its place, as moto does, answers this one.
        answers = self._client.meta.events.emit("before-send.s3.GetObject", request=prepared)
        answer: AWSResponse | None = first_non_none_response(answers)
        return answer if answer is not None else _session(self._endpoint).send(prepared)


@cache
def _session(endpoint: str) -> URLLib3Session:
    return URLLib3Session(
        proxies=get_environ_proxies(endpoint),
        timeout=(CONNECT_SECONDS, READ_SECONDS),  # type: ignore[arg-type]  # as botocore's own endpoints give it
        max_pool_connections=_CONNECTIONS,
    )
