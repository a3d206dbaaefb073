"""The headers that name a schema: both that clients of this table use are the same here."""

from collections.abc import Mapping

from pgrest.errors import Code, RefusedError

SCHEMAS = ("public", "api")
_READS = frozenset({"GET", "HEAD"})


def check_profile(verb: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Look at the schema a request names.

    Parameters
    ----------
    verb : str
        Method of the request: a read names the schema in another header than a write.
    headers : mapping
        By their names in lower case.

    Returns
    -------
    dict
        Headers of the answer.

    Raises
    ------
    RefusedError
        There is no such schema.
    """
    schema = headers.get("accept-profile" if verb in _READS else "content-profile")
    if schema is None:
        return {}
    if schema not in SCHEMAS:
        raise RefusedError(
            Code.PROFILE,
            f"Invalid schema: {schema[:80]}",
            hint=f"Only the following schemas are exposed: {', '.join(SCHEMAS)}",
        )
    return {"Content-Profile": schema}
