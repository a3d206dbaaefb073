"""The clock on the wall tells nothing of a signature: right and wrong ones take the same steps, and the same time."""

import hmac
import statistics
import time
from typing import Any

import pytest

from jobruns import signatures
from jobruns.access import key_secret, new_key_id
from jobruns.authentication import Authenticator
from jobruns.errors import NotAuthenticatedError
from jobruns.signatures import Claim, SignedRequest
from tests.unit.core.signing import KEY, changed, enter, make_door, request_of


def outcomes() -> dict[str, SignedRequest]:
    """A right signature, a wrong one that differs at its beginning, one that differs at its end, an unknown key's."""
    right = request_of()
    authorization = right.headers["authorization"]
    head, _, signature = authorization.rpartition("=")
    flipped = {"first": "0" if signature[0] != "0" else "1", "last": "0" if signature[-1] != "0" else "1"}
    return {
        "right": right,
        "wrong at once": changed(right, authorization=f"{head}={flipped['first']}{signature[1:]}"),
        "wrong at last": changed(right, authorization=f"{head}={signature[:-1]}{flipped['last']}"),
        "unknown": request_of(key_id=new_key_id()),
    }


def attempt(request: SignedRequest, door: Authenticator) -> bool:
    try:
        enter(request, door)
    except NotAuthenticatedError:
        return False
    return True


def test_every_outcome_takes_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    compare, derive, holds = hmac.compare_digest, signatures.AWSRequest, Claim.holds

    def note(step: str, then: Any) -> Any:
        def noting(*args: Any, **kwargs: Any) -> Any:
            steps.append(step)
            return then(*args, **kwargs)

        return noting

    monkeypatch.setattr(signatures.hmac, "compare_digest", note("compare", compare))
    monkeypatch.setattr(signatures, "AWSRequest", note("canonicalize", derive))
    monkeypatch.setattr(Claim, "holds", note("verify", holds))
    monkeypatch.setattr("jobruns.authentication.key_secret", note("derive the secret", key_secret))
    door = make_door(KEY)
    for name, request in outcomes().items():
        steps.clear()
        assert attempt(request, door) == (name == "right")
        assert steps == ["derive the secret", "verify", "canonicalize", "compare"], name


def test_the_time_of_a_refusal_tells_nothing_of_the_signature() -> None:
    """Rounds are interleaved and medians compared, so that a busy machine slows all outcomes alike.

    A comparison that stopped at the first difference, or a refusal without one, would differ by the whole cost of
    verifying; what is allowed for here is the cost of raising the refusal, which follows the comparison.
    """
    door, requests = make_door(KEY), outcomes()
    spent: dict[str, list[int]] = {name: [] for name in requests}
    for _ in range(300):
        for name, request in requests.items():
            began = time.perf_counter_ns()
            attempt(request, door)
            spent[name].append(time.perf_counter_ns() - began)
    medians = {name: statistics.median(values) for name, values in spent.items()}
    assert max(medians.values()) < 1.5 * min(medians.values()), medians
