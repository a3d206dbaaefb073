"""The optimistic lock of Glue's UpdateTable.

moto ignores ``VersionId``, so that of two Iceberg commits at the same moment the later would silently undo the earlier.
"""

from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.glue.responses import GlueResponse


def apply() -> None:
    """Replace `update_table`; requests to Glue are served one at a time, so looking and changing are one step."""
    original = GlueResponse.update_table

    def update_table(response: Any) -> Any:
        version = response.parameters.get("VersionId")
        if version is not None:
            name = (response.parameters.get("TableInput") or {}).get("Name") or response.parameters.get("Name")
            table = response.glue_backend.get_table(response.parameters.get("DatabaseName"), name)
            if str(table.as_dict()["VersionId"]) != str(version):
                raise JsonRESTError(
                    "ConcurrentModificationException", f"version {version} of the table is not the current one"
                )
        return original(response)

    GlueResponse.update_table = update_table
