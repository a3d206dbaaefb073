"""What the use cases of endpoints and deliveries stand on beside the rest."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from jobruns.announcement import Announcement
from jobruns.delivery import Delivery
from jobruns.endpoint import Endpoint
from jobruns.outbound import Reply
from jobruns.service.store_ports import DocumentStore, RunStore


class DeliveryMessage(BaseModel):
    """A message of the deliveries' queue: try this one, and which attempt it is.

    ``due_at`` is when, for what travels in shorter hops than it has to wait. ``buried`` marks what was put into the
    dead-letter queue: whoever redrives it wants the delivery tried anew.
    """

    model_config = ConfigDict(frozen=True)

    org: str
    endpoint_id: str
    delivery_id: str
    attempt: int
    due_at: datetime | None = None
    buried: bool = False

    @classmethod
    def next_of(cls, delivery: Delivery, due_at: datetime | None = None) -> "DeliveryMessage":
        """Ask for the next attempt."""
        return cls(
            org=delivery.org,
            endpoint_id=delivery.endpoint_id,
            delivery_id=delivery.delivery_id,
            attempt=delivery.attempts + 1,
            due_at=due_at,
        )


class DeliveryStore(Protocol):
    """Deliveries; see `jobruns.store.deliveries` for what each promises."""

    def add(self, delivery: Delivery) -> bool: ...
    def get(self, org: str, endpoint_id: str, delivery_id: str) -> Delivery | None: ...
    def many(self, keys: Iterable[tuple[str, str, str]]) -> dict[str, Delivery]: ...
    def lease(self, delivery: Delivery, now: datetime, until: datetime) -> bool: ...
    def conclude(self, delivery: Delivery) -> bool: ...
    def reopen(self, delivery: Delivery, now: datetime) -> bool: ...
    def page(self, org: str, endpoint_id: str, *, limit: int, behind: str | None = None) -> list[Delivery]: ...
    def keep_quiet(self, endpoint: Endpoint, told: Announcement, now: datetime) -> bool: ...


class DeliveryQueue(Protocol):
    """The deliveries' queue and its dead letters."""

    def send(self, messages: Sequence[DeliveryMessage]) -> None:
        """Have deliveries tried now."""

    def send_later(self, message: DeliveryMessage, now: datetime) -> None:
        """Have a delivery tried when its message is due; saying so again changes nothing."""

    def bury(self, message: DeliveryMessage, told: Mapping[str, Any]) -> None:
        """Put a delivery that nobody took into the dead-letter queue, with what is to be told of it."""


class SecretStore(Protocol):
    """Secrets that somebody gave."""

    def put(self, name: str, text: str) -> None: ...
    def get(self, name: str) -> str: ...
    def remove(self, name: str) -> None: ...


class EventFiles(Protocol):
    """What is told, as it is written down among the files of runs."""

    def get_json(self, key: str) -> Any: ...
    def put_json(self, key: str, value: Any) -> None: ...


class Poster(Protocol):
    """Sends to an address outside; see `jobruns.outbound.post`."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Letter:
    """A body as it is sent, and the id that receivers know it by.

    ``hub`` asks for the signature beside it that older receivers look for.
    """

    message_id: str
    body: bytes
    content_type: str
    sequence: int = 0
    hub: bool = False


class Scribe(Protocol):
    """Writes and signs what is sent, in the format of an endpoint."""

    def write(self, event: Mapping[str, Any], form: str) -> Sequence[Letter]:
        """Write what is told; several letters are sent in this order, and none is told where there is none."""

    def write_ping(self, endpoint: Endpoint, delivery: Delivery) -> Sequence[Letter]:
        """Write what tries an endpoint."""

    def sign(self, letter: Letter, secrets: Sequence[str], at: datetime, *, known: bool) -> Mapping[str, str]:
        """Give the headers that prove a letter, by all of the secrets, which somebody has been told, or nobody."""


@dataclass(frozen=True, slots=True)
class EventPorts:
    """What the use cases of endpoints and deliveries stand on.

    Parameters
    ----------
    documents : DocumentStore
        Where endpoints are.
    deliveries : DeliveryStore
        Where deliveries are.
    runs : RunStore
        The ledger's runs.
    queue : DeliveryQueue
        Where deliveries wait.
    secrets : SecretStore
        Where secrets are that somebody gave.
    files : EventFiles
        Where it is written what is told.
    post : Poster
        Sends.
    check_url : callable
        Lets a URL pass that may be told things; raises what `jobruns.outbound.check_url` does.
    master : callable
        Gives the master secret of webhooks.
    clock : callable
        Gives the time, aware.
    jitter : callable
        Gives a number from -1 to 1, another one each time.
    """

    documents: DocumentStore
    deliveries: DeliveryStore
    runs: RunStore
    queue: DeliveryQueue
    secrets: SecretStore
    files: EventFiles
    post: Poster
    check_url: Callable[[str], object]
    master: Callable[[], str]
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
