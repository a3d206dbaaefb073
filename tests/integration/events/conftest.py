"""Endpoints and deliveries over the emulated ledger."""

import pytest

from jobruns.store import Store
from tests.integration.events.post_office import PostOffice


@pytest.fixture
def office(store: Store) -> PostOffice:
    return PostOffice(store)
