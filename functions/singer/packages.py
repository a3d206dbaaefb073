"""Finds the programs of taps and targets, each of which the deployer installed in a folder of its own.

Below the home there is a folder for each package, as ``pip install --target`` or ``venv`` makes it: named as the
requirement is written, so that two versions may lie side by side, or as the package is.
"""

import importlib.metadata
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from jobruns.singer import Connector
from scripts.errors import RunFailedError

LAUNCHER = Path(__file__).with_name("launch.py")

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_UNSAFE = re.compile(r"[^A-Za-z0-9._=-]+")
_EXACT = re.compile(r"==\s*([A-Za-z0-9.!+_-]+)\s*$")
_SEPARATORS = re.compile(r"[-_.]+")


def folder_names(requirement: str) -> tuple[str, str]:
    """Give the names that the folder of a requirement may have: as it is written, and that of the package alone.

    Raises
    ------
    RunFailedError
        It names no package.
    """
    name = _NAME.match(requirement)
    if name is None:
        raise RunFailedError(f"{requirement[:100]!r} does not name a package", "PackageInvalid")
    return _UNSAFE.sub("_", requirement), name[0]


def program_command(home: Path, connector: Connector, arguments: Sequence[str]) -> list[str]:
    """Give the command that runs the program of a tap or target.

    Raises
    ------
    RunFailedError
        It is not installed, or in another version than is asked for.
    """
    folder = find_folder(home, connector.requirement)
    return launch_command(folder, "program", connector.executable or folder_names(connector.requirement)[1], arguments)


def script_command(home: Path, package: str | None, script: Path) -> list[str]:
    """Give the command that runs a script, which may import what a package brings.

    Raises
    ------
    RunFailedError
        The package is not installed, or in another version than is asked for.
    """
    return launch_command(find_folder(home, package) if package else None, "script", str(script), ())


def launch_command(folder: Path | None, kind: str, name: str, arguments: Sequence[str]) -> list[str]:
    """Give the command that starts a program, or a script, of a folder."""
    isolated = [sys.executable, "-I", "-S", "-u", "-X", "utf8", str(LAUNCHER)]
    return [*isolated, str(folder or ""), kind, name, *arguments]


def find_folder(home: Path, requirement: str) -> Path:
    """Give the folder that the packages of a requirement lie in.

    Raises
    ------
    RunFailedError
        It is not installed, or in another version than is asked for.
    """
    as_written, name = folder_names(requirement)
    for folder in (home / as_written, home / name):
        if folder.is_dir():
            packages = _packages_in(folder)
            _check_version(packages, name, requirement)
            return packages
    raise RunFailedError(
        f"{requirement} is not installed here: the layer with taps and targets has no folder {as_written} or {name}",
        "PackageMissing",
    )


def _packages_in(folder: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    inside = folder / "lib" / version / "site-packages"
    return inside if inside.is_dir() else folder


def _check_version(folder: Path, name: str, requirement: str) -> None:
    wanted = _EXACT.search(requirement)
    if wanted is None:
        return
    plain = _plain(name)
    for distribution in importlib.metadata.distributions(path=[str(folder)]):
        if _plain(distribution.metadata["Name"]) == plain and distribution.version != wanted[1]:
            raise RunFailedError(
                f"{requirement} is asked for, and {distribution.version} is installed", "PackageMissing"
            )


def _plain(name: str) -> str:
    # https://packaging.python.org/en/latest/specifications/name-normalization/
    return _SEPARATORS.sub("-", name).lower()
