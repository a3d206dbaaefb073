"""Everything between the bus and the receivers, with time that jumps: the ledger is emulated, the rest is here."""

import heapq
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from events.announcements import read_announcement
from events.letters import LetterWriter
from jobruns.access import Principal, Role
from jobruns.announcement import Announcement
from jobruns.endpoint import Endpoint, Selection
from jobruns.errors import NotFoundError, UnavailableError
from jobruns.lifecycle import Succeeded
from jobruns.notices import Notice, NoticeKind
from jobruns.outbound import Reply, UnreachableError
from jobruns.run import Run, RunState
from jobruns.service.deliveries import Tried, deliver
from jobruns.service.endpoints import EndpointWish, put_endpoint
from jobruns.service.event_ports import DeliveryMessage, EventPorts
from jobruns.service.routing import Routed, route
from jobruns.store import Store
from jobruns_events.cloud_events import cloud_event, for_bus
from tests.integration.run_objects import MemoryRunObjects
from tests.unit.core.runs import make_run
from tests.unit.events.histories import make_synced, reached, tell

ADMIN = Principal(org="acme", name="JRAKADMIN", role=Role.ADMIN)
MASTER = "w" * 64
VISIBILITY = timedelta(seconds=360)
BEGIN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Answer = Callable[[datetime], Reply]

TAKEN = Reply(200)
BROKEN = Reply(500, excerpt="it hurts")


def always(reply: Reply) -> Answer:
    return lambda now: reply


def down_until(end: datetime) -> Answer:
    def answer(now: datetime) -> Reply:
        if now < end:
            raise UnreachableError("no answer in time")
        return TAKEN

    return answer


@dataclass(frozen=True)
class Post:
    """What a receiver got."""

    at: datetime
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def sequence(self) -> int:
        return int(self.headers["x-run-sequence"])

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class MemoryQueue:
    """Keeps messages until they are due, and gives one again that nobody acknowledged."""

    def __init__(self, office: "PostOffice") -> None:
        self._office = office
        self._order = itertools.count()
        self.waiting: list[tuple[datetime, int, str]] = []
        self.buried: list[dict[str, Any]] = []
        self.refusing = False

    def send(self, messages: Sequence[DeliveryMessage]) -> None:
        for message in messages:
            self.push(message, self._office.now)

    def send_later(self, message: DeliveryMessage, now: datetime) -> None:
        self.push(message, message.due_at or now)

    def bury(self, message: DeliveryMessage, told: Mapping[str, Any]) -> None:
        if self.refusing:
            raise UnavailableError("the queue takes nothing")
        self.buried.append({**message.model_dump(mode="json"), "told": told})

    def push(self, message: DeliveryMessage, at: datetime) -> None:
        if self.refusing:
            raise UnavailableError("the queue takes nothing")
        heapq.heappush(self.waiting, (at, next(self._order), message.model_dump_json()))

    def pop(self, until: datetime, most: int = 10) -> list[DeliveryMessage]:
        """Take the next messages that are due at the same moment."""
        found: list[DeliveryMessage] = []
        moment: datetime | None = None
        while self.waiting and len(found) < most and self.waiting[0][0] <= until:
            at = self.waiting[0][0]
            if moment is not None and at > max(moment, self._office.now):
                break
            moment = at
            found.append(DeliveryMessage.model_validate_json(heapq.heappop(self.waiting)[2]))
        if moment is not None:
            self._office.now = max(self._office.now, moment)
        return found


class MemorySecrets:
    """Stands for Secrets Manager."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def put(self, name: str, text: str) -> None:
        self.held[name] = text

    def get(self, name: str) -> str:
        if name not in self.held:
            raise NotFoundError("there is no such secret")
        return self.held[name]

    def remove(self, name: str) -> None:
        self.held.pop(name, None)


@dataclass
class PostOffice:
    """The ports, what stands behind them, and what receivers got."""

    store: Store
    now: datetime = BEGIN
    receivers: dict[str, Answer] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)
    files: MemoryRunObjects = field(default_factory=MemoryRunObjects)
    secrets: MemorySecrets = field(default_factory=MemorySecrets)
    jitter: float = 0.0

    def __post_init__(self) -> None:
        self.queue = MemoryQueue(self)
        self.ports = EventPorts(
            documents=self.store.documents,
            deliveries=self.store.deliveries,
            runs=self.store.runs,
            queue=self.queue,
            secrets=self.secrets,
            files=self.files,
            post=self.post,
            check_url=lambda url: url,
            master=lambda: MASTER,
            clock=lambda: self.now,
            jitter=lambda: self.jitter,
        )

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.posts.append(Post(self.now, url, headers, body))
        return self.receivers.get(url, always(TAKEN))(self.now)

    def endpoint(self, name: str = "pager", form: str = "hotglue", **chosen: Any) -> tuple[Endpoint, str]:
        """Make an endpoint at ``https://<name>.example``; gives the secret too."""
        others = {key: chosen.pop(key) for key in ("stands_back", "shown") if key in chosen}
        wish = EndpointWish(f"https://{name}.example", form, Selection(**chosen), **others)
        made, secret = put_endpoint(self.ports, ADMIN, name, wish)
        return made, secret or ""

    def announce(self, *events: Mapping[str, Any]) -> Routed:
        """Have events told as if they came over the bus, and kept as publish keeps them."""
        return route(self.ports, [self.kept(event) for event in events])

    def kept(self, event: Mapping[str, Any]) -> Announcement:
        self.files.put_json(event["document"], event)
        return read_announcement(json.dumps({"detail": for_bus(event)}))

    def tick(self, most: int = 10, until: datetime | None = None) -> Tried | None:
        """Try the next batch; what must come again does so after a while. ``None`` when nothing waits."""
        batch = self.queue.pop(until or self.now, most)
        if not batch:
            return None
        tried = deliver(self.ports, LetterWriter(), batch)
        for place in tried.again:
            heapq.heappush(self.queue.waiting, (self.now + VISIBILITY, 0, batch[place].model_dump_json()))
        return tried

    def run(self, **lasting: float) -> None:
        """Let time pass, and try whatever is due."""
        until = self.now + timedelta(**lasting)
        for _ in range(100_000):
            if self.tick(until=until) is None:
                break
        self.now = until


def succeeded(**fields: Any) -> list[dict[str, Any]]:
    """Give what is told of a run of the hotglue door that goes well."""
    phases = reached("SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED")
    return tell(make_synced(**{"org": "acme", **fields}), [*phases, Succeeded()])


def told(run: Run, kind: NoticeKind = NoticeKind.ENDED) -> dict[str, Any]:
    """Give the event of something that happened to a run as it is."""
    return cloud_event(Notice(run, kind), None)


def some_run(state: RunState, number: int, *, job: str = "nightly") -> Run:
    """Give a run of another door."""
    run_id = f"01a1fba8-d3d3-7e99-bb70-{number:012d}"
    ended_at = BEGIN if state.terminal else None
    fields = {"org": "acme", "job": job, "run_id": run_id, "root_run_id": run_id, "version": 4}
    return make_run(state, **fields, ended_at=ended_at, modified_at=BEGIN, settled=state.terminal)


def ended(state: RunState, number: int, *, job: str = "nightly") -> dict[str, Any]:
    """Give the event of the end of some run of another door."""
    return told(some_run(state, number, job=job))
