"""Keys by the command line: made, listed without secrets, revoked; and every wrong word is one clear line."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from jobruns.access import Role
from jobruns.authentication import Authenticator
from jobruns.errors import NotAuthenticatedError
from jobruns.store import Store
from jobruns_cli.deployment import OUTPUTS

from .conftest import Command


def now() -> datetime:
    return datetime.now(UTC)


def test_a_key_that_was_made_opens_the_doors_until_it_is_revoked(
    command: Command, deployed: dict[str, str], store: Store
) -> None:
    made = json.loads(
        command("keys", "create", "--role", "operator", "--expires-in", "12h", "--description", "ci", "--json").stdout
    )

    def doors() -> Authenticator:
        return Authenticator(store.access_keys, lambda: "m" * 64, now)

    principal = doors().authenticate({"Authorization": f"Bearer {made['token']}"})
    assert (principal.org, principal.role, principal.name) == ("acme", Role.OPERATOR, made["key_id"])
    assert doors().log_in(made["key_id"], made["secret"])[0] == principal
    lifetime = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert lifetime == timedelta(hours=12)

    revoked = command("keys", "revoke", made["key_id"])
    assert (revoked.exit_code, revoked.stdout) == (0, f"revoked {made['key_id']}\n")
    with pytest.raises(NotAuthenticatedError):
        doors().authenticate({"x-api-key": made["token"]})


def test_a_key_lives_ninety_days_unless_told_otherwise(command: Command, deployed: dict[str, str]) -> None:
    usual = json.loads(command("keys", "create", "--role", "reader", "--json").stdout)
    lifetime = datetime.fromisoformat(usual["expires_at"]) - datetime.fromisoformat(usual["created_at"])
    assert lifetime == timedelta(days=90)
    eternal = json.loads(command("keys", "create", "--role", "reader", "--expires-in", "never", "--json").stdout)
    assert eternal["expires_at"] is None


def test_an_org_that_is_a_uuid_has_one_spelling(command: Command, deployed: dict[str, str]) -> None:
    spelled = "0190A000-0000-7000-8000-00000000000B"
    made = json.loads(command("keys", "create", "--org", spelled, "--role", "reader", "--json").stdout)
    assert made["org"] == spelled.lower()


def test_the_secret_is_shown_once(command: Command, deployed: dict[str, str]) -> None:
    shown = command("keys", "create", "--role", "admin").stdout
    fields = dict(line.split() for line in (text.removeprefix("key ") for text in shown.splitlines()))
    assert fields["token"] == f"{fields['id']}.{fields['secret']}"
    for listed in (command("keys", "list"), command("keys", "list", "--json")):
        assert listed.exit_code == 0
        assert fields["id"] in listed.stdout
        assert fields["secret"] not in listed.stdout + listed.stderr


def test_keys_are_listed_by_org_with_what_became_of_them(command: Command, deployed: dict[str, str]) -> None:
    first = json.loads(command("keys", "create", "--role", "admin", "--json").stdout)["key_id"]
    other = json.loads(command("keys", "create", "--org", "other", "--role", "reader", "--json").stdout)["key_id"]
    command("keys", "revoke", first)
    listed = json.loads(command("keys", "list", "--json").stdout)
    assert [key["key_id"] for key in listed] == [first, other]
    assert listed[0]["revoked_at"]
    assert listed[1]["revoked_at"] is None
    table = command("keys", "list", "--org", "acme").stdout
    assert first in table
    assert "revoked" in table
    assert other not in table


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["keys", "create"], 2, "Missing option '--role'"),
        (["keys", "create", "--role", "king"], 2, "'king' is not one of"),
        (["keys", "create", "--role", "admin", "--expires-in", "soon"], 2, "'soon' is no duration"),
        (["keys", "create", "--role", "admin", "--expires-in", "0d"], 2, "'0d' is no duration"),
        (["keys", "create", "--role", "admin", "--expires-in", "9999999d"], 2, "is no duration"),
        (["keys", "create", "--role", "admin", "--expires-in", "4000d"], 1, "at most 3650 days"),
        (["keys", "create", "--role", "admin", "--org", "a#b"], 1, "an org is named by"),
        (["keys", "create", "--role", "admin", "--org", "*"], 1, "an org is named by"),
        (["keys", "create", "--role", "admin", "--description", "a\nb"], 1, "one line"),
        (["keys", "create", "--role", "admin", "--description", "x" * 257], 1, "at most 256 characters"),
        (["keys", "revoke", "JRAKNOBODY"], 1, "no key has the id 'JRAKNOBODY'"),
        (["keys", "revoke"], 2, "Missing argument 'KEY_ID'"),
        (["keys", "burn"], 2, "No such command 'burn'"),
        (["keys", "list", "--stack", "nowhere"], 2, "there is no stack 'nowhere' in us-east-1"),
    ],
)
def test_a_wrong_word_is_one_clear_line(
    command: Command, deployed: dict[str, str], arguments: list[str], status: int, said: str
) -> None:
    result = command(*arguments)
    assert result.exit_code == status
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert said in errors[0]


def test_a_deployment_must_be_said(command: Command) -> None:
    result = command("keys", "list")
    assert result.exit_code == 2
    assert "say which deployment: --stack NAME" in result.stderr


def test_what_aws_refuses_is_told_by_what_aws_says(
    command: Command, deployed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_TABLE", "gone")
    result = command("keys", "list")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: AWS refuses ")
    assert len(result.stderr.splitlines()) == 1
    monkeypatch.setenv("KEYS_SECRET_ID", "gone")
    result = command("keys", "create", "--role", "admin")
    assert (result.exit_code, result.stderr.split(":")[:2]) == (1, ["Error", " AWS refuses GetSecretValue"])


def test_a_stack_says_by_its_outputs_where_everything_is(
    command: Command, deployed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {output: {"Value": deployed[variable]} for output, variable in OUTPUTS.items()}
    resources = {"Topic": {"Type": "AWS::SNS::Topic"}}
    client = boto3.client("cloudformation")
    client.create_stack(StackName="jobruns-test", TemplateBody=json.dumps({"Resources": resources, "Outputs": outputs}))
    client.create_stack(StackName="another", TemplateBody=json.dumps({"Resources": resources}))
    for variable in OUTPUTS.values():
        monkeypatch.delenv(variable)

    made = command("keys", "create", "--role", "admin", "--json", "--stack", "jobruns-test")
    assert made.exit_code == 0, made.stderr
    monkeypatch.setenv("JOBRUNS_STACK", "jobruns-test")
    assert json.loads(made.stdout)["key_id"] in command("keys", "list").stdout
    other = command("keys", "list", "--stack", "another")
    assert other.exit_code == 2
    assert "has no output" in other.stderr


def test_the_template_has_every_output_that_is_read() -> None:
    from samcli.yamlhelper import yaml_parse

    from tests.integration.ledger_table import TEMPLATE

    template = yaml_parse(TEMPLATE.read_text())
    assert template["Outputs"].keys() >= OUTPUTS.keys()


def test_without_credentials_it_says_so(
    command: Command, deployed: dict[str, str], own_sessions: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name)
        result = command("keys", "list")
    assert (result.exit_code, result.stderr) == (1, "Error: AWS cannot be asked: Unable to locate credentials\n")
