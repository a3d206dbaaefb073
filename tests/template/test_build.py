"""What `sam build` makes: small enough for Lambda, complete, and working when it is run on nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.template.reading import ROOT, Resources, layer_names
from tests.template.test_functions import FUNCTIONS

LAYERS = ("CoreLayer", "DataLayer", "SqlLayer", "EventsLayer")
"""In the order of `native_layers`."""

MEGABYTE = 1024 * 1024
LIMIT_MEGABYTES = 250  # Lambda's, unzipped, a function with its layers
PACKAGES = {
    "HydrolixFunction": "hydrolix",
    "GlueFunction": "glue",
    "PostgrestFunction": "pgrest",
    "HarperdbFunction": "hdb",
    "HotglueFunction": "hotglue",
    "DispatchFunction": "lifecycle",
    "SettleFunction": "lifecycle",
    "ReconcileFunction": "lifecycle",
    "FireFunction": "lifecycle",
    "ScriptFunction": "scripts",
    "OnUploadFunction": "ingest",
    "ListFunction": "ingest",
    "IndexFunction": "ingest",
    "CommitFunction": "ingest",
    "TablesFunction": "ingest",
    "OperationsFunction": "operations",
    "HandedOverFunction": "operations",
    "PublishFunction": "events",
    "RouteFunction": "events",
    "DeliverFunction": "events",
    "RunFileFunction": "events",
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_and_layers_fit_into_lambda(name: str, built: Path, functions: Resources) -> None:
    parts = [name, *layer_names(functions[name])]
    size = sum(file.stat().st_size for part in parts for file in (built / part).rglob("*") if file.is_file())
    assert 10 * MEGABYTE < size < LIMIT_MEGABYTES * MEGABYTE


def test_data_layer_leaves_room_for_the_next_engine(built: Path) -> None:
    size = sum(file.stat().st_size for file in (built / "DataLayer").rglob("*") if file.is_file())
    assert size < 175 * MEGABYTE


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_holds_its_own_package_only(name: str, built: Path) -> None:
    # What runs taps and targets ends their processes as that does which runs scripts.
    packages = ("singer", "scripts") if name == "SingerFunction" else (PACKAGES[name],)
    files = {file.relative_to(built / name) for file in (built / name).rglob("*") if file.is_file()}
    source = ROOT / "functions"
    assert files == {file.relative_to(source) for package in packages for file in (source / package).rglob("*.py")}


def test_layers_hold_our_packages(built: Path) -> None:
    for layer, home, package in (
        ("CoreLayer", "core", "jobruns"),
        ("DataLayer", "data", "jobruns_data"),
        ("SqlLayer", "sql", "jobruns_sql"),
        ("EventsLayer", "events", "jobruns_events"),
    ):
        copied = built / layer / "python" / package
        source = ROOT / "layers" / home / package
        assert {f.relative_to(copied) for f in copied.rglob("*.py")} == {
            f.relative_to(source) for f in source.rglob("*.py")
        }
    assert not (built / "CoreLayer" / "python" / "jobruns_cli").exists()


@pytest.mark.parametrize("layer", ["CoreLayer", "DataLayer", "SqlLayer"])
def test_libraries_are_for_arm64_and_python_3_13(layer: str, built: Path) -> None:
    libraries = [file for file in (built / layer).rglob("*.so*") if file.is_file()]
    assert libraries
    for library in libraries:
        with library.open("rb") as file:
            header = file.read(20)
        assert header[:4] == b"\x7fELF", library
        assert header[18:20] == b"\xb7\x00", f"{library} is not for aarch64"
    extensions = [file.name for file in libraries if ".cpython-" in file.name or ".abi3." in file.name]
    assert extensions
    assert all(".cpython-313-" in name or ".abi3." in name for name in extensions)


def test_layers_hold_nothing_twice(built: Path) -> None:
    names = [entry.name for layer in LAYERS for entry in (built / layer / "python").iterdir()]
    assert len(names) == len(set(names))
    assert not {"boto3", "botocore", "urllib3", "s3transfer"} & set(names)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_handler_imports_from_what_is_deployed(
    name: str, built: Path, functions: Resources, native_layers: list[Path], lambda_runtime: Path
) -> None:
    layers = [native_layers[LAYERS.index(layer)] for layer in layer_names(functions[name])]
    module, _, attribute = functions[name]["Handler"].rpartition(".")
    variables = {
        variable: value if isinstance(value, str) else f"test-{variable.lower()}"
        for variable, value in functions[name]["Environment"]["Variables"].items()
    }
    variables["POWERTOOLS_LOG_LEVEL"] = "INFO"
    code = f"import {module} as m; assert callable(m.{attribute})"
    _run(["-c", code], [built / name, *layers, lambda_runtime], variables | {"AWS_LAMBDA_FUNCTION_NAME": name})


def test_every_module_of_the_layers_imports(native_layers: list[Path], lambda_runtime: Path) -> None:
    code = (
        "import importlib, pkgutil, jobruns, jobruns_data, jobruns_events, jobruns_sql\n"
        "for package in (jobruns, jobruns_data, jobruns_events, jobruns_sql):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
    )
    _run(["-c", code], [*native_layers, lambda_runtime], {"LEDGER_TABLE": "test-ledger"})


def test_the_core_works_without_the_data_layer(native_layers: list[Path], lambda_runtime: Path) -> None:
    code = (
        "import importlib, pkgutil, sys, jobruns\n"
        "for module in pkgutil.walk_packages(jobruns.__path__, 'jobruns.'):\n"
        "    importlib.import_module(module.name)\n"
        "assert 'pyarrow' not in sys.modules\n"
    )
    _run(["-c", code], [native_layers[0], lambda_runtime], {"LEDGER_TABLE": "test-ledger"})


@pytest.fixture(scope="module", autouse=True)
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have what is imported compiled once, not by each process that `_run` starts, and beside what was built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        yield


@pytest.fixture
def aws() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_trimmed_layers_load_a_table(aws: str, native_layers: list[Path], lambda_runtime: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    s3 = boto3.client(
        "s3", endpoint_url=aws, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    s3.create_bucket(Bucket="lake")
    script = str(Path(__file__).with_name("load_table.py"))
    said = _run([script, "lake"], [*native_layers, lambda_runtime], keys | {"AWS_ENDPOINT_URL": aws})
    assert said.endswith("\n3 loaded, 1 rejected, 1 files\n")


def _run(arguments: list[str], paths: list[Path], variables: dict[str, str]) -> str:
    """Run Python on the given directories alone: no installed packages, no current directory, no environment."""
    python = Path(os.path.realpath(sys.executable))
    kept = os.environ["PYTHONPYCACHEPREFIX"]
    given = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONPYCACHEPREFIX": kept, "PATH": os.defpath}
    done = subprocess.run(
        [python, "-S", "-P", *arguments],
        env=given | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"} | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
