"""The files of all orgs: objects of the landing bucket, see `jobruns.file_paths`."""

from botocore.exceptions import BotoCoreError, ClientError

from jobruns.aws import clients
from jobruns.errors import UnavailableError


class LandingFiles:
    """Finds files.

    Parameters
    ----------
    bucket : str
        The landing bucket.
    """

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def has(self, key: str) -> bool:
        """Tell whether there is a file.

        It is listed and not asked for: S3 answers 403, not 404, to a role that may not list the whole bucket.
        """
        try:
            found = clients.s3().list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError(f"the files cannot be looked up now: {error}") from error
        return any(entry["Key"] == key for entry in found)
