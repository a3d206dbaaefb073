"""Which form an answer has: the header ``Accept``. Errors are JSON whatever it says.

The reference also writes CBOR and MessagePack, as it reads them. None of the clients there are sends or accepts them,
so that both are refused here, as any other type is.
"""

import re
from collections.abc import Mapping
from enum import StrEnum, unique

from hdb.errors import NotAcceptableError


@unique
class Media(StrEnum):
    """Forms of an answer; the values are the header ``Content-Type``."""

    JSON = "application/json"
    CSV = "text/csv"


_NAMES: Mapping[str, tuple[Media, ...]] = {
    "*/*": tuple(Media),
    "application/*": (Media.JSON,),
    "application/json": (Media.JSON,),
    "text/*": (Media.CSV,),
    "text/csv": (Media.CSV,),
}
_WEIGHT = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def choose_media(header: str | None) -> Media:
    """Choose the form that the caller likes best of those there are; of equals, the first.

    Raises
    ------
    NotAcceptableError
        There is none of those that the caller accepts.
    """
    entries = [_weigh(entry) for entry in (header or "*/*").split(",") if entry.strip()] or [("*/*", 1.0)]
    refused = {name for name, weight in entries if not weight}
    for name, weight in sorted(entries, key=lambda entry: -entry[1]):
        for media in _NAMES.get(name, ()):
            if weight and media not in refused:
                return media
    raise NotAcceptableError(f"Not Acceptable: there are {', '.join(Media)}")


def _weigh(entry: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in entry.split(";"))
    weight = next((part[2:].strip() for part in parameters if part.startswith("q=")), "1")
    return name, float(weight) if _WEIGHT.fullmatch(weight) else 1.0
