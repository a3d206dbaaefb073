"""The bus that tells of runs, by EventBridge."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from jobruns.aws import clients
from jobruns.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

MAX_ENTRIES = 10
"""What one PutEvents takes."""

MAX_BYTES = 256 * 1024
"""All entries of one PutEvents together, and so also one alone."""

_TIME_BYTES = 14  # what EventBridge counts for the time of an entry
_TRIES = 3


@dataclass(frozen=True, slots=True)
class BusEntry:
    """An event of the bus; `detail` is JSON."""

    source: str
    detail_type: str
    detail: str
    at: datetime

    @property
    def size(self) -> int:
        """Bytes, as EventBridge counts them."""
        return _TIME_BYTES + sum(len(part.encode()) for part in (self.source, self.detail_type, self.detail))


class UnsentError(UnavailableError):
    """The bus did not take all entries.

    Parameters
    ----------
    message : str
        Text for the log.
    unsent : sequence of int
        The places of those it did not take, lowest first; all others are on it.
    """

    def __init__(self, message: str, unsent: Sequence[int]) -> None:
        super().__init__(message)
        self.unsent = tuple(sorted(unsent))


class EventBus:
    """Puts events on a bus.

    Parameters
    ----------
    name : str
        The bus.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def put(self, entries: Sequence[BusEntry]) -> None:
        """Put entries on the bus, in as few calls as it takes. One that it did not take is sent again, twice.

        Raises
        ------
        UnsentError
            It did not take them all.
        """
        unsent: list[int] = []
        reason = ""
        for places in _calls(entries):
            left, told = self._put(entries, places)
            unsent += left
            reason = told or reason
        if unsent:
            raise UnsentError(f"the bus {self._name} did not take {len(unsent)} events: {reason}", unsent)

    def _put(self, entries: Sequence[BusEntry], places: Sequence[int]) -> tuple[list[int], str]:
        left, reason = list(places), ""
        for _ in range(_TRIES):
            try:
                answer = clients.events().put_events(Entries=[self._entry(entries[place]) for place in left])
            except (ClientError, BotoCoreError) as error:
                return left, str(error)
            told: list[Any] = list(answer["Entries"])
            refused = [(place, one) for place, one in zip(left, told, strict=True) if one.get("ErrorCode")]
            if not refused:
                return [], ""
            left = [place for place, _ in refused]
            reason = f"{refused[0][1]['ErrorCode']}: {refused[0][1].get('ErrorMessage')}"
        return left, reason

    def _entry(self, entry: BusEntry) -> "PutEventsRequestEntryTypeDef":
        return {
            "EventBusName": self._name,
            "Source": entry.source,
            "DetailType": entry.detail_type,
            "Detail": entry.detail,
            "Time": entry.at,
        }


def _calls(entries: Sequence[BusEntry]) -> Iterator[list[int]]:
    """Give the places of the entries that go into one call each, in order."""
    places: list[int] = []
    size = 0
    for place, entry in enumerate(entries):
        if places and (len(places) == MAX_ENTRIES or size + entry.size > MAX_BYTES):
            yield places
            places, size = [], 0
        places.append(place)
        size += entry.size
    if places:
        yield places
