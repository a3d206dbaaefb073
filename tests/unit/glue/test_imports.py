"""Of botocore the door takes the description of Glue, never a client.

The import linter sees no modules inside of other people's packages, so this looks for itself.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

DOOR = Path(__file__).parents[3] / "functions" / "glue"
ALLOWED = {"botocore.loaders", "botocore.model"}


def imported(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module)):
                yield module


def test_only_the_description_is_taken_from_botocore() -> None:
    modules = {module for source in DOOR.rglob("*.py") for module in imported(source)}
    assert {module for module in modules if module.partition(".")[0] == "botocore"} == ALLOWED
    assert "glue.shapes" in modules
