"""Routes of who one is: login, the current user, the orgs."""

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import BaseModel, ConfigDict, Field

from hydrolix import admission
from hydrolix.admission import admit, current, user_id
from hydrolix.bodies import check_document, read_form
from hydrolix.pagination import answer_list
from jobruns.access import AccessKey, Principal
from jobruns.tokens import TOKEN_SECONDS

router = Router()


class Login(BaseModel):
    """What a login sends: an access key's id and secret."""

    model_config = ConfigDict(strict=True)

    username: str = Field(min_length=1, max_length=256)
    password: str = Field(min_length=1, max_length=256)


@router.post("/config/v1/login")
def log_in() -> dict[str, Any]:
    """Exchange an access key for a token."""
    login = check_document(Login.model_validate, read_form(current(router)))
    principal, token = admission.log_in(login.username, login.password)
    issued = {"access_token": token, "expires_in": TOKEN_SECONDS, "token_type": "Bearer"}
    return {**_show(principal), "auth_token": issued}


@router.get("/config/v1/users/current")
def show_user() -> dict[str, Any]:
    """Tell who the caller is."""
    return _show(admit(router).principal)


@router.get("/config/v1/orgs")
def list_orgs() -> Any:
    """List the caller's org, the only one it can see."""
    caller = admit(router)
    return answer_list(caller, [caller.principal.org], lambda orgs: [_org(org) for org in orgs], bare=False)


def render_user(key: AccessKey) -> dict[str, Any]:
    """Show a key as the user that clients take it for."""
    return _show(Principal(org=key.org, name=key.key_id, role=key.role))


def _show(principal: Principal) -> dict[str, Any]:
    return {
        "uuid": user_id(principal.name),
        "username": principal.name,
        # A key has no mailbox; RFC 2606 keeps this domain from ever having one.
        "email": f"{principal.name.lower()}@jobruns.invalid",
        "emailVerified": True,
        "roles": [str(principal.role)],
        "orgs": [_org(principal.org)],
    }


def _org(org: str) -> dict[str, Any]:
    return {"uuid": org, "name": org, "type": "config", "cloud": "aws", "kubernetes": False}
