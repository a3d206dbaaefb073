"""The files of runs, in a bucket of their own."""

from jobruns.aws import clients
from jobruns.aws.objects import WorkObjects, explained
from jobruns.run_file import RunFile


class RunObjects(WorkObjects):
    """Reads and writes the files of runs; raises as `WorkObjects` does."""

    def listed(self, prefix: str, limit: int) -> list[RunFile]:
        """List files below a prefix, at most `limit`, by their paths behind it. A console's folders are none."""
        pages = (
            clients.s3()
            .get_paginator("list_objects_v2")
            .paginate(Bucket=self.bucket, Prefix=prefix, PaginationConfig={"MaxItems": limit})
        )
        with explained(prefix):
            entries = [entry for page in pages for entry in page.get("Contents", [])]
        return [
            RunFile(
                path=entry["Key"].removeprefix(prefix),
                size=entry["Size"],
                etag=entry["ETag"].strip('"'),
                modified_at=entry["LastModified"],
            )
            for entry in entries
            if not entry["Key"].endswith("/")
        ]

    def link(self, key: str, seconds: int) -> str:
        """Sign a URL by which anybody reads a file for so long."""
        return clients.s3().generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=seconds
        )

    def remove(self, key: str) -> None:
        """Delete a file; one that is not there counts as deleted."""
        with explained(key):
            clients.s3().delete_object(Bucket=self.bucket, Key=key)
