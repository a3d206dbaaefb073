"""Use cases of endpoints: make, change, look at, switch off and on, give another secret, remove.

Only who administers the org sees and changes them: their addresses are often secrets themselves. A caller who starts a
run may name another endpoint for it.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jobruns.access import Permission, Principal
from jobruns.endpoint import (
    MAX_ENDPOINTS,
    Endpoint,
    Selection,
    check_format,
    check_name,
    check_secret,
    derive_secret,
)
from jobruns.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError, StaleWriteError
from jobruns.ids import new_id
from jobruns.outbound import UnreachableError
from jobruns.service.endpoint_records import (
    MAX_TRIES,
    REDIRECT_PREFIX,
    amend,
    endpoints_of,
    find_by_id,
    find_by_name,
    write_endpoint,
)
from jobruns.service.endpoint_secrets import given_secrets, keep_secret, next_generation, secret_name
from jobruns.service.event_ports import EventPorts

ROTATION = timedelta(days=1)
"""For so long the secret before signs too, unless another time is asked for."""

MAX_ROTATION = timedelta(days=30)
SWITCHED_OFF = "it was switched off"

REDIRECT_DAYS = 180
MIN_REDIRECT_DAYS = 90
"""What is left, at least, to an endpoint when it is named: a run takes 30 days at most, and what was told may be told
again for 30 more."""


@dataclass(frozen=True, slots=True)
class EndpointWish:
    """What somebody wants told where.

    Parameters
    ----------
    url : str
        Where.
    format : str
        In which form.
    selection : Selection
        What.
    stands_back : bool
        Whether a run whose caller names another endpoint is not told here.
    shown : bool
        Whether somebody is told the secret that is made where none is given.
    """

    url: str
    format: str
    selection: Selection = field(default_factory=Selection)
    stands_back: bool = False
    shown: bool = True


def put_endpoint(
    ports: EventPorts, principal: Principal, name: str, wish: EndpointWish, *, secret: str | None = None
) -> tuple[Endpoint, str | None]:
    """Make an endpoint, or have the one of this name be as is wished.

    Another secret takes the place of the one before, which signs for a day more; without one that stays. Wishing for an
    endpoint that was switched off switches it on.

    Returns
    -------
    tuple of Endpoint and str or None
        The endpoint, and its secret if that was made now and is shown, this once.

    Raises
    ------
    InvalidInputError
        The name, the URL, the format, what is selected or the secret is not one that may be.
    ConflictError
        The org has as many endpoints as it may have.
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    principal.require(Permission.ADMINISTER)
    check_name(name)
    check_format(wish.format)
    wish.selection.check()
    _check_url(ports, wish.url)
    if secret is not None:
        check_secret(secret)
    for _ in range(MAX_TRIES):
        found = find_by_name(ports, principal.org, name)
        if found is not None:
            return amend(ports, found, lambda now, was: _changes(ports, was, wish, secret, now)), None
        if len(endpoints_of(ports, principal.org)) >= MAX_ENDPOINTS:
            raise ConflictError(f"an org has at most {MAX_ENDPOINTS} endpoints; remove one first")
        endpoint = _new(ports, principal.org, name, wish, given=secret is not None)
        if secret is not None:
            keep_secret(ports, endpoint, secret, endpoint.generation)
        try:
            ports.documents.add(write_endpoint(endpoint))
        except AlreadyExistsError:
            if secret is not None:
                ports.secrets.remove(secret_name(endpoint))
            continue
        told = derive_secret(ports.master(), endpoint, 1) if secret is None and wish.shown else None
        return endpoint, told
    raise StaleWriteError(f"the endpoint {name!r} is being changed by others; try again")


def redirect_to(
    ports: EventPorts, principal: Principal, url: str, form: str, *, signs_as: str | None = None
) -> Endpoint:
    """Give the endpoint for runs whose caller wants them told at a URL; it is made if there is none.

    Parameters
    ----------
    ports : EventPorts
        What it stands on.
    principal : Principal
        Who may start runs.
    url : str
        Where.
    form : str
        In which format.
    signs_as : str, optional
        The name of the org's endpoint whose secrets sign.

    Raises
    ------
    InvalidInputError
        The URL may not be called.
    NotFoundError
        There is no endpoint of that name.
    """
    principal.require(Permission.START)
    _check_url(ports, url)
    check_format(form)
    signer = None
    if signs_as is not None:
        signer = find_by_name(ports, principal.org, signs_as)
        if signer is None:
            raise _unknown(signs_as)
    key = "\x00".join((url, form, signer.endpoint_id if signer else ""))
    endpoint_id = REDIRECT_PREFIX + hashlib.sha256(key.encode()).hexdigest()[:40]
    for _ in range(MAX_TRIES):
        found = find_by_id(ports, principal.org, endpoint_id)
        if found is not None:
            # One that wanted no more is asked for again.
            return amend(ports, found, lambda now, was: _switched_on(was) | _prolonged(was, now))
        wish = EndpointWish(url, form, shown=False)
        made = _new(ports, principal.org, endpoint_id, wish, given=False)
        endpoint = made.model_copy(
            update={
                "endpoint_id": endpoint_id,
                "signs_as": signer.endpoint_id if signer else None,
                "expires_at": _redirect_end(made.created_at),
            }
        )
        try:
            ports.documents.add(write_endpoint(endpoint))
        except AlreadyExistsError:
            continue
        return endpoint
    raise StaleWriteError("the endpoint of this run is being changed by others; try again")


def find_endpoint(ports: EventPorts, principal: Principal, name: str) -> Endpoint:
    """Read an endpoint of the caller's org, by its name or its id.

    Raises
    ------
    NotFoundError
        There is none.
    """
    principal.require(Permission.ADMINISTER)
    found = find_by_name(ports, principal.org, name) or find_by_id(ports, principal.org, name)
    if found is None:
        raise _unknown(name)
    return found


def list_endpoints(ports: EventPorts, principal: Principal) -> list[Endpoint]:
    """Read the endpoints of the caller's org, by name."""
    principal.require(Permission.ADMINISTER)
    return sorted(endpoints_of(ports, principal.org), key=lambda endpoint: endpoint.name)


def rotate_secret(
    ports: EventPorts,
    principal: Principal,
    name: str,
    *,
    secret: str | None = None,
    overlap: timedelta = ROTATION,
) -> tuple[Endpoint, str | None]:
    """Give an endpoint another secret; the one before signs too for a while.

    Returns
    -------
    tuple of Endpoint and str or None
        The endpoint, and its secret if that was made now, this once.

    Raises
    ------
    NotFoundError
        There is no such endpoint.
    InvalidInputError
        The secret or the time is not one that may be, or a secret was given before and none is now.
    """
    if not timedelta(0) <= overlap <= MAX_ROTATION:
        raise InvalidInputError(f"the secret before signs for 0 to {MAX_ROTATION.days} days more", field="overlap")
    found = find_endpoint(ports, principal, name)
    if secret is not None:
        check_secret(secret)
    elif found.own_secret:
        raise InvalidInputError("this endpoint's secret was given by somebody; give the next one too", field="secret")

    def rotated(now: datetime, was: Endpoint) -> dict[str, object]:
        if secret is not None:
            keep_secret(ports, was, secret, was.generation + 1)
        return next_generation(was, now + overlap, given=secret is not None)

    endpoint = amend(ports, found, rotated)
    return endpoint, derive_secret(ports.master(), endpoint, endpoint.generation) if secret is None else None


def disable_endpoint(ports: EventPorts, principal: Principal, name: str) -> Endpoint:
    """Tell an endpoint nothing more; what waits for it is not told either."""
    found = find_endpoint(ports, principal, name)
    return amend(
        ports,
        found,
        lambda now, was: {"disabled_at": now, "disabled_because": SWITCHED_OFF} if was.enabled else {},
    )


def enable_endpoint(ports: EventPorts, principal: Principal, name: str) -> Endpoint:
    """Tell an endpoint things again, from now on; what waited when it was switched off can be asked for again."""
    return amend(ports, find_endpoint(ports, principal, name), lambda _, was: _switched_on(was))


def remove_endpoint(ports: EventPorts, principal: Principal, name: str) -> Endpoint:
    """Delete an endpoint and the secrets that were given for it; what waits for it is not told.

    Raises
    ------
    NotFoundError
        There is no such endpoint.
    """
    found = find_endpoint(ports, principal, name)
    ports.documents.remove(write_endpoint(found))
    if found.own_secret:
        ports.secrets.remove(secret_name(found))
    return found


def _new(ports: EventPorts, org: str, name: str, wish: EndpointWish, *, given: bool) -> Endpoint:
    now = ports.clock()
    return Endpoint(
        endpoint_id=new_id(now),
        org=org,
        name=name,
        url=wish.url,
        format=wish.format,
        selection=wish.selection,
        stands_back=wish.stands_back,
        salt=secrets.token_hex(16),
        own_secret=given,
        shown=given or wish.shown,
        created_at=now,
        modified_at=now,
    )


def _changes(
    ports: EventPorts, was: Endpoint, wish: EndpointWish, secret: str | None, now: datetime
) -> dict[str, object]:
    wanted: dict[str, object] = {
        "url": wish.url,
        "format": wish.format,
        "selection": wish.selection,
        "stands_back": wish.stands_back,
    }
    changes = {name: value for name, value in wanted.items() if getattr(was, name) != value} | _switched_on(was)
    if "url" in changes:
        changes["failing_since"] = None
    if secret is not None and given_secrets(ports, was).get(was.generation) != secret:
        keep_secret(ports, was, secret, was.generation + 1)
        changes |= next_generation(was, now + ROTATION, given=True)
    return changes


def _switched_on(was: Endpoint) -> dict[str, object]:
    return {} if was.enabled else {"disabled_at": None, "disabled_because": None}


def _prolonged(was: Endpoint, now: datetime) -> dict[str, object]:
    if was.expires_at is not None and was.expires_at - now > timedelta(days=MIN_REDIRECT_DAYS):
        return {}
    return {"expires_at": _redirect_end(now)}


def _redirect_end(now: datetime) -> datetime:
    return now.replace(microsecond=0) + timedelta(days=REDIRECT_DAYS)


def _check_url(ports: EventPorts, url: str) -> None:
    try:
        ports.check_url(url)
    except UnreachableError as error:
        raise InvalidInputError(f"url: {error.message}", field="url") from error
    except InvalidInputError as error:
        raise InvalidInputError(f"url: {error.message}", field="url") from error


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"there is no endpoint {name[:300]!r}", field="endpoint")
