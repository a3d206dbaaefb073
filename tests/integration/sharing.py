"""Makes once for all tests what each would make anew, and what takes longer than many a test itself."""

import threading
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import boto3
import botocore.client
import botocore.httpsession
import botocore.session
import botocore.useragent
import moto.core.models
import pynamodb.connection.base
import pytest
from botocore.loaders import JSONFileLoader, Loader
from moto.core.config import default_user_config

import jobruns.store
from local.emulator import answers, dispatch, dynamodb, expressions, items
from tests.integration import short_way


@cache
def apply() -> None:
    """Replace all of it, once per process."""
    answers.apply()
    dispatch.apply()
    dynamodb.apply()
    expressions.apply()
    items.apply()
    short_way.apply()
    # One session of boto3 for all tests, and one of botocore for PynamoDB, which makes one a thread: the clients of one
    # session may not be made at the same time.
    default_user_config["core"]["reset_boto3_session"] = False
    pynamodb.connection.base.get_session = cache(botocore.session.get_session)
    make_client, one_client = botocore.session.Session.create_client, threading.RLock()

    def make_client_alone(self: Any, *args: Any, **kwargs: Any) -> Any:
        with one_client:
            return make_client(self, *args, **kwargs)

    botocore.session.Session.create_client = make_client_alone  # type: ignore[method-assign]
    # One connection to the table, whichever store asks; the last only, to which the models are bound.
    jobruns.store.bind = lru_cache(maxsize=1)(jobruns.store.bind)  # type: ignore[attr-defined]
    # moto answers botocore itself; for the library `requests`, which nothing of ours uses, it compiles a thousand
    # patterns.
    moto.core.models.RESPONSES_METHODS.clear()
    # Sessions that tests make themselves would read the descriptions of their services anew.
    read_description = cache(JSONFileLoader().load_file)
    JSONFileLoader.load_file = lambda self, path: read_description(path)  # type: ignore[method-assign]
    # Nor list them: each client looks into some hundred directories.
    list_services = cache(Loader().list_available_services)
    Loader.list_available_services = lambda self, type_name: list_services(type_name)  # type: ignore[method-assign]
    # Each request tells by whom it is sent, in words that are looked through letter by letter.
    botocore.useragent.sanitize_user_agent_string_component = cache(
        botocore.useragent.sanitize_user_agent_string_component
    )
    # Each client makes three contexts of TLS, of which none is ever used here.
    botocore.httpsession.create_urllib3_context = cache(botocore.httpsession.create_urllib3_context)


@pytest.fixture
def own_sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make sessions and connections as a process does that begins now, with the environment as it is."""
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", short_way.send)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(pynamodb.connection.base, "get_session", botocore.session.get_session)
    jobruns.store.bind.cache_clear()  # type: ignore[attr-defined]
    yield
    jobruns.store.bind.cache_clear()  # type: ignore[attr-defined]
