"""Routes of users, roles and service accounts, which all are access keys here.

A service account is a key that the caller may act as: an admin as each of its org's, anybody else as its own. It can be
listed, and a token for it be had, without its secret. It cannot be made, given a role or ended here: keys are made and
revoked with AWS credentials only, so that whoever comes by a key can neither multiply it nor lock others out. Tokens
are not kept, so there is no list of them to clear either; they end within a day, or with their key.
"""

from datetime import UTC
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict

from hydrolix.admission import Caller, admit, delegate, list_keys, user_id
from hydrolix.bodies import check_document, read_object
from hydrolix.errors import InvalidDocumentError
from hydrolix.identity import render_user
from hydrolix.moments import write_time
from hydrolix.pagination import answer_list
from jobruns.access import AccessKey, Role
from jobruns.errors import AccessDeniedError, InvalidInputError, NotFoundError

router = Router()
_ACCOUNTS = "/config/v1/service_accounts"
_ACCOUNT = f"{_ACCOUNTS}/<account_id>"
_NOT_HERE = (
    "Service accounts are access keys, which are not made, changed or ended over HTTP: "
    "use the commands 'jobruns keys create' and 'jobruns keys revoke' where the service was deployed from"
)


class TokenRequest(BaseModel):
    """What is sent to get a token; without an expiry it lives as long as it may."""

    model_config = ConfigDict(frozen=True)

    expiry: Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))] | None = None


@router.get(_ACCOUNTS)
def list_accounts() -> Any:
    """List the service accounts that the caller may get tokens for."""
    caller = admit(router)
    return answer_list(caller, list_keys(caller), lambda keys: [_render(key) for key in keys], bare=False)


@router.get(_ACCOUNT)
def show_account(account_id: str) -> dict[str, Any]:
    """Show a service account."""
    return _render(_find(admit(router), account_id))


@router.post(f"{_ACCOUNT}/tokens", status_code=201)
def create_token(account_id: str) -> dict[str, Any]:
    """Give a token for a service account."""
    caller = admit(router)
    sent = check_document(TokenRequest.model_validate, read_object(caller.event))
    try:
        return {"token": delegate(caller, _find(caller, account_id).key_id, sent.expiry)}
    except InvalidInputError as error:
        raise InvalidDocumentError([(("expiry",), f"cannot be this: {error.message}")]) from None


@router.post(_ACCOUNTS)
@router.route(_ACCOUNT, method=["PUT", "PATCH", "DELETE"])
@router.delete(f"{_ACCOUNT}/tokens")
@router.post("/config/v1/users/<account_id>/add_roles")
@router.post("/config/v1/users/<account_id>/remove_roles")
def refuse(**_: str) -> None:
    """Say what is not done here, and where it is.

    Raises
    ------
    AccessDeniedError
        Always.
    """
    admit(router)
    raise AccessDeniedError(_NOT_HERE)


@router.get("/config/v1/users")
def list_users() -> Any:
    """List who is who: the same keys, as users."""
    caller = admit(router)
    return answer_list(caller, list_keys(caller), lambda keys: [render_user(key) for key in keys], bare=False)


@router.get("/config/v1/roles")
def list_roles() -> Any:
    """List the roles that a key can have."""
    return answer_list(admit(router), list(Role), lambda roles: [{"name": str(role)} for role in roles], bare=False)


def _find(caller: Caller, account_id: str) -> AccessKey:
    found = next((key for key in list_keys(caller) if user_id(key.key_id) == account_id.lower()), None)
    if found is None:
        raise NotFoundError(f"no service account has the uuid {account_id[:64]!r}")
    return found


def _render(key: AccessKey) -> dict[str, Any]:
    return {
        "uuid": user_id(key.key_id),
        "name": key.key_id,
        "description": key.description,
        "roles": [str(key.role)],
        "created": write_time(key.created_at),
        "expires": write_time(key.expires_at) if key.expires_at else None,
    }
