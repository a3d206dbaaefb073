"""Reads the bodies of requests, which are JSON or forms, and checks their documents by models."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from email import message_from_string
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from pydantic import ValidationError

from hydrolix.errors import describe_invalid
from jobruns.errors import InvalidInputError, UnreadableJsonError
from jobruns.strict_json import read_json

MAX_BODY_BYTES = 256 * 1024
MAX_FIELDS = 20
"""Most fields of a form."""

MAX_STORED_BYTES = 320 * 1024
"""An item of the ledger holds 400 KB; this leaves room for what is kept beside a door's document."""

_NO_TEXT = "JSON parse error - the body is not UTF-8"

ModelT = TypeVar("ModelT")


def read_object(event: APIGatewayProxyEventV2) -> dict[str, Any]:
    """Read a request's body, which must be a JSON object; no body is an empty one.

    Raises
    ------
    InvalidInputError
        It is too large, no JSON, no object, or holds what JSON text in UTF-8 cannot: NaN, infinities, half characters.
    """
    body = _read_bytes(event)
    if not body.strip():
        return {}
    try:
        value = read_json(body)
    except UnreadableJsonError as error:
        raise InvalidInputError(f"JSON parse error - {error.syntax or error.message}") from None
    if not isinstance(value, dict):
        raise InvalidInputError(f"Invalid data. Expected an object, but got {type(value).__name__}.")
    return value


def read_form(event: APIGatewayProxyEventV2) -> dict[str, Any]:
    """Read a body that is JSON or, by its content type, a form of either kind."""
    content_type = event.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        return _read_parts(content_type, _read_text(event))
    if "application/x-www-form-urlencoded" not in content_type:
        return read_object(event)
    try:
        return dict(parse_qsl(_read_text(event), max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise InvalidInputError(f"the form cannot be read: {error}") from None


def check_document(check: Callable[[Any], ModelT], value: Any, *prefix: str) -> ModelT:
    """Check a document by a model's ``model_validate``.

    Raises
    ------
    InvalidDocumentError
        Naming each wrong member; `prefix` is where the document is in the request.
    """
    try:
        return check(value)
    except ValidationError as error:
        raise describe_invalid(error, *prefix) from None


def deep_merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Put `changes` over `base`, object by object; anything else, lists too, is replaced."""
    merged = dict(base)
    for name, value in changes.items():
        below = merged.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[name] = deep_merge(below, value)
        else:
            merged[name] = value
    return merged


def check_size(what: str, document: Mapping[str, Any]) -> None:
    """Refuse a document that is larger than the ledger can keep.

    Raises
    ------
    InvalidInputError
        It is.
    """
    size = len(json.dumps(document))
    if size > MAX_STORED_BYTES:
        raise InvalidInputError(f"the {what} takes {size} bytes; it may take {MAX_STORED_BYTES}")


def _read_bytes(event: APIGatewayProxyEventV2) -> bytes:
    body = event.body or ""
    try:
        raw = base64.b64decode(body, validate=True) if event.is_base64_encoded else body.encode()
    except (binascii.Error, UnicodeError):
        raise InvalidInputError(_NO_TEXT) from None
    if len(raw) > MAX_BODY_BYTES:
        raise InvalidInputError(f"the body has {len(raw)} bytes; it may have {MAX_BODY_BYTES}")
    return raw


def _read_text(event: APIGatewayProxyEventV2) -> str:
    try:
        return _read_bytes(event).decode()
    except UnicodeError:
        raise InvalidInputError(_NO_TEXT) from None


def _read_parts(content_type: str, text: str) -> dict[str, Any]:
    try:
        form = message_from_string(f"Content-Type: {content_type}\r\n\r\n{text}")
        parts = [part for part in form.walk() if part is not form]
    except RecursionError:
        raise InvalidInputError("the form cannot be read: it is nested too deeply") from None
    if not 0 < len(parts) <= MAX_FIELDS:
        raise InvalidInputError(f"the form cannot be read: it has no parts, or more than {MAX_FIELDS}")
    return {str(part.get_param("name", header="content-disposition")): part.get_payload() for part in parts}
