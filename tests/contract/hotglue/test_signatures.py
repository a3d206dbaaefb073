"""Signatures, by the library for receivers and by a receiver of hotglue's own kind."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from jobruns.lifecycle import Begun
from jobruns_events.messages import FORMATS, compose_messages
from jobruns_events.signatures import sign
from tests.unit.events.histories import make_synced, reached, tell

OLD = "whsec_" + base64.b64encode(b"old" * 10).decode()
NEW = "whsec_" + base64.b64encode(b"new" * 10).decode()
STRANGER = "whsec_" + base64.b64encode(b"other" * 6).decode()


def check_hub(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """Check a webhook as hotglue's receivers do: bare hexadecimal digits over the raw body."""
    expected = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
    return hmac.compare_digest(headers.get("X-Hub-Signature", ""), expected)


@pytest.mark.parametrize("form", FORMATS)
def test_messages_of_every_format_verify(form: str) -> None:
    event = tell(make_synced(), [Begun(), *reached("SYNC_STARTED")])[-1]
    (message,) = compose_messages(event, form)
    headers = sign(message.message_id, message.body, [NEW], datetime.now(UTC), hub=True)
    assert Webhook(NEW).verify(message.body, headers) == json.loads(message.body)
    assert check_hub(headers, message.body, NEW)


def test_while_a_secret_is_changed_either_verifies_and_no_other() -> None:
    headers = sign("msg_1", b"{}", [NEW, OLD], datetime.now(UTC))
    for secret in (NEW, OLD):
        Webhook(secret).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(STRANGER).verify(b"{}", headers)
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert "X-Hub-Signature" not in headers


def test_an_altered_body_id_or_time_does_not_verify() -> None:
    headers = sign("msg_1", b'{"a":1}', [NEW], datetime.now(UTC), hub=True)
    for body, altered in (
        (b'{"a":2}', headers),
        (b'{"a":1}', headers | {"webhook-id": "msg_2"}),
        (b'{"a":1}', headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(body, altered)
    assert not check_hub(headers, b'{"a":2}', NEW)


def test_an_old_message_is_refused() -> None:
    headers = sign("msg_1", b"{}", [NEW], datetime.now(UTC) - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(NEW).verify(b"{}", headers)


def test_a_plain_secret_is_never_decoded() -> None:
    plain = "aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ="  # base64 by its looks
    headers = sign("msg_1", b"{}", [plain], datetime.now(UTC), hub=True)
    Webhook(plain.encode()).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(base64.b64decode(plain)).verify(b"{}", headers)
    assert check_hub(headers, b"{}", plain)


def test_without_a_secret_a_message_goes_unsigned() -> None:
    assert sign("msg_1", b"{}", [], datetime(2026, 11, 21, 12, 0, tzinfo=UTC), hub=True) == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1795262400",
    }


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=40).filter(lambda text: not text.startswith("whsec_")), st.text(max_size=200))
def test_any_text_may_be_a_secret_and_a_body(secret: str, text: str) -> None:
    body, key = json.dumps(text).encode(), secret.encode(errors="replace")
    secret = key.decode()
    headers = sign("msg_1", body, [secret], datetime.now(UTC), hub=True)
    Webhook(key).verify(body, headers)
    assert check_hub(headers, body, secret)
