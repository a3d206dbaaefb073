"""Deliveries: tried until they are taken or dead, each by one id, whatever dies in between."""

from datetime import timedelta
from itertools import pairwise

import pytest

from jobruns.delivery import MAX_TRIES, RETRY_SECONDS, DeliveryState
from jobruns.errors import ConflictError
from jobruns.outbound import Reply
from jobruns.service.endpoints import enable_endpoint, find_endpoint, remove_endpoint
from jobruns.service.event_ports import DeliveryMessage
from jobruns.service.replays import (
    find_delivery,
    list_deliveries,
    ping_endpoint,
    replay_delivery,
    replay_missed,
)
from tests.integration.events.post_office import (
    ADMIN,
    BEGIN,
    BROKEN,
    TAKEN,
    PostOffice,
    always,
    down_until,
    succeeded,
)
from tests.integration.kills import Kill, KilledError

URL = "https://pager.example"
STATUSES = ["JOB_CREATED", "SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED", "JOB_COMPLETED"]


def test_a_receiver_hears_every_step_once(office: PostOffice) -> None:
    office.endpoint()
    office.announce(*succeeded())
    office.run(seconds=1)
    assert [post.document["status"] for post in office.posts] == STATUSES
    assert [post.sequence for post in office.posts] == sorted({post.sequence for post in office.posts})
    page = list_deliveries(office.ports, ADMIN, "pager")
    assert [(one.state, one.attempts, one.status) for one in page.deliveries] == [
        (DeliveryState.DELIVERED, 1, status) for status in reversed(STATUSES)
    ]
    assert page.behind is None


def test_a_receiver_that_fails_for_a_day_gets_everything_once_it_is_back(office: PostOffice) -> None:
    office.endpoint()
    office.receivers[URL] = down_until(BEGIN + timedelta(days=1))
    office.jitter = 1.0
    office.announce(*succeeded())
    office.run(days=3)

    by_event = {post.document["status"]: [] for post in office.posts}
    for post in office.posts:
        by_event[post.document["status"]].append(post)
    assert list(by_event) == STATUSES
    for posts in by_event.values():
        assert len({post.message_id for post in posts}) == 1
        assert len({post.body for post in posts}) == 1
        assert len({post.headers["webhook-timestamp"] for post in posts}) == len(posts)
        assert posts[-1].at >= BEGIN + timedelta(days=1)
        assert all(post.at < BEGIN + timedelta(days=1) for post in posts[:-1])
        waits = [(after.at - before.at).total_seconds() for before, after in pairwise(posts)]
        assert waits == [seconds * 1.2 for seconds in RETRY_SECONDS[1 : len(posts)]]
    assert len({posts[0].message_id for posts in by_event.values()}) == len(STATUSES)
    assert office.queue.waiting == []
    assert not office.queue.buried


def test_what_nobody_takes_is_put_aside_with_its_log_and_delivered_when_asked_for(office: PostOffice) -> None:
    office.endpoint()
    office.receivers[URL] = always(BROKEN)
    office.announce(succeeded()[-1])
    office.run(days=4)

    [post, *others] = office.posts
    assert len(others) == MAX_TRIES - 1
    [delivery] = list_deliveries(office.ports, ADMIN, "pager").deliveries
    assert (delivery.state, delivery.attempts) == (DeliveryState.DEAD, MAX_TRIES)
    assert [(one.number, one.status, one.answer) for one in delivery.log] == [
        (number, 500, "it hurts") for number in range(1, MAX_TRIES + 1)
    ]
    assert find_endpoint(office.ports, ADMIN, "pager").failing_since is not None
    [buried] = office.queue.buried
    assert buried["delivery_id"] == delivery.delivery_id
    assert buried["told"]["endpoint"] == "pager"
    assert buried["told"]["run_id"] == delivery.run_id
    assert len(buried["told"]["log"]) == MAX_TRIES

    del office.receivers[URL]
    replay_delivery(office.ports, ADMIN, "pager", delivery.delivery_id)
    office.run(seconds=1)
    assert office.posts[-1].message_id == post.message_id
    after = find_delivery(office.ports, ADMIN, "pager", delivery.delivery_id)
    assert (after.state, after.attempts) == (DeliveryState.DELIVERED, MAX_TRIES + 1)
    assert find_endpoint(office.ports, ADMIN, "pager").failing_since is None


def test_dead_letters_that_are_redriven_are_tried_anew(office: PostOffice) -> None:
    office.endpoint()
    office.receivers[URL] = always(BROKEN)
    office.announce(succeeded()[-1])
    office.run(days=4)
    office.receivers[URL] = down_until(office.now + timedelta(minutes=1))
    for letter in office.queue.buried:
        office.queue.push(DeliveryMessage.model_validate(letter), office.now)
    tried = len(office.posts)
    office.run(hours=1)
    # Now, 5 s and 5 min later: the schedule begins anew.
    assert len(office.posts) == tried + 3
    [delivery] = list_deliveries(office.ports, ADMIN, "pager").deliveries
    assert delivery.state is DeliveryState.DELIVERED
    for letter in office.queue.buried:
        office.queue.push(DeliveryMessage.model_validate(letter), office.now)
    office.run(hours=1)
    assert len(office.posts) == tried + 3


def test_an_endpoint_that_is_gone_is_told_nothing_until_it_is_switched_on(office: PostOffice) -> None:
    office.endpoint()
    first, *others = succeeded()
    office.receivers[URL] = always(BROKEN)
    office.announce(first)
    office.run(seconds=1)
    office.receivers[URL] = always(Reply(410))
    office.announce(others[0])
    office.tick(1)
    gone = find_endpoint(office.ports, ADMIN, "pager")
    assert (gone.enabled, gone.disabled_because) == (False, "it answered 410 Gone")
    assert office.announce(*others[1:]).deliveries == 0
    office.run(days=4)
    # What waited for its second try is not told either.
    assert len(office.posts) == 2
    assert [one.state for one in list_deliveries(office.ports, ADMIN, "pager").deliveries] == [
        DeliveryState.SKIPPED,
        DeliveryState.SKIPPED,
    ]
    assert not office.queue.buried
    with pytest.raises(ConflictError, match="switched off"):
        ping_endpoint(office.ports, ADMIN, "pager")

    office.receivers[URL] = always(TAKEN)
    enable_endpoint(office.ports, ADMIN, "pager")
    assert len(replay_missed(office.ports, ADMIN, "pager", BEGIN)) == 2
    office.run(seconds=1)
    assert sorted(post.document["status"] for post in office.posts[2:]) == ["JOB_CREATED", "SYNC_STARTED"]
    assert replay_missed(office.ports, ADMIN, "pager", BEGIN) == []


@pytest.mark.parametrize(
    ("status", "asked", "seconds"),
    [
        (429, "120", 120),
        (503, "1", 5),
        (500, "Sat, 21 Nov 2026 12:30:00 GMT", 1800),
        (502, "soon", 5),
        (302, None, 5),
        (404, None, 5),
        (503, "999999999", 86400),
    ],
)
def test_no_try_comes_sooner_than_a_receiver_asks_for(
    office: PostOffice, status: int, asked: str | None, seconds: float
) -> None:
    office.endpoint()
    office.receivers[URL] = always(Reply(status, asked))
    office.announce(succeeded()[0])
    office.tick()
    office.receivers[URL] = always(TAKEN)
    office.run(days=2)
    [first, second] = office.posts
    assert (second.at - first.at).total_seconds() == seconds


def test_messages_that_come_twice_are_told_once(office: PostOffice) -> None:
    office.endpoint()
    first, *others = succeeded()
    office.announce(first)
    office.announce(first, first)
    assert len(office.queue.waiting) == 3
    office.tick()
    office.receivers[URL] = always(BROKEN)
    office.announce(others[0], others[0])
    office.tick()
    office.announce(others[0])
    office.tick()
    assert [post.document["status"] for post in office.posts] == STATUSES[:2]
    office.run(days=4)
    # Two messages for the second attempt at most, of which one is dropped; ten attempts in all.
    assert len(office.posts) == 1 + MAX_TRIES
    assert len(office.queue.buried) == 1


def test_one_that_is_being_tried_is_left_alone_for_as_long_as_a_function_runs(office: PostOffice) -> None:
    office.endpoint()
    office.announce(succeeded()[0])
    [delivery] = list_deliveries(office.ports, ADMIN, "pager").deliveries
    assert office.ports.deliveries.lease(delivery, office.now, office.now + timedelta(seconds=90))
    tried = office.tick()
    assert tried is not None
    assert (tried.again, office.posts) == ({0}, [])
    with pytest.raises(ConflictError, match="being tried"):
        replay_delivery(office.ports, ADMIN, "pager", delivery.delivery_id)
    office.run(minutes=10)
    assert len(office.posts) == 1


@pytest.mark.parametrize("reply", [TAKEN, BROKEN], ids=["taken", "not"])
def test_a_process_that_dies_anywhere_loses_nothing(office: PostOffice, kill: Kill, reply: Reply) -> None:
    office.endpoint()
    office.receivers[URL] = always(reply)
    events = succeeded()
    for number, (nth, when) in enumerate((nth, when) for nth in (1, 2, 3, 4) for when in ("before", "after")):
        office.posts.clear()
        office.announce({**events[0], "id": f"01a1fba8-d3d3-7e99-bb70-{number:012d}"})
        message = office.queue.waiting[0]
        kill.arm(nth, when)
        with pytest.raises(KilledError):
            office.tick()
        kill.disarm()
        # The message was not acknowledged: it comes again.
        office.queue.waiting.append(message)
        office.receivers[URL] = always(TAKEN)
        office.run(minutes=20)
        assert office.posts, (nth, when)
        assert len({post.message_id for post in office.posts}) == 1
        assert len(office.posts) <= 2 + (reply is BROKEN)
        assert list_deliveries(office.ports, ADMIN, "pager").deliveries[0].state is DeliveryState.DELIVERED
        assert not office.queue.waiting
        office.receivers[URL] = always(reply)


def test_where_the_next_try_cannot_be_asked_for_this_one_is_made_again(office: PostOffice) -> None:
    office.endpoint()
    office.receivers[URL] = always(BROKEN)
    office.announce(succeeded()[0])
    office.queue.refusing = True
    tried = office.tick()
    assert tried is not None
    assert tried.again == {0}
    office.queue.refusing = False
    office.receivers[URL] = always(TAKEN)
    office.run(hours=1)
    assert [post.message_id for post in office.posts] == [office.posts[0].message_id] * 2
    assert list_deliveries(office.ports, ADMIN, "pager").deliveries[0].state is DeliveryState.DELIVERED


def test_what_is_told_of_something_unreadable_does_not_keep_others_waiting(office: PostOffice) -> None:
    office.endpoint()
    events = succeeded()
    office.announce(*events)
    office.files.put_json(events[1]["document"], {"no": "event"})
    office.files.remove(events[2]["document"])
    tried = office.tick()
    assert tried is not None
    assert (tried.delivered, tried.dropped, tried.again) == (3, 1, {1})
    skipped = [one for one in list_deliveries(office.ports, ADMIN, "pager").deliveries if one.reason]
    assert [(one.status, one.reason) for one in skipped] == [
        ("SYNC_SUCCESS", "what was to be told is not kept any more")
    ]


def test_a_ping_is_told_once_and_never_put_aside(office: PostOffice) -> None:
    office.endpoint()
    office.receivers[URL] = always(BROKEN)
    sent = ping_endpoint(office.ports, ADMIN, "pager")
    office.run(days=4)
    [post] = office.posts
    assert post.document["status"] == "PING"
    delivery = find_delivery(office.ports, ADMIN, "pager", sent.delivery_id)
    assert (delivery.state, delivery.reason) == (DeliveryState.DEAD, "it was not taken")
    assert not office.queue.buried
    assert find_endpoint(office.ports, ADMIN, "pager").failing_since is None


def test_what_waits_for_an_endpoint_that_was_removed_is_told_to_nobody(office: PostOffice) -> None:
    office.endpoint()
    office.announce(*succeeded())
    remove_endpoint(office.ports, ADMIN, "pager")
    office.endpoint("pager")
    office.run(days=4)
    assert office.posts == []


def test_a_page_of_deliveries_goes_on_where_the_one_before_ended(office: PostOffice) -> None:
    office.endpoint()
    office.announce(*succeeded())
    seen: list[str] = []
    behind: str | None = None
    for _ in range(3):
        page = list_deliveries(office.ports, ADMIN, "pager", limit=2, behind=behind)
        seen += [one.status for one in page.deliveries]
        behind = page.behind
    assert seen == STATUSES[::-1]
    assert behind is None
