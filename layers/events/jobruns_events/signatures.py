"""Signs what is sent to receivers, so that they can tell that it comes from here and that nobody altered it.

Every message is signed as Standard Webhooks have it, by each secret that is good at the moment: while a secret is being
changed the receiver may hold either. Beside it stands the signature that receivers of hotglue's webhooks check, where
it is asked for: HMAC-SHA1 in hexadecimal digits, with nothing before them.

A secret is a text. One that begins with ``whsec_`` stands for the bytes behind it, in base64; any other for itself, and
is never decoded by guess. hotglue's signature takes the text as it stands in both cases.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

__all__ = ["HUB_SIGNATURE", "SECRET_PREFIX", "sign"]

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what stands before a secret
HUB_SIGNATURE: Final = "X-Hub-Signature"


def sign(message_id: str, body: bytes, secrets: Sequence[str], at: datetime, *, hub: bool = False) -> dict[str, str]:
    """Sign a message.

    Parameters
    ----------
    message_id : str
        The same for every try to deliver it.
    body : bytes
        UTF-8; exactly what is sent.
    secrets : sequence of str
        The newest first. Without any the message goes unsigned.
    at : datetime
        When this try is made, aware: receivers refuse what is older than some minutes.
    hub : bool
        Whether hotglue's signature is to stand beside, by the newest secret.

    Returns
    -------
    dict
        Headers.
    """
    moment = at.astimezone(UTC)
    headers = {"webhook-id": message_id, "webhook-timestamp": str(int(moment.timestamp()))}
    if not secrets:
        return headers
    text = body.decode()
    headers["webhook-signature"] = " ".join(Webhook(_key(secret)).sign(message_id, moment, text) for secret in secrets)
    if hub:
        headers[HUB_SIGNATURE] = hmac.new(secrets[0].encode(), body, hashlib.sha1).hexdigest()
    return headers


def _key(secret: str) -> str | bytes:
    return secret if secret.startswith(SECRET_PREFIX) else secret.encode()
