"""The header ``Prefer``: what the caller wants, and what of it took effect."""

from dataclasses import dataclass
from datetime import UTC, tzinfo
from enum import StrEnum, unique

from pgrest.errors import Code, RefusedError
from pgrest.timestamps import find_zone


@unique
class Representation(StrEnum):
    """What the answer to a write shows."""

    MINIMAL = "minimal"
    HEADERS_ONLY = "headers-only"
    FULL = "representation"


@unique
class Resolution(StrEnum):
    """What becomes of a row that is there already."""

    MERGE = "merge-duplicates"
    IGNORE = "ignore-duplicates"


_WORDS = {
    "resolution": frozenset(Resolution),
    "missing": frozenset({"default", "null"}),
    "return": frozenset(Representation),
    "count": frozenset({"exact", "planned", "estimated"}),
    "handling": frozenset({"strict", "lenient"}),
    "tx": frozenset({"commit", "rollback"}),
}

_APPLICABLE = {
    "GET": ("count", "handling", "timezone"),
    "HEAD": ("count", "handling", "timezone"),
    "POST": ("resolution", "missing", "return", "count", "handling", "timezone"),
    "PATCH": ("missing", "return", "count", "handling", "timezone", "max-affected"),
    "DELETE": ("return", "count", "handling", "timezone", "max-affected"),
    "PUT": ("return", "count", "handling", "timezone"),
}
"""What takes effect, in the order in which the answer names it."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the caller prefers; ``sent`` is the values, as they were sent, by their kind."""

    sent: dict[str, str]
    zone: tzinfo = UTC

    @property
    def resolution(self) -> Resolution | None:
        """What becomes of rows that are there already; ``None`` refuses them."""
        return Resolution(self.sent["resolution"]) if "resolution" in self.sent else None

    @property
    def representation(self) -> Representation:
        """What the answer to a write shows."""
        return Representation(self.sent.get("return", Representation.MINIMAL))

    @property
    def missing_default(self) -> bool:
        """Whether a column that a row does not name gets its default, not null."""
        return self.sent.get("missing") == "default"

    @property
    def counts(self) -> bool:
        """Whether the rows are to be counted. An exact count serves whoever asked for an estimate."""
        return "count" in self.sent

    @property
    def max_affected(self) -> int | None:
        """How many rows a write may touch; a limit that is not strict is none."""
        strict = self.sent.get("handling") == "strict"
        return int(self.sent["max-affected"]) if strict and "max-affected" in self.sent else None

    def applied(self, verb: str) -> str | None:
        """Write the header ``Preference-Applied``; ``None`` where nothing took effect."""
        applied = [
            f"{kind}={self.sent[kind]}"
            for kind in _APPLICABLE.get(verb, ())
            if kind in self.sent and (kind != "max-affected" or self.max_affected is not None)
        ]
        return ", ".join(applied) or None


def read_preferences(header: str | None) -> Preferences:
    """Read the header; several are one with commas. The first of a kind counts.

    Raises
    ------
    RefusedError
        There is no such time zone; or handling is strict and something is not known here.
    """
    sent: dict[str, str] = {}
    unknown = []
    for token in (header or "").split(","):
        kind, _, value = token.strip().partition("=")
        if _is_known(kind, value):
            sent.setdefault(kind, value)
        elif kind:
            unknown.append(token.strip())
    if unknown and sent.get("handling") == "strict":
        raise RefusedError(
            Code.PREFERENCES,
            "Invalid preferences given with handling=strict",
            details=f"Invalid preferences: {', '.join(unknown)}",
        )
    return Preferences(sent, find_zone(sent["timezone"]) if "timezone" in sent else UTC)


def _is_known(kind: str, value: str) -> bool:
    if kind == "timezone":
        return bool(value)
    if kind == "max-affected":
        return value.isascii() and value.isdecimal() and len(value) <= 18
    return value in _WORDS.get(kind, ())
