"""Which batch jobs a list is asked for: ``name``, ``status``, ``table_id``, ``table_name``, ``date_min``, ``date_max``.

Names are compared exactly; a table is named ``<project>.<table>`` or by the second part alone. Dates are those of
creation, both ends included; a date without a time is the whole of that day in UTC, and a time without a zone is in
UTC. Parameters that are empty or that we do not know change nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from hydrolix.batch_documents import table_of
from hydrolix.errors import InvalidDocumentError
from hydrolix.members import read_uuid
from hydrolix.progress import ALL_STATUSES
from jobruns.documents import Document


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What the jobs of a list have in common; ``None`` asks for nothing."""

    name: str | None = None
    status: str | None = None
    table_id: str | None = None
    table_name: str | None = None
    date_min: datetime | None = None
    date_max: datetime | None = None

    def admits(self, document: Document) -> bool:
        """Whether a job may be listed, as far as its document tells; its status is its run's."""
        table_id, table_name = table_of(document)
        return (
            self.name in (None, document.name)
            and self.table_id in (None, table_id)
            and self.table_name in (None, table_name, table_name.partition(".")[2])
            and (self.date_min is None or document.created_at >= self.date_min)
            and (self.date_max is None or document.created_at <= self.date_max)
        )


def read_filter(query: Mapping[str, str]) -> JobFilter:
    """Read the filter of a query.

    Raises
    ------
    InvalidDocumentError
        A parameter is malformed; each such one is named.
    """
    readers: dict[str, Callable[[str], str | datetime]] = {
        "name": str,
        "status": _read_status,
        "table_id": read_uuid,
        "table_name": str,
        "date_min": lambda text: _read_moment(text, time.min),
        "date_max": lambda text: _read_moment(text, time.max),
    }
    found, problems = {}, []
    for name, read in readers.items():
        text = query.get(name, "")
        try:
            if text:
                found[name] = read(text)
        except ValueError as error:
            problems.append(((name,), str(error)))
    if problems:
        raise InvalidDocumentError(problems)
    return JobFilter(**found)  # type: ignore[arg-type]  # each by its own reader


def _read_status(text: str) -> str:
    if text not in ALL_STATUSES:
        raise ValueError(f"must be one of {', '.join(ALL_STATUSES)}")
    return text


def _read_moment(text: str, of_day: time) -> datetime:
    # A plus sign that was not written as %2B arrives as a space.
    plain = text.replace(" ", "+") if "T" in text else text
    try:
        if len(plain) <= len("2026-01-31"):
            return datetime.combine(date.fromisoformat(plain), of_day, UTC)
        moment = datetime.fromisoformat(plain)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a date or a time such as 2026-01-31 or 2026-01-31T10:00:00Z") from None
