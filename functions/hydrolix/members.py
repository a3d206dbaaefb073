"""Members that several documents have."""

import uuid
from typing import Annotated

from pydantic import AfterValidator, StringConstraints


def read_uuid(text: str) -> str:
    """Read a UUID in any of its spellings and give the usual one.

    Raises
    ------
    ValueError
        It is none; the message is the rest of a sentence that begins with the member's name.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("must be a UUID") from None


def _is_shown(text: str) -> str:
    if not text.strip():
        raise ValueError("may not be blank")
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_is_shown)]
Identity = Annotated[str, AfterValidator(read_uuid)]
"""A UUID of the client's choosing, kept in its usual spelling."""
READ_ONLY = {"url": "url", "created": "datetime", "modified": "datetime", "publish_task_id": "integer"}
"""What is shown of a project, a table or a transform and cannot be sent, with its type."""

Description = Annotated[str, StringConstraints(max_length=256)]
