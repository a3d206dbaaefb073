"""Where a script lies, and what it finds in its ``sys.argv``."""

from typing import Any

import pytest

from jobruns.aws.scripts import command_line, script_location
from jobruns.errors import InvalidInputError
from jobruns.run import Executor
from tests.unit.core.runs import make_run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, []),
        ({"--b": "2", "--a": "1"}, ["--b", "2", "--a", "1"]),
        ({"--enable-metrics": "", "--day": "x y"}, ["--enable-metrics", "--day", "x y"]),
        ({"day": "1", "n": 3, "yes": True, "list": [1, "b"], "none": None}, [
            *("--day", "1", "--n", "3", "--yes", "true", "--list", '[1, "b"]', "--none"),
        ]),
    ],
)  # fmt: skip
def test_command_line(arguments: dict[str, Any], words: list[str]) -> None:
    assert command_line(arguments) == words


def test_a_scripts_place_may_be_said_with_the_run() -> None:
    run = make_run(executor=Executor.PYTHON_SCRIPT, target="s3://code/day.py")
    assert script_location(run, {}) == "s3://code/day.py"
    assert script_location(run, {"--scriptLocation": "s3://code/other.py"}) == "s3://code/other.py"


@pytest.mark.parametrize(
    "target", [None, "", "day.py", "s3://", "s3://code", "s3://code/", "s3:///day.py", "http://a/b"]
)
def test_what_is_no_url_of_an_object_is_refused(target: str | None) -> None:
    with pytest.raises(InvalidInputError, match="s3://bucket/key"):
        script_location(make_run(executor=Executor.PYTHON_SCRIPT, target=target), {})
