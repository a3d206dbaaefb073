"""Members that several documents have."""

import uuid
from typing import Annotated

from pydantic import AfterValidator, StringConstraints


def _is_uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("must be a UUID") from None


def _is_shown(text: str) -> str:
    if not text.strip():
        raise ValueError("may not be blank")
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_is_shown)]
Identity = Annotated[str, AfterValidator(_is_uuid)]
"""A UUID of the client's choosing, kept in its usual spelling."""
Description = Annotated[str, StringConstraints(max_length=256)]
