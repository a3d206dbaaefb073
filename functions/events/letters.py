"""Writes and signs what endpoints are sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from events.announcements import HOTGLUE
from jobruns.delivery import Delivery
from jobruns.endpoint import Endpoint
from jobruns.service.event_ports import Letter
from jobruns_events.cloud_events import ping_event
from jobruns_events.messages import compose_messages
from jobruns_events.signatures import sign

SEQUENCE = "x-run-sequence"
"""Header by which receivers put what they get of a run in order."""


class LetterWriter:
    """Writes in the formats of `jobruns_events`, and signs as Standard Webhooks has it."""

    def write(self, event: Mapping[str, Any], form: str) -> Sequence[Letter]:
        """Write what is told; several letters are sent in this order, and none is told where there is none."""
        return [
            Letter(message.message_id, message.body, message.content_type, message.sequence, form == HOTGLUE)
            for message in compose_messages(event, form)
        ]

    def write_ping(self, endpoint: Endpoint, delivery: Delivery) -> Sequence[Letter]:
        """Write what tries an endpoint."""
        event = ping_event(delivery.announcement_id, delivery.created_at, org=delivery.org)
        return self.write(event, endpoint.format)

    def sign(self, letter: Letter, secrets: Sequence[str], at: datetime, *, known: bool) -> Mapping[str, str]:
        """Give the headers that prove a letter, by all of the secrets.

        hotglue's own signature stands beside where its format is told and somebody has been told a secret.
        """
        proof = sign(letter.message_id, letter.body, secrets, at, hub=letter.hub and known)
        return {**proof, SEQUENCE: str(letter.sequence)}
