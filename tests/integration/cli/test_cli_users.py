"""Users by the command line: made with a password that no argument tells, changed, listed, deleted."""

import base64
import json

import pytest
from click.testing import CliRunner, Result

from jobruns import bootstrap
from jobruns.access import Role
from jobruns.errors import NotAuthenticatedError
from jobruns.passwords import Cost
from jobruns_cli.main import main

PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns.passwords.COST", Cost(4, 1, 1))


def users(*arguments: str, password: str | None = None) -> Result:
    result = CliRunner(mix_stderr=False).invoke(main, ["users", *arguments], input=password and f"{password}\n")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_user_is_made_changed_listed_and_deleted(deployed: dict[str, str]) -> None:
    def enter(password: str = PASSWORD) -> Role:
        # As a function of the deployment that has seen nobody yet.
        bootstrap.forget_wiring()
        encoded = base64.b64encode(f"ann:{password}".encode()).decode()
        return bootstrap.load_authenticator().authenticate({"Authorization": f"Basic {encoded}"}).role

    made = users("create", "ann", "--role", "operator", password=PASSWORD)
    assert (made.exit_code, made.stdout, made.stderr) == (0, "created ann, operator of acme\n", "")
    assert enter() is Role.OPERATOR

    changed = users("alter", "ann", "--role", "reader", "--password", "--json", password="battery staple")
    assert json.loads(changed.stdout)["role"] == "reader"
    assert enter("battery staple") is Role.READER

    assert users("alter", "ann", "--inactive").stdout == "ann, reader of acme, is inactive\n"
    with pytest.raises(NotAuthenticatedError):
        enter("battery staple")
    (listed,) = json.loads(users("list", "--json").stdout)
    assert listed.keys() == {"name", "org", "role", "active", "created_at", "modified_at"}
    assert (listed["name"], listed["active"]) == ("ann", False)
    assert "inactive" in users("list").stdout
    assert json.loads(users("list", "--org", "other", "--json").stdout) == []

    assert users("drop", "ann").stdout == "deleted ann\n"
    assert json.loads(users("list", "--json").stdout) == []


def test_a_wrong_word_is_one_clear_line(deployed: dict[str, str]) -> None:
    for arguments, password, status, said in (
        (["create", "ann"], PASSWORD, 2, "Missing option '--role'"),
        (["create", "ann", "--role", "king"], PASSWORD, 1, "there is no role 'king'"),
        (["create", "ann", "--role", "admin"], "short", 1, "a password has 8 to 256 characters"),
        (["create", "a:b", "--role", "admin"], PASSWORD, 1, "no colon"),
        (["create", "ann", "--role", "admin", "--org", "*"], PASSWORD, 1, "an org is named by"),
        (["alter", "ann", "--active"], None, 1, "there is no user 'ann'"),
        (["drop", "ann"], None, 1, "there is no user 'ann'"),
    ):
        result = users(*arguments, password=password)
        assert (result.exit_code, result.stdout) == (status, "")
        errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1
        assert said in errors[0]
