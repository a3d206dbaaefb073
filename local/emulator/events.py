"""EventBridge's buses, as far as moto differs from the service.

* a rule may have a function as its target, which is then really called;
* PutEvents answers as soon as an event is taken: what becomes of it at a target is not the sender's to know.
"""

import copy
import json
import logging
from datetime import UTC, datetime
from typing import Any

from moto.events.models import Rule

from local.invoke import Invoker, PayloadTooLargeError, UnknownFunctionError

_LOG = logging.getLogger(__name__)

_connected: dict[str, Invoker] = {}


def apply() -> None:
    """Replace what hands an event to the targets of a rule."""
    original = Rule.send_to_targets

    def send_to_targets(rule: Any, event: dict[str, Any], transform_input: bool = True) -> None:
        if rule.state == "DISABLED" or not rule.event_pattern.matches_event(event):
            return
        for target in rule.targets:
            try:
                if ":lambda:" in target["Arn"]:
                    _call(rule.account_id, target, event)
                else:
                    # moto's own writes into the event it is given.
                    alone = copy.copy(rule)
                    alone.targets = [target]
                    original(alone, copy.deepcopy(event), transform_input)
            except Exception:  # noqa: BLE001 - logged; the other targets get theirs, and the sender is not told
                _LOG.exception("nothing is sent to %s", target["Arn"])

    Rule.send_to_targets = send_to_targets


def connect(account: str, invoker: Invoker) -> None:
    """Let the rules of an account call functions."""
    _connected[account] = invoker


def disconnect(account: str) -> None:
    """Forget an account."""
    _connected.pop(account, None)


def _call(account: str, target: dict[str, Any], event: dict[str, Any]) -> None:
    invoker = _connected.get(account)
    if invoker is None:
        return
    when = datetime.fromtimestamp(float(event["time"]), UTC)
    told = {name: value for name, value in event.items() if name != "ingestion-time"}
    payload = target.get("Input") or json.dumps(told | {"time": f"{when:%Y-%m-%dT%H:%M:%SZ}"})
    try:
        invoker.submit(target["Arn"], payload.encode())
    except (UnknownFunctionError, PayloadTooLargeError) as error:
        _LOG.warning("nothing is sent to %s: %s", target["Arn"], error)
