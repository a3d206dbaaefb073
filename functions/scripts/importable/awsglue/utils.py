"""Reads the arguments of a script, as AWS Glue documents it for its own ``awsglue.utils``.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-get-resolved-options.html
"""

import argparse
import os
from collections.abc import Sequence
from typing import Any, NoReturn

_BOOKMARK_OPTION = "job-bookmark-option"
_BOOKMARK_OPTIONS = ("job-bookmark-enable", "job-bookmark-pause", "job-bookmark-disable")
_BOOKMARK_RANGE = ("job-bookmark-from", "job-bookmark-to")
_TEMPORARY = ("TempDir", "RedshiftTempDir")
_OWN = ("JOB_ID", "JOB_RUN_ID", "SECURITY_CONFIGURATION", "encryption-type", *_BOOKMARK_RANGE)
_RESERVED = frozenset({_BOOKMARK_OPTION, "continuation-option", *_OWN})


class GlueArgumentError(Exception):
    """An argument is missing or is none of the allowed ones."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise GlueArgumentError(message)


def getResolvedOptions(args: Sequence[str], options: Sequence[str]) -> dict[str, Any]:  # noqa: N802 - Glue's name
    """Give the values of the named arguments.

    ``JOB_NAME`` may be asked for although Glue's Python shell does not pass it: it is the job's name then.

    Parameters
    ----------
    args : sequence of str
        ``sys.argv``.
    options : sequence of str
        Names of arguments, without the dashes. All of them must be there.

    Returns
    -------
    dict
        The values by name, a ``-`` in a name as ``_``; and those of Glue's own arguments, which are ``None`` where they
        are not there, but ``job_bookmark_option``, which then is ``job-bookmark-disable``.

    Raises
    ------
    GlueArgumentError
        One is missing.
    RuntimeError
        A name is one of Glue's own.
    """
    for name in options:
        if name.replace("_", "-") in _RESERVED or name in _RESERVED:
            raise RuntimeError(f"Using reserved arguments --{name}")
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument(f"--{_BOOKMARK_OPTION}", choices=_BOOKMARK_OPTIONS, default=_BOOKMARK_OPTIONS[-1])
    for name in (*_OWN, *_TEMPORARY):
        parser.add_argument(f"--{name}")
    for name in dict.fromkeys(options):
        if name not in _TEMPORARY:
            given = os.environ.get("JOB_NAME") if name == "JOB_NAME" else None
            parser.add_argument(f"--{name}", required=given is None, default=given)
    values = vars(parser.parse_known_args(list(args[1:]))[0])
    # Two names of one thing.
    values["TempDir"] = values["RedshiftTempDir"] = values["TempDir"] or values["RedshiftTempDir"]
    _check_range(values)
    return values


def _check_range(values: dict[str, Any]) -> None:
    missing = [name for name in _BOOKMARK_RANGE if values[name.replace("-", "_")] is None]
    if values["job_bookmark_option"] == "job-bookmark-pause":
        if len(missing) == 1:
            raise RuntimeError(f"Missing option or value for --{missing[0]}")
    elif not missing:
        raise RuntimeError("--job-bookmark-from and --job-bookmark-to need --job-bookmark-option job-bookmark-pause")
