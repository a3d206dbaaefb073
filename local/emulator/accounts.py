"""Accounts that live as long as their runner.

moto's ``mock_aws`` empties every account when it begins; a runner that serves other tests of the same process would
lose its tables.
"""

from collections.abc import Callable

from moto.core.base_backend import BackendDict, backend_lock

_kept: set[str] = set()


def apply() -> None:
    """Replace what ``mock_aws`` empties accounts with."""
    BackendDict.reset = staticmethod(lambda: _empty(lambda account: account not in _kept))


def keep(account: str) -> None:
    """Let nobody empty an account until it is forgotten."""
    _kept.add(account)


def forget(account: str) -> None:
    """Empty an account for good."""
    _kept.discard(account)
    _empty(lambda other: other == account)


def _empty(chosen: Callable[[str], bool]) -> None:
    with backend_lock:
        for service in list(BackendDict._instances):  # noqa: SLF001 - moto lists them nowhere else
            for account in [account for account in service if chosen(account)]:
                service[account].reset()
                del service[account]
            if not service and service in BackendDict._instances:  # noqa: SLF001 - as above
                BackendDict._instances.remove(service)  # noqa: SLF001 - as above
