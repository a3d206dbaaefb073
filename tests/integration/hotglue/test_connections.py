"""What a flow is linked to: the environment's webhook hears of each change, once."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from jobruns.errors import ConflictError, UnavailableError
from jobruns.outbound import Reply
from jobruns_events.run_metrics import place_of
from tests.integration.events.post_office import BROKEN, TAKEN, Post, always
from tests.integration.hotglue.door import EXTERNAL, LINKED, SINGER, Cloud, Door

SOURCE = {"tap": {"name": "ledgerly", "config": {"api_key": "k-1"}}}


@dataclass
class Ear:
    """A flow's settings, and the receiver that hears of what it is linked to."""

    door: Door
    url: str
    secret: str

    @property
    def flow(self) -> str:
        return f"/{self.door.env_id}/settings/flows/{self.door.flow_id}"

    @property
    def webhook(self) -> str:
        return f"/{self.door.env_id}/settings/webhooks/connection"

    def put(self, flow: Any, status: int = 200) -> Any:
        return self.door.do("PUT", self.flow, flow, status)

    def posts(self) -> list[Post]:
        """Let what is on its way arrive; gives all that ever came, in the order in which it happened."""
        office = self.door.cloud.office
        office.run(seconds=1)
        return sorted((post for post in office.posts if post.url == self.url), key=lambda post: post.sequence)

    def heard(self) -> list[tuple[str, str]]:
        """Give what was heard, with the name of what it is about."""
        told = [post.document for post in self.posts()]
        return [(one["status"], one["connector_id"] or one["tap"] or one["target"]) for one in told]

    def stored(self) -> Any:
        return self.door.ports.documents.get(
            self.door.principal.org, f"hotglue/flows/{self.door.env_id}", self.door.flow_id
        )


@pytest.fixture
def ear(cloud: Cloud) -> Ear:
    """An environment without a flow, whose webhook hears of connections."""
    return listen(cloud)


def listen(cloud: Cloud, **wish: Any) -> Ear:
    door = cloud.open()
    door.do("PUT", f"/{door.env_id}/settings", {}, 201)
    url = f"https://{door.principal.org}.example/connections"
    made = door.do("PUT", f"/{door.env_id}/settings/webhooks/connection", {"url": url, **wish})
    return Ear(door, url, made["signing_secret"])


def test_a_flow_that_is_made_changed_and_deleted_tells_each_link_once(ear: Ear) -> None:
    ear.put(EXTERNAL, 201)
    assert ear.heard() == [("SOURCE_CREATED", "ledgerly"), ("TARGET_CREATED", "depot")]
    ear.put(EXTERNAL)
    assert len(ear.heard()) == 2
    ear.put({**EXTERNAL, "target": {"name": "depot", "package": "target-depot"}, "timeout_seconds": 60})
    assert ear.heard()[2:] == [("TARGET_OVERWRITTEN", "depot")]
    ear.put({"tap": {"name": "shop"}})
    assert sorted(ear.heard()[3:]) == [
        ("SOURCE_CREATED", "shop"),
        ("SOURCE_REMOVED", "ledgerly"),
        ("TARGET_REMOVED", "depot"),
    ]
    ear.door.do("DELETE", ear.flow)
    assert ear.heard()[6:] == [("SOURCE_REMOVED", "shop")]
    # Made again, its versions begin anew, and the numbers of what is told do not.
    ear.put(EXTERNAL, 201)
    assert [status for status, _ in ear.heard()[7:]] == ["SOURCE_CREATED", "TARGET_CREATED"]
    assert len({post.message_id for post in ear.posts()}) == 9


def test_connectors_are_told_by_their_names(ear: Ear) -> None:
    ear.put(LINKED, 201)
    assert sorted(ear.heard()) == [
        ("CONNECTOR_CREATED", "crm"),
        ("CONNECTOR_CREATED", "mail"),
        ("TARGET_CREATED", "depot"),
    ]
    ear.put({**LINKED, "connectors": {"crm": {"tap": {"name": "tap-crm"}}, "chat": {}}})
    assert sorted(ear.heard()[3:]) == [
        ("CONNECTOR_CREATED", "chat"),
        ("CONNECTOR_OVERWRITTEN", "crm"),
        ("CONNECTOR_REMOVED", "mail"),
    ]


def test_what_is_told_says_what_changed_where_and_by_whom_and_no_setting(ear: Ear) -> None:
    shown = ear.put(SINGER, 201)
    post = ear.posts()[0]
    assert post.document == {
        "env_id": ear.door.env_id,
        "flow_id": ear.door.flow_id,
        "tenant": None,
        "connection": "source",
        "connector_id": None,
        "tap": "ledgerly",
        "target": None,
        "status": "SOURCE_CREATED",
        "message": "the source 'ledgerly' has been linked to the flow",
        "last_updated": shown["modified_at"],
        "changed_by": ear.door.principal.name,
    }
    kept = {key: content for key, content in ear.door.cloud.office.files.held.items() if ear.door.principal.org in key}
    assert "k-123" not in f"{kept}{ear.posts()}{ear.stored()}"
    # What S3 tells of these files is of no run's.
    assert all("/connections/" in key and place_of(key) is None for key in kept)
    assert len(kept) == 2


def test_a_config_of_other_values_is_another(ear: Ear) -> None:
    ear.put(SOURCE, 201)
    ear.put({"tap": {"name": "ledgerly", "config": {"api_key": "***"}}})
    ear.put({"tap": {"name": "ledgerly"}})
    assert len(ear.heard()) == 1
    ear.put({"tap": {"name": "ledgerly", "config": {"api_key": "k-2"}}})
    assert ear.heard()[1:] == [("SOURCE_OVERWRITTEN", "ledgerly")]


def test_a_config_without_a_salt_is_given_one(ear: Ear) -> None:
    ear.put(SOURCE, 201)
    held = ear.door.cloud.secrets.held
    name = f"{ear.door.principal.org}/{ear.door.env_id}/{ear.door.flow_id}"
    held[name] = json.dumps({"tap": {"api_key": "k-1"}})
    for _ in range(3):
        ear.put(SOURCE)
    assert len(ear.heard()) == 2
    assert json.loads(held[name])["salt"]


@pytest.mark.parametrize("form", ["hotglue", "standard", "cloudevents"])
def test_it_is_told_in_every_format_that_has_a_word_for_it_and_signed(cloud: Cloud, form: str) -> None:
    ear = listen(cloud, format=form)
    ear.put({"tap": {"name": "ledgerly"}}, 201)
    (post,) = ear.posts()
    at = datetime.fromtimestamp(int(post.headers["webhook-timestamp"]), UTC)
    signed = Webhook(ear.secret).sign(post.message_id, at, post.body.decode())
    assert post.headers["webhook-signature"] == signed
    assert ("X-Hub-Signature" in post.headers) == (form == "hotglue")
    body = post.document
    assert {"hotglue": body, "standard": body.get("data"), "cloudevents": body.get("data")}[form]["tap"] == "ledgerly"
    expected = {"standard": "connection.source_created", "cloudevents": "io.jobruns.connection.source_created.v1"}
    assert body.get("type") == expected.get(form)


def test_it_is_listed_tried_again_put_aside_and_replayed_as_all_that_is_told(ear: Ear) -> None:
    office = ear.door.cloud.office
    office.receivers[ear.url] = always(BROKEN)
    ear.put({"tap": {"name": "ledgerly"}}, 201)
    office.run(days=4)
    (sent,) = ear.door.do("GET", f"{ear.webhook}/deliveries")
    assert (sent["state"], sent["attempts"], sent["status"]) == ("DEAD", 10, "SOURCE_CREATED")
    assert office.queue.buried[-1]["delivery_id"] == sent["delivery_id"]
    assert ear.door.do("GET", ear.webhook)["failing_since"] is not None
    office.receivers[ear.url] = always(TAKEN)
    ear.door.do("POST", f"{ear.webhook}/deliveries/{sent['delivery_id']}/replay", status=202)
    assert ear.heard() == [("SOURCE_CREATED", "ledgerly")] * 11
    assert len({post.message_id for post in ear.posts()}) == 1
    assert ear.door.do("GET", f"{ear.webhook}/deliveries/{sent['delivery_id']}")["state"] == "DELIVERED"


def test_only_the_statuses_that_were_asked_for_are_told(cloud: Cloud) -> None:
    ear = listen(cloud, statuses=["TARGET_CREATED", "SOURCE_REMOVED"])
    ear.put(EXTERNAL, 201)
    ear.door.do("DELETE", ear.flow)
    assert ear.heard() == [("TARGET_CREATED", "depot"), ("SOURCE_REMOVED", "ledgerly")]


def test_nobody_else_hears_of_it(ear: Ear) -> None:
    other = ear.door.at(env_id="prod.acorn.example")
    other.do("PUT", f"/{other.env_id}/settings", {}, 201)
    for kind in ("job_lifecycle", "discover"):
        own = {"url": f"https://{ear.door.principal.org}.example/others"}
        ear.door.do("PUT", f"/{ear.door.env_id}/settings/webhooks/{kind}", own)
        ear.door.do("PUT", f"/{other.env_id}/settings/webhooks/{kind}", own)
    other.do("PUT", f"/{other.env_id}/settings/flows/{other.flow_id}", EXTERNAL, 201)
    ear.put(EXTERNAL, 201)
    assert len(ear.heard()) == 2
    office = ear.door.cloud.office
    assert [post for post in office.posts if post.url.endswith("/others") and ear.door.principal.org in post.url] == []


def test_what_happens_while_nobody_listens_is_told_to_nobody(ear: Ear) -> None:
    office = ear.door.cloud.office
    office.receivers[ear.url] = always(Reply(410))
    ear.put({"tap": {"name": "ledgerly"}}, 201)
    assert len(ear.heard()) == 1
    del office.receivers[ear.url]
    # It answered that it is gone, and is switched off.
    ear.put(EXTERNAL)
    assert len(ear.heard()) == 1
    ear.door.do("PUT", ear.webhook, {"url": ear.url})
    ear.put(EXTERNAL)
    assert len(ear.heard()) == 1
    ear.door.do("DELETE", ear.webhook)
    ear.door.do("DELETE", ear.flow)
    assert len(ear.heard()) == 1


class Failing:
    """Has what is sent or written fail, some of it or all."""

    def __init__(self, patch: pytest.MonkeyPatch, cloud: Cloud) -> None:
        self._patch, self._cloud = patch, cloud

    def queue(self) -> None:
        self._cloud.office.queue.refusing = True

    def second_file(self) -> None:
        """Let one thing be written down and asked for, and not the next."""
        files, left = self._cloud.office.files, iter(range(1))
        put = type(files).put_json

        def fail(key: str, value: Any) -> None:
            if next(left, None) is None:
                raise UnavailableError("S3 does not answer")
            put(files, key, value)

        self._patch.setattr(files, "put_json", fail)

    def forgetting(self) -> None:
        """Let all be told, and have the door die before it has noted that."""
        self._fail_writes(after=1)

    def removing(self) -> None:
        documents = self._cloud.store.documents

        def fail(*_: Any, **__: Any) -> None:
            raise UnavailableError("the ledger does not answer")

        self._patch.setattr(documents, "remove", fail)

    def _fail_writes(self, after: int) -> None:
        documents = self._cloud.store.documents
        change, left = documents.change, iter(range(after))

        def fail(document: Any, *, was: Any) -> None:
            if next(left, None) is None:
                raise UnavailableError("the ledger does not answer")
            change(document, was=was)

        self._patch.setattr(documents, "change", fail)

    def end(self) -> None:
        self._patch.undo()
        self._cloud.office.queue.refusing = False


@pytest.fixture
def failing(cloud: Cloud) -> Iterator[Failing]:
    with pytest.MonkeyPatch.context() as patch:
        made = Failing(patch, cloud)
        yield made
        made.end()


@pytest.mark.parametrize("where", ["queue", "second_file", "forgetting"])
def test_a_change_that_could_not_be_told_is_told_once_when_it_is_sent_again(
    ear: Ear, failing: Failing, where: str
) -> None:
    ear.put({}, 201)
    getattr(failing, where)()
    answer = ear.door.send("PUT", ear.flow, EXTERNAL)
    assert (answer.status, answer.kind) == (503, "unavailable")
    failing.end()
    assert ear.door.do("GET", ear.flow)["tap"]["name"] == "ledgerly"
    ear.put(EXTERNAL)
    told = [("SOURCE_CREATED", "ledgerly"), ("TARGET_CREATED", "depot")]
    assert sorted(ear.heard()) == told
    ear.put(EXTERNAL)
    assert sorted(ear.heard()) == told
    assert "untold" not in ear.stored().body


def test_another_change_tells_first_what_could_not_be_told(ear: Ear, failing: Failing) -> None:
    failing.queue()
    assert ear.door.send("PUT", ear.flow, {"tap": {"name": "ledgerly"}}).status == 503
    # While it cannot be told nothing else is changed.
    assert ear.door.send("PUT", ear.flow, {"tap": {"name": "shop"}}).status == 503
    assert ear.door.do("GET", ear.flow)["tap"]["name"] == "ledgerly"
    failing.end()
    ear.put({"tap": {"name": "shop"}})
    assert ear.heard()[:1] == [("SOURCE_CREATED", "ledgerly")]
    assert sorted(ear.heard()[1:]) == [("SOURCE_CREATED", "shop"), ("SOURCE_REMOVED", "ledgerly")]


@pytest.mark.parametrize("where", ["queue", "second_file", "removing"])
def test_a_deletion_that_could_not_be_told_is_told_once_when_it_is_sent_again(
    ear: Ear, failing: Failing, where: str
) -> None:
    ear.put({**EXTERNAL, **SOURCE}, 201)
    assert len(ear.heard()) == 2
    getattr(failing, where)()
    assert ear.door.send("DELETE", ear.flow).status == 503
    failing.end()
    # It is gone for everybody already.
    assert ear.door.send("GET", ear.flow).status == 404
    assert ear.door.do("GET", ear.flow.rpartition("/")[0]) == []
    assert ear.door.send("POST", f"{ear.door.lane}/jobs", {}).status == 404
    ear.door.do("DELETE", ear.flow)
    assert sorted(ear.heard()[2:]) == [("SOURCE_REMOVED", "ledgerly"), ("TARGET_REMOVED", "depot")]
    assert ear.stored() is None
    assert f"{ear.door.principal.org}/{ear.door.env_id}/{ear.door.flow_id}" not in ear.door.cloud.secrets.held
    assert ear.door.send("DELETE", ear.flow).status == 404
    ear.door.do("DELETE", f"/{ear.door.env_id}/settings")


def test_a_flow_that_is_made_again_tells_first_that_the_one_before_went(ear: Ear, failing: Failing) -> None:
    ear.put(SOURCE, 201)
    failing.queue()
    assert ear.door.send("DELETE", ear.flow).status == 503
    failing.end()
    shown = ear.put({"tap": {"name": "ledgerly"}}, 201)
    # Of the one before it has nothing.
    assert shown["tap"]["config"] is None
    assert [status for status, _ in ear.heard()] == ["SOURCE_CREATED", "SOURCE_REMOVED", "SOURCE_CREATED"]
    assert len({post.message_id for post in ear.posts()}) == 3


def test_what_could_not_be_told_is_forgotten_with_the_webhook(ear: Ear, failing: Failing) -> None:
    failing.queue()
    assert ear.door.send("PUT", ear.flow, EXTERNAL).status == 503
    failing.end()
    ear.door.do("DELETE", ear.webhook)
    ear.put(EXTERNAL)
    assert "untold" not in ear.stored().body
    ear.door.do("PUT", ear.webhook, {"url": ear.url})
    ear.put(EXTERNAL)
    assert ear.heard() == []


def test_a_config_is_told_though_the_flow_was_not_written_the_first_time(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear.put(SOURCE, 201)
    other = {"tap": {"name": "ledgerly", "config": {"api_key": "k-2"}}}

    def lose(*_: Any, **__: Any) -> None:
        raise ConflictError("somebody else was first")

    with monkeypatch.context() as patch:
        patch.setattr(ear.door.cloud.store.documents, "change", lose)
        assert ear.door.send("PUT", ear.flow, other).status == 409
    assert len(ear.heard()) == 1
    ear.put(other)
    assert ear.heard()[1:] == [("SOURCE_OVERWRITTEN", "ledgerly")]


def test_who_changes_the_flow_while_it_is_told_takes_nothing_from_what_is_told(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = ear.door.cloud.office.queue
    send = type(queue).send

    def between(messages: Any) -> None:
        monkeypatch.undo()
        ear.put(EXTERNAL)
        send(queue, messages)

    monkeypatch.setattr(queue, "send", between)
    ear.put({"tap": {"name": "ledgerly"}}, 201)
    assert sorted(ear.heard()) == [("SOURCE_CREATED", "ledgerly"), ("TARGET_CREATED", "depot")]
    assert ear.door.do("GET", ear.flow)["target"]["name"] == "depot"
    assert "untold" not in ear.stored().body


def test_who_makes_a_flow_while_its_deletion_is_told_keeps_it(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    ear.put({"tap": {"name": "ledgerly"}}, 201)
    queue = ear.door.cloud.office.queue
    send = type(queue).send

    def between(messages: Any) -> None:
        monkeypatch.undo()
        ear.put({"tap": {"name": "shop"}}, 201)
        send(queue, messages)

    monkeypatch.setattr(queue, "send", between)
    ear.door.do("DELETE", ear.flow)
    assert ear.door.do("GET", ear.flow)["tap"]["name"] == "shop"
    assert [status for status, _ in ear.heard()] == ["SOURCE_CREATED", "SOURCE_REMOVED", "SOURCE_CREATED"]


def test_what_changes_no_link_costs_nothing_more_and_what_does_a_few_calls(cloud: Cloud, calls: Any) -> None:
    ear = listen(cloud)
    ear.put(EXTERNAL, 201)
    files, waiting = cloud.office.files.held, cloud.office.queue.waiting
    ear.heard()
    calls()
    written = len(files)
    # The environment, the flow, and the flow written.
    ear.put({**EXTERNAL, "timeout_seconds": 60})
    assert calls() == Counter(GetItem=2, TransactWriteItems=1)
    assert (len(files), len(waiting)) == (written, 0)
    # The webhook by its name, which is two reads; a delivery for each change; and the flow without what was untold.
    ear.put({"tap": {"name": "ledgerly", "package": "tap-ledgerly"}})
    assert calls() == Counter(GetItem=4, TransactWriteItems=2, PutItem=2)
    assert (len(files), len(waiting)) == (written + 2, 2)
    ear.heard()
    calls()
    ear.door.do("DELETE", ear.flow)
    assert calls() == Counter(GetItem=3, TransactWriteItems=2, PutItem=1)
    deaf = cloud.open().settle_in()
    path = f"/{deaf.env_id}/settings/flows/{deaf.flow_id}"
    calls()
    # Where there is no webhook, its name is looked for.
    deaf.do("PUT", path, {})
    assert calls() == Counter(GetItem=3, TransactWriteItems=1)
