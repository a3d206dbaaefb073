"""Single writes on a condition: whether it held is the answer, anything else that goes wrong is an error."""

from collections.abc import Sequence

from pynamodb.exceptions import DeleteError, PutError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from jobruns.store.items import LedgerItem

_REFUSED = "ConditionalCheckFailedException"


def save_if(item: LedgerItem, condition: Condition) -> bool:
    """Put an item.

    Returns
    -------
    bool
        False when the condition does not hold; nothing was written.
    """
    try:
        item.save(condition=condition)
    except PutError as error:
        if error.cause_response_code == _REFUSED:
            return False
        raise
    return True


def update_if(item: LedgerItem, actions: Sequence[Action], condition: Condition) -> bool:
    """Update an item.

    Returns
    -------
    bool
        False when the condition does not hold; nothing was written.
    """
    try:
        item.update(actions=list(actions), condition=condition)
    except UpdateError as error:
        if error.cause_response_code == _REFUSED:
            return False
        raise
    return True


def delete_if(item: LedgerItem, condition: Condition) -> bool:
    """Delete an item.

    Returns
    -------
    bool
        False when the condition does not hold, which it does not of an item that is gone; nothing was deleted.
    """
    try:
        item.delete(condition=condition)
    except DeleteError as error:
        if error.cause_response_code == _REFUSED:
            return False
        raise
    return True
