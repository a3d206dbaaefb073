"""Reads why a task failed, as Step Functions tells it."""

import json


def read_cause(cause: str) -> str:
    """Give the message of a function's error, which Step Functions wraps in JSON, or the text as it is."""
    try:
        read = json.loads(cause)
    except ValueError:
        return cause
    if isinstance(read, dict) and "errorMessage" in read:
        return str(read["errorMessage"])
    return cause
