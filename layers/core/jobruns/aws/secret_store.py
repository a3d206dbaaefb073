"""Secrets that somebody gave, each by its name, by AWS Secrets Manager."""

import re

from botocore.exceptions import BotoCoreError, ClientError

from jobruns.aws import clients
from jobruns.aws.machine import error_code
from jobruns.errors import NotFoundError, UnavailableError

_OTHERS = re.compile(r"[^A-Za-z0-9/_.@=-]")
_MISSING = "ResourceNotFoundException"
_TAKEN = "ResourceExistsException"


class SecretStore:
    """Keeps texts that nobody may read who reads the ledger.

    Parameters
    ----------
    prefix : str
        What the names of all of them begin with.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def put(self, name: str, text: str) -> None:
        """Write a secret, in place of the one of this name.

        Raises
        ------
        UnavailableError
            Secrets Manager did not take it.
        """
        secret_id = self._spell(name)
        try:
            try:
                clients.secrets().put_secret_value(SecretId=secret_id, SecretString=text)
            except ClientError as error:
                if error_code(error) != _MISSING:
                    raise
                self._create(secret_id, text)
        except (ClientError, BotoCoreError) as error:
            # Not the error's own words: nobody knows what of the text is in them.
            raise UnavailableError(f"a secret could not be kept: {_name(error)}") from None

    def get(self, name: str) -> str:
        """Read a secret.

        Raises
        ------
        NotFoundError
            There is none of this name.
        UnavailableError
            Secrets Manager did not give it.
        """
        try:
            return clients.secrets().get_secret_value(SecretId=self._spell(name))["SecretString"]
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and error_code(error) == _MISSING:
                raise NotFoundError("there is no such secret") from None
            raise UnavailableError(f"a secret could not be read: {_name(error)}") from None

    def remove(self, name: str) -> None:
        """Delete a secret for good; one that is gone counts as deleted.

        Raises
        ------
        UnavailableError
            Secrets Manager did not do so.
        """
        try:
            clients.secrets().delete_secret(SecretId=self._spell(name), ForceDeleteWithoutRecovery=True)
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and error_code(error) == _MISSING:
                return
            raise UnavailableError(f"a secret could not be deleted: {_name(error)}") from None

    def _create(self, secret_id: str, text: str) -> None:
        try:
            clients.secrets().create_secret(Name=secret_id, SecretString=text)
        except ClientError as error:
            if error_code(error) != _TAKEN:
                raise
            # Somebody made it meanwhile.
            clients.secrets().put_secret_value(SecretId=secret_id, SecretString=text)

    def _spell(self, name: str) -> str:
        """Spell a name by what Secrets Manager takes; no two names are spelled alike."""
        return self._prefix + _OTHERS.sub(lambda other: f"+{ord(other[0]):x}+", name)


def _name(error: Exception) -> str:
    return error_code(error) if isinstance(error, ClientError) else type(error).__name__
