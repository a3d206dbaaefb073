"""Errors: every row of the contract's tables of statuses, and the core's errors."""

import pytest

from hdb import errors
from hdb.errors import MissingRights, RestrictedError, describe_bug, describe_error, found_before_job
from jobruns.errors import (
    AccessDeniedError,
    CommitInProgressError,
    ConcurrentRunsExceededError,
    ConflictError,
    InactiveUserError,
    InvalidInputError,
    JobrunsError,
    MalformedCredentialError,
    MissingCredentialError,
    NotAuthenticatedError,
    NotFoundError,
    SourceError,
    UnavailableError,
    UnknownKeyError,
)


@pytest.mark.parametrize(
    ("error", "authorization", "told"),
    [
        pytest.param(MissingCredentialError("x"), None, "Must login", id="no Authorization"),
        pytest.param(MissingCredentialError("x"), "Digest abc", "Must login", id="other scheme"),
        pytest.param(NotAuthenticatedError("x"), "Basic abc", "Login failed", id="wrong user or password"),
        pytest.param(UnknownKeyError("x"), "basic abc", "Login failed", id="unknown user"),
        pytest.param(MalformedCredentialError("x"), "Basic ?", "Invalid character", id="undecodable Basic value"),
        pytest.param(NotAuthenticatedError("x"), "Bearer abc", "invalid token", id="bad, expired or wrong Bearer"),
        pytest.param(NotAuthenticatedError("x"), None, "invalid token", id="bad x-api-key"),
        pytest.param(
            InactiveUserError("switched off"),
            "Basic x",
            "Cannot complete request: User is inactive",
            id="inactive user",
        ),
        pytest.param(errors.WrongPasswordError(), None, "invalid credentials", id="wrong or half-given in the body"),
    ],
)
def test_401(error: JobrunsError, authorization: str | None, told: str) -> None:
    fault = describe_error(error, authorization)
    assert (fault.status, fault.document) == (401, {"error": told})


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (errors.UnknownOperationError("nope"), 400, "Operation 'nope' not found"),
        (errors.UnknownOperationError(""), 400, "Operation '' not found"),
        (errors.DatabaseExistsError("dev"), 400, "database 'dev' already exists"),
        (errors.TableExistsError("dev", "dog"), 400, "Table 'dog' already exists in 'dev'"),
        (errors.UserExistsError("rw"), 409, "User rw already exists"),
        (errors.NoRoleError("nope"), 404, "nope role not found"),
        (errors.NoDatabaseError("dev"), 404, "database 'dev' does not exist"),
        (errors.NoTableError("dev", "zzz"), 404, "Table 'dev.zzz' does not exist"),
        (found_before_job(errors.NoTableError("dev", "zzz")), 400, "Table 'dev.zzz' does not exist"),
        (found_before_job(errors.NoDatabaseError("zzz")), 400, "database 'zzz' does not exist"),
        (errors.FailedRequestError("unknown column zz"), 500, "unknown column zz"),
        (errors.NotAcceptableError("no"), 406, "no"),
        (InvalidInputError("no"), 400, "no"),
        (SourceError("no"), 400, "no"),
        (NotFoundError("no"), 404, "no"),
        (ConflictError("no"), 409, "no"),
        (CommitInProgressError("no"), 409, "no"),
        (ConcurrentRunsExceededError("no"), 429, "no"),
        (UnavailableError("no"), 503, "no"),
        (JobrunsError("no"), 500, "no"),
    ],
)
def test_every_error_has_its_status_and_one_member(error: JobrunsError, status: int, told: str) -> None:
    fault = describe_error(error)
    assert (fault.status, fault.document) == (status, {"error": told})


def test_only_what_the_service_did_wrong_is_for_the_log() -> None:
    assert describe_error(UnavailableError("no")).ours
    assert describe_error(JobrunsError("no")).ours
    assert describe_bug().ours
    assert not describe_error(errors.FailedRequestError("no")).ours
    assert "no" not in describe_bug().document["error"]


def test_403_lists_what_is_missing_and_what_does_not_exist() -> None:
    error = RestrictedError(
        ["Operation 'deleteFilesBefore' is restricted to 'super_user' roles", MissingRights("dev", "t", ("insert",))],
        ["Table 'dev.u' does not exist"],
    )
    assert describe_error(error).status == 403
    assert describe_error(error).document == {
        "error": "This operation is not authorized due to role restrictions and/or invalid database items",
        "unauthorized_access": [
            "Operation 'deleteFilesBefore' is restricted to 'super_user' roles",
            {
                "schema": "dev",
                "table": "t",
                "required_table_permissions": ["insert"],
                "required_attribute_permissions": [],
            },
        ],
        "invalid_schema_items": ["Table 'dev.u' does not exist"],
    }


def test_what_the_core_does_not_allow_has_the_same_shape() -> None:
    fault = describe_error(AccessDeniedError("a key with the role reader may not start"))
    assert fault.status == 403
    assert fault.document["unauthorized_access"] == ["a key with the role reader may not start"]
    assert fault.document["invalid_schema_items"] == []
