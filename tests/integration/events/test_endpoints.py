"""Endpoints: made, changed, switched off and on, and their secrets, by which receivers prove what they get."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError
from standardwebhooks import Webhook, WebhookVerificationError

from jobruns.access import Principal, Role
from jobruns.aws import clients
from jobruns.aws.secret_store import SecretStore
from jobruns.endpoint import Endpoint, Selection, Topic
from jobruns.errors import (
    AccessDeniedError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    StaleWriteError,
    UnavailableError,
)
from jobruns.outbound import UnreachableError
from jobruns.service.endpoints import (
    EndpointWish,
    disable_endpoint,
    enable_endpoint,
    find_endpoint,
    list_endpoints,
    put_endpoint,
    redirect_to,
    remove_endpoint,
    rotate_secret,
)
from tests.integration.events.post_office import ADMIN, Post, PostOffice, succeeded

WISH = EndpointWish("https://pager.example/hook?token=1", "hotglue")
OLD, NEW = "an old plain secret", "a new plain secret"


def last(office: PostOffice) -> Post:
    office.announce(succeeded()[-1])
    office.run(seconds=1)
    return office.posts.pop()


def verifies(post: Post, secret: str | bytes) -> bool:
    try:
        Webhook(secret).verify(post.body.decode(), {name.lower(): value for name, value in post.headers.items()})
    except WebhookVerificationError:
        return False
    return True


def hub(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


@pytest.fixture
def any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let verifiers take what was signed at another time than this."""

    def read(verifier: Webhook, header: str) -> datetime:
        return datetime.fromtimestamp(float(header), UTC)

    monkeypatch.setattr(Webhook, "_Webhook__verify_timestamp", read)


def test_an_endpoint_is_found_by_name_and_id_changed_and_removed(office: PostOffice) -> None:
    made, secret = put_endpoint(office.ports, ADMIN, "pager", WISH)
    assert secret is not None
    assert secret.startswith("whsec_")
    assert find_endpoint(office.ports, ADMIN, "pager") == made == find_endpoint(office.ports, ADMIN, made.endpoint_id)
    again, told = put_endpoint(office.ports, ADMIN, "pager", WISH)
    assert (again, told) == (made, None)
    selection = Selection(only=frozenset({Topic.FAILURES}), jobs_prefix="a/", quiet_seconds=60)
    wish = EndpointWish("https://other.example", "standard", selection, stands_back=True)
    changed, told = put_endpoint(office.ports, ADMIN, "pager", wish)
    assert told is None
    assert (changed.url, changed.format, changed.selection) == (wish.url, "standard", selection)
    assert (changed.endpoint_id, changed.salt, changed.version) == (made.endpoint_id, made.salt, 2)
    put_endpoint(office.ports, ADMIN, "second", WISH)
    assert [one.name for one in list_endpoints(office.ports, ADMIN)] == ["pager", "second"]
    remove_endpoint(office.ports, ADMIN, "pager")
    with pytest.raises(NotFoundError, match="'pager'"):
        find_endpoint(office.ports, ADMIN, "pager")
    anew, other = put_endpoint(office.ports, ADMIN, "pager", WISH)
    assert anew.endpoint_id != made.endpoint_id
    assert other not in {secret, None}


def test_one_is_switched_off_and_on(office: PostOffice) -> None:
    put_endpoint(office.ports, ADMIN, "pager", WISH)
    off = disable_endpoint(office.ports, ADMIN, "pager")
    assert (off.enabled, off.disabled_because) == (False, "it was switched off")
    assert disable_endpoint(office.ports, ADMIN, "pager") == off
    on = enable_endpoint(office.ports, ADMIN, "pager")
    assert (on.enabled, on.disabled_because) == (True, None)
    disable_endpoint(office.ports, ADMIN, "pager")
    assert put_endpoint(office.ports, ADMIN, "pager", WISH)[0].enabled


def test_only_who_administers_the_org_sees_its_endpoints(office: PostOffice) -> None:
    put_endpoint(office.ports, ADMIN, "pager", WISH)
    operator = ADMIN.model_copy(update={"role": Role.OPERATOR})
    for refused in (find_endpoint, disable_endpoint, enable_endpoint, remove_endpoint, rotate_secret):
        with pytest.raises(AccessDeniedError):
            refused(office.ports, operator, "pager")
    with pytest.raises(AccessDeniedError):
        put_endpoint(office.ports, operator, "pager", WISH)
    with pytest.raises(AccessDeniedError):
        list_endpoints(office.ports, operator)
    with pytest.raises(AccessDeniedError):
        redirect_to(office.ports, Principal(org="acme", name="r", role=Role.READER), WISH.url, "hotglue")
    stranger = ADMIN.model_copy(update={"org": "other"})
    with pytest.raises(NotFoundError):
        find_endpoint(office.ports, stranger, "pager")
    with pytest.raises(NotFoundError):
        redirect_to(office.ports, stranger, WISH.url, "hotglue", signs_as="pager")


@pytest.mark.parametrize(
    ("changes", "secret", "field"),
    [
        ({"format": "two words"}, None, "format"),
        ({"selection": Selection(statuses=frozenset({"a b"}))}, None, "statuses"),
        ({"selection": Selection(quiet_seconds=-1)}, None, "quiet_seconds"),
        ({"selection": Selection(jobs_prefix="x" * 257)}, None, "jobs_prefix"),
        ({}, "short", "secret"),
        ({}, "whsec_notbase64!", "secret"),
        ({}, "whsec_c2hvcnQ=", "secret"),
        ({}, "line\nbreak in it", "secret"),
    ],
)
def test_what_no_endpoint_can_be_is_refused(
    office: PostOffice, changes: dict[str, object], secret: str | None, field: str
) -> None:
    wish = EndpointWish(**{"url": WISH.url, "format": WISH.format, **changes})
    with pytest.raises(InvalidInputError) as refusal:
        put_endpoint(office.ports, ADMIN, "pager", wish, secret=secret)
    assert refusal.value.field == field
    with pytest.raises(InvalidInputError, match="named by"):
        put_endpoint(office.ports, ADMIN, " pager", WISH)
    assert list_endpoints(office.ports, ADMIN) == []


def test_a_host_without_an_address_is_wrong_input(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(url: str) -> None:
        raise UnreachableError("the host has no address")

    object.__setattr__(office.ports, "check_url", unreachable)
    with pytest.raises(InvalidInputError, match="url: the host has no address"):
        put_endpoint(office.ports, ADMIN, "pager", WISH)


def test_an_org_has_no_more_endpoints_than_are_looked_at(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns.service.endpoints.MAX_ENDPOINTS", 3)
    for number in range(3):
        put_endpoint(office.ports, ADMIN, f"number {number}", WISH)
    with pytest.raises(ConflictError, match="at most 3"):
        put_endpoint(office.ports, ADMIN, "one more", WISH)
    put_endpoint(office.ports, ADMIN, "number 2", EndpointWish("https://elsewhere.example", "hotglue"))
    redirect_to(office.ports, ADMIN, WISH.url, "hotglue")


def test_a_writer_that_always_loses_is_told_so(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    put_endpoint(office.ports, ADMIN, "pager", WISH)

    def lose(*given: object, **named: object) -> None:
        raise ConflictError("it was changed by somebody else")

    monkeypatch.setattr(office.store.documents, "change", lose)
    with pytest.raises(StaleWriteError):
        disable_endpoint(office.ports, ADMIN, "pager")


def test_while_a_secret_is_changed_both_prove_what_is_sent(office: PostOffice, any_time: None) -> None:
    _, first = put_endpoint(office.ports, ADMIN, "pager", WISH)
    _, second = rotate_secret(office.ports, ADMIN, "pager", overlap=timedelta(hours=1))
    assert first is not None
    assert second is not None
    post = last(office)
    assert [verifies(post, secret) for secret in (first, second)] == [True, True]
    assert post.headers["X-Hub-Signature"] == hub(second, post.body)
    office.run(hours=2)
    office.announce({**succeeded()[-1], "id": "01a1fba8-d3d3-7e99-bb70-000000000007"})
    office.run(seconds=1)
    post = office.posts.pop()
    assert [verifies(post, secret) for secret in (first, second)] == [False, True]


def test_a_secret_that_was_given_signs_as_it_is_written(office: PostOffice, any_time: None) -> None:
    made, told = put_endpoint(office.ports, ADMIN, "pager", WISH, secret=OLD)
    assert (made.own_secret, told) == (True, None)
    assert OLD not in json.dumps(made.model_dump(mode="json"))
    assert put_endpoint(office.ports, ADMIN, "pager", WISH, secret=OLD)[0] == made
    post = last(office)
    assert verifies(post, OLD.encode())
    assert post.headers["X-Hub-Signature"] == hub(OLD, post.body)
    put_endpoint(office.ports, ADMIN, "pager", WISH, secret=NEW)
    office.announce({**succeeded()[-1], "id": "01a1fba8-d3d3-7e99-bb70-000000000007"})
    office.run(seconds=1)
    post = office.posts.pop()
    assert [verifies(post, secret.encode()) for secret in (OLD, NEW)] == [True, True]
    assert post.headers["X-Hub-Signature"] == hub(NEW, post.body)
    with pytest.raises(InvalidInputError, match="give the next one too"):
        rotate_secret(office.ports, ADMIN, "pager")
    rotated, told = rotate_secret(office.ports, ADMIN, "pager", secret="a third plain secret", overlap=timedelta(0))
    assert (rotated.generation, told) == (3, None)
    remove_endpoint(office.ports, ADMIN, "pager")
    assert office.secrets.held == {}


def test_where_nobody_knows_a_secret_there_is_no_signature_of_old(office: PostOffice) -> None:
    wish = EndpointWish(WISH.url, WISH.format, shown=False)
    made, told = put_endpoint(office.ports, ADMIN, "settings", wish)
    assert told is None
    post = last(office)
    assert "X-Hub-Signature" not in post.headers
    assert post.headers["webhook-signature"].startswith("v1,")
    there = redirect_to(office.ports, ADMIN, "https://there.example", "hotglue", signs_as="settings")
    put_endpoint(office.ports, ADMIN, "settings", wish, secret=OLD)
    assert there.signs_as == made.endpoint_id
    office.announce(*({**event, "redirect": there.endpoint_id} for event in succeeded()[:1]))
    office.run(seconds=1)
    posts = {post.url: post for post in office.posts}
    there_post = posts["https://there.example"]
    assert there_post.headers["X-Hub-Signature"] == hub(OLD, there_post.body)


def test_other_formats_have_no_signature_of_old(office: PostOffice) -> None:
    put_endpoint(office.ports, ADMIN, "pager", EndpointWish(WISH.url, "standard"))
    assert "X-Hub-Signature" not in last(office).headers


@pytest.fixture
def secrets(aws: None) -> Iterator[SecretStore]:
    clients.forget_clients()
    yield SecretStore("stack/endpoints/")
    clients.forget_clients()


def test_given_secrets_are_kept_by_name_for_as_long_as_they_are_wanted(secrets: SecretStore) -> None:
    names = ["acme/one", "acme/o ne", "acme/o+20+ne", "acme/ö"]
    for name in names:
        secrets.put(name, name)
    secrets.put("acme/one", "another")
    assert [secrets.get(name) for name in names] == ["another", *names[1:]]
    kept = [entry["Name"] for entry in boto3.client("secretsmanager").list_secrets()["SecretList"]]
    assert all(name.startswith("stack/endpoints/acme/") for name in kept)
    secrets.remove("acme/one")
    secrets.remove("acme/one")
    with pytest.raises(NotFoundError):
        secrets.get("acme/one")
    secrets.put("acme/one", "again")
    assert secrets.get("acme/one") == "again"


def test_what_secrets_manager_refuses_is_told_without_the_secret(
    secrets: SecretStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**told: str) -> None:
        raise ClientError({"Error": {"Code": "InvalidParameterException", "Message": str(told)}}, "PutSecretValue")

    monkeypatch.setattr(clients.secrets(), "put_secret_value", refuse)
    with pytest.raises(UnavailableError, match="InvalidParameterException") as refusal:
        secrets.put("acme/one", OLD)
    assert OLD not in str(refusal.value)
    assert refusal.value.__suppress_context__


def test_two_endpoints_never_share_a_secret(office: PostOffice) -> None:
    made: list[tuple[Endpoint, str | None]] = [
        put_endpoint(office.ports, principal, name, WISH)
        for principal in (ADMIN, ADMIN.model_copy(update={"org": "other"}))
        for name in ("one", "two")
    ]
    assert len({secret for _, secret in made}) == 4
