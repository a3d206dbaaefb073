"""Finding what answers a request, without looking at moto's folder and the members of its classes every time.

The two take a third of what a small request costs. Within one process moto also makes the patterns of a service's
addresses anew for every request; for S3 it even loads the module again that names them.
"""

import functools
from typing import Any

from moto.core import responses
from moto.core.base_backend import BaseBackend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication


@functools.cache
def apply() -> None:
    """Remember what is found, once per process."""
    DomainDispatcherApplication.get_backend_for_host = functools.cache(DomainDispatcherApplication.get_backend_for_host)
    responses.method_names_from_class = functools.cache(responses.method_names_from_class)
    list_urls = BaseBackend.urls.fget
    urls: dict[type, Any] = {}

    def find_urls(backend: Any) -> Any:
        kind = type(backend)
        if kind not in urls:
            urls[kind] = list_urls(backend)
        return urls[kind]

    BaseBackend.urls = property(find_urls)
