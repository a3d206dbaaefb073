"""Finding what answers a request, without looking at moto's folder and the members of its classes every time.

The two take a third of what a small request costs.
"""

import functools

from moto.core import responses
from moto.moto_server.werkzeug_app import DomainDispatcherApplication


def apply() -> None:
    """Remember what is found."""
    DomainDispatcherApplication.get_backend_for_host = functools.cache(DomainDispatcherApplication.get_backend_for_host)
    responses.method_names_from_class = functools.cache(responses.method_names_from_class)
