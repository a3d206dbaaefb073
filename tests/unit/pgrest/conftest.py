"""What the door's own code is told by its surroundings."""

from collections.abc import Iterator

import pytest

from jobruns.settings import load_settings


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the settings of a function."""
    monkeypatch.setenv("LEDGER_TABLE", "ledger")
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()
