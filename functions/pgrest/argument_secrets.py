"""Takes secrets out of what is shown of a run's arguments.

Whoever may read runs is not thereby let into the databases that they read. Arguments are no place for secrets, and no
rule finds them all; those that are called what they are give way to a word, whatever they are made of.
"""

from typing import Any

from jobruns.secret_names import HIDDEN, hide_in_text, is_secret


def hide_secrets(value: Any, name: str = "") -> Any:
    """Give the same without what is called a secret, and without the passwords of addresses and connection strings."""
    if value is not None and is_secret(name):
        return HIDDEN
    match value:
        case dict():
            return {key: hide_secrets(member, str(key)) for key, member in value.items()}
        case list():
            return [hide_secrets(element) for element in value]
        case str():
            return hide_in_text(value)
    return value
