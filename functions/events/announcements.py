"""Reads what the bus says into what decides who is told."""

import json
from typing import Any

from pydantic import ValidationError

from jobruns.announcement import Announcement
from jobruns.errors import InvalidInputError
from jobruns_events.messages import formats, subscriptions

HOTGLUE = "hotglue"


def read_announcement(body: str) -> Announcement:
    """Read a message of the events' queue: an event of the bus, with a CloudEvent of ours in it.

    Raises
    ------
    InvalidInputError
        It is none.
    """
    try:
        event: dict[str, Any] = json.loads(body)["detail"]
        kinds = subscriptions(event)
        return Announcement(
            announcement_id=event["id"],
            org=event["org"],
            job=event["job"],
            run_id=event["runid"],
            sequence=int(event["sequence"]),
            at=event["time"],
            notice=event["notice"],
            state=event["state"],
            status=event["status"],
            step=bool(event["step"] or kinds),
            kinds=kinds,
            formats=formats(event),
            asked_formats=formats(event) | {HOTGLUE},
            document=event["document"],
            redirect=event.get("redirect"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        kind = "a member is wrong" if isinstance(error, ValidationError) else repr(error)
        raise InvalidInputError(f"the message is no event of a run: {kind}") from error
