"""Where in S3 a load finds its files: bucket, path, and which of AWS's regions and endpoints to ask.

An endpoint is never asked as it was written: what it says of region and kind is read, and AWS's client library makes
the address of it. So nobody has requests, signed with the service's credentials, sent anywhere but to S3.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

REGION = r"[a-z]{2}(?:-[a-z]+){1,3}-[0-9]{1,2}"
_ENDPOINT: Final = re.compile(
    rf"(?:https://)?s3(?P<fips>-fips)?(?P<dualstack>\.dualstack)?(?:[.-](?P<region>{REGION}))?\.amazonaws\.com(?:\.cn)?/?"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Which of S3's endpoints: of a region, or of the service's own where that is ``None``."""

    region: str | None = None
    dualstack: bool = False
    fips: bool = False


def read_endpoint(text: str) -> Endpoint:
    """Read the URL or the host of one of S3's own endpoints, such as ``https://s3.eu-west-1.amazonaws.com``.

    Raises
    ------
    ValueError
        It is none; the message is the rest of a sentence that begins with the member's name.
    """
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"is {text[:200]!r}, which is none of S3's own such as https://s3.eu-west-1.amazonaws.com; "
            "only these are read from"
        )
    return Endpoint(match["region"], match["dualstack"] is not None, match["fips"] is not None)


class LoadSource(BaseModel):
    """Where a load finds its files: an object, everything under a prefix, or a bucket.

    ``path`` ending in ``/`` or empty is a prefix. Otherwise it is an object, and where there is none of this key, the
    prefix ``<path>/``. ``region`` is the bucket's, where that is not the service's; ``endpoint`` one of S3's own.
    """

    model_config = ConfigDict(frozen=True)

    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    path: str = Field(default="", max_length=1024)
    region: str | None = Field(default=None, pattern=rf"^{REGION}$")
    endpoint: str | None = None

    @field_validator("endpoint")
    @classmethod
    def _own(cls, endpoint: str | None) -> str | None:
        if endpoint is not None:
            read_endpoint(endpoint)
        return endpoint

    @model_validator(mode="after")
    def _one_region(self) -> Self:
        told = self.asked.region
        if self.region is not None and told not in (None, self.region):
            raise ValueError(f"the endpoint is of {told}, not of the region {self.region}")
        return self

    @property
    def asked(self) -> Endpoint:
        """The endpoint that is asked for the files."""
        told = Endpoint() if self.endpoint is None else read_endpoint(self.endpoint)
        return Endpoint(told.region or self.region, told.dualstack, told.fips)
