"""The door over an emulated ledger."""

from tests.integration.hotglue.door import cloud, door

__all__ = ["cloud", "door"]
