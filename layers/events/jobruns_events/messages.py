"""What happened to a run, or to what a flow is linked to, as it is sent to a receiver, in the format that it wants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jobruns.notices import NoticeKind
from jobruns_events.cloud_events import event_word
from jobruns_events.json_text import write_json
from jobruns_events.lineage import lineage_events
from jobruns_events.standard import standard_body
from jobruns_events.statuses import DISCOVER_SUCCESS
from jobruns_events.truncation import thin

__all__ = [
    "DISCOVER",
    "FORMATS",
    "JOB_LIFECYCLE",
    "Message",
    "compose_messages",
    "formats",
    "message_id",
    "subscriptions",
]

JOB_LIFECYCLE: Final = "job_lifecycle"
DISCOVER: Final = "discover"
"""What may be subscribed to of runs, by hotglue's names."""

_JSON: Final = "application/json"
_LATE: Final = frozenset({NoticeKind.DELAYED, NoticeKind.DEADLINE_NEAR})
_DISCOVERIES: Final = frozenset({"DISCOVER_STARTED", DISCOVER_SUCCESS, "DISCOVER_FAILED"})


@dataclass(frozen=True, slots=True)
class Message:
    """A message, as often as it has to be sent.

    Parameters
    ----------
    message_id : str
        The same for the same event, format and part of it.
    body : bytes
        What is sent, and signed.
    content_type : str
        Of the body.
    sequence : int
        Place of the event among those of its run; a receiver ignores what comes after a later one.
    """

    message_id: str
    body: bytes
    content_type: str
    sequence: int


def compose_messages(event: Mapping[str, Any], form: str) -> tuple[Message, ...]:
    """Write an event in one of `FORMATS`.

    Parameters
    ----------
    event : mapping
        As `jobruns_events.cloud_events.cloud_event` or `jobruns_events.connections.connection_event` made it and as
        it is kept, with all of its data.
    form : str
        The format's name.

    Returns
    -------
    tuple of Message
        In the order in which they are to be sent; none where the format says nothing of such an event.
    """
    return FORMATS[form](event)


def formats(event: Mapping[str, Any]) -> frozenset[str]:
    """Tell which of `FORMATS` say something of an event. Its data is not looked at: the copy on the bus will do."""
    silent = set() if event["step"] or _is_discovery(event) else {"hotglue"}
    return frozenset(FORMATS) - silent - (set() if event.get("lineage") else {"openlineage"})


def message_id(event: Mapping[str, Any], part: int = 0) -> str:
    """Give the id of a message: no full stop is in it, which would end it in what is signed."""
    return f"msg_{str(event['id']).replace('-', '')}" + (f"_{part}" if part else "")


def subscriptions(event: Mapping[str, Any]) -> frozenset[str]:
    """Tell which of hotglue's subscriptions an event is for: steps of a job, and of its discovery."""
    of_job = {JOB_LIFECYCLE} if event["step"] else set()
    return frozenset(of_job | ({DISCOVER} if _is_discovery(event) else set()))


def _is_discovery(event: Mapping[str, Any]) -> bool:
    return event["status"] in _DISCOVERIES and event_word(event) == str(event["status"]).lower()


def _hotglue(event: Mapping[str, Any]) -> tuple[Message, ...]:
    # What is late is no step, and sent to who asks for just that.
    if not event["step"] and not _is_discovery(event) and event["notice"] not in _LATE:
        return ()
    return (_message(event, thin(event["data"])),)


def _standard(event: Mapping[str, Any]) -> tuple[Message, ...]:
    return (_message(event, standard_body(event, _without_state(event))),)


def _cloudevents(event: Mapping[str, Any]) -> tuple[Message, ...]:
    body = {**event, "data": _without_state(event)}
    return (_message(event, body, content_type="application/cloudevents+json"),)


def _openlineage(event: Mapping[str, Any]) -> tuple[Message, ...]:
    written = [body for _, body in lineage_events(event)]
    return tuple(_message(event, body, part=len(written) - 1 - place) for place, body in enumerate(written))


FORMATS: Final[Mapping[str, Callable[[Mapping[str, Any]], tuple[Message, ...]]]] = {
    "hotglue": _hotglue,
    "standard": _standard,
    "cloudevents": _cloudevents,
    "openlineage": _openlineage,
}


def _without_state(event: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what a caller had the run write: only receivers of hotglue's own format ask for it."""
    details = thin(event["data"])
    return {**details, "state": {}} if "state" in details else details


def _message(event: Mapping[str, Any], body: Any, *, content_type: str = _JSON, part: int = 0) -> Message:
    return Message(message_id(event, part), write_json(body), content_type, int(event["sequence"]))
