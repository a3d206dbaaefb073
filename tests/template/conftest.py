"""The template as written, as SAM expands it, and as it is built: made once, since all of it is slow."""

import copy
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import decode
from samtranslator.translator.transform import transform

from tests.template.reading import BIN, ROOT, Resources, of_type, quiet_environment

_BUILD_SECONDS = 540


class NoManagedPolicies:
    """SAM asks for AWS's managed policies by name; the template names none."""

    def load(self) -> dict[str, str]:
        return {}


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    decoded, problems = decode(str(ROOT / "template.yaml"))
    assert decoded is not None, problems
    document: dict[str, Any] = copy.deepcopy(dict(decoded))
    return document


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> Resources:
    return dict(template["Resources"])


@pytest.fixture(scope="session")
def expanded(template: dict[str, Any]) -> Resources:
    """The resources that CloudFormation is given. Code is taken for uploaded."""
    packaged = copy.deepcopy(template)
    packaged["Globals"]["Function"].pop("CodeUri")
    for resource in packaged["Resources"].values():
        uploaded = {
            "AWS::Serverless::Function": "CodeUri",
            "AWS::Serverless::LayerVersion": "ContentUri",
            "AWS::Serverless::StateMachine": "DefinitionUri",
        }.get(resource["Type"])
        if uploaded:
            resource["Properties"][uploaded] = "s3://bucket/key"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        return dict(transform(packaged, {}, NoManagedPolicies())["Resources"])


@pytest.fixture(scope="session")
def functions(expanded: Resources) -> Resources:
    """Each function's properties after Globals are merged in, by logical id."""
    return {name: resource["Properties"] for name, resource in of_type(expanded, "AWS::Lambda::Function").items()}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything as `sam build` makes it for arm64 and Python 3.13: one directory for each function and layer."""
    target = tmp_path_factory.mktemp("build")
    done = subprocess.run(
        [BIN / "sam", "build", "--no-cached", "--parallel", "--build-dir", target],
        cwd=ROOT,
        env=quiet_environment(),
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="session")
def native_layers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The layers built by the same recipes for the machine at hand, so that what they hold can be run."""
    target = tmp_path_factory.mktemp("layers")
    system = f"{platform.machine()}-manylinux_2_28" if sys.platform == "linux" else "macos"
    paths = []
    for layer in ("core", "data", "sql", "events"):
        goal = f"build-{layer.capitalize()}Layer"
        home = ROOT / "layers" / layer
        done = subprocess.run(
            [
                "make",
                "-f",
                home / "Makefile",
                goal,
                f"ARTIFACTS_DIR={target / layer}",
                f"PYTHON_PLATFORM={system}",
                f"PYTHON_VERSION={sys.version_info.major}.{sys.version_info.minor}",
            ],
            cwd=home,
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        paths.append(target / layer / "python")
    return paths


@pytest.fixture(scope="session")
def lambda_runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What AWS's Python runtime brings beside Python itself, and not a package more."""
    target = tmp_path_factory.mktemp("runtime")
    installed = next(Path(entry) for entry in sys.path if (Path(entry) / "botocore").is_dir())
    for package in ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3"):
        (target / package).symlink_to(installed / package)
    return target
