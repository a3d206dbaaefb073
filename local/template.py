"""template.yaml as aws-sam-translator expands it, with the parameters of the local stage.

The translator asks for code that was uploaded to S3. Here every local path is handed to it as a key of a bucket that
does not exist, and read back from where it puts it.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.errors import TemplateError
from local.intrinsics import REGION, Resolver

_PATH_BUCKET = "local-path"
_PATHS = {
    "AWS::Serverless::Function": ("CodeUri",),
    "AWS::Serverless::LayerVersion": ("ContentUri",),
    "AWS::Serverless::StateMachine": ("DefinitionUri",),
}
_OVERRIDE = re.compile(r"""\s*(\w+)=("(?:[^"\\]|\\.)*"|\S*)""")


@dataclass(frozen=True)
class Template:
    """An expanded template.

    Parameters
    ----------
    folder : Path
        Where template.yaml is; paths in it are relative to that.
    body : dict
        After the SAM transform.
    parameters : dict
        Values of the parameters.
    stack : str
        The stack's name.
    """

    folder: Path
    body: dict[str, Any]
    parameters: dict[str, Any]
    stack: str

    def resolver(self, account: str, aws_url: str, api_url: str) -> Resolver:
        """Make what resolves references, for a runner that plays this account and listens at these URLs."""
        return Resolver(self.body, self.parameters, self.stack, account, aws_url, api_url)

    def resources(self, kind: str, resolver: Resolver) -> dict[str, dict[str, Any]]:
        """List the resources of one type, whose condition holds, with their properties resolved."""
        return {
            logical_id: resolver.value(resource.get("Properties", {}))
            for logical_id, resource in self.body["Resources"].items()
            if resource["Type"] == kind and ("Condition" not in resource or resolver.condition(resource["Condition"]))
        }

    def path(self, location: dict[str, Any], bucket: str = "S3Bucket", key: str = "S3Key") -> Path:
        """Find the local path that stands for an uploaded file.

        Raises
        ------
        TemplateError
            The template means a real upload.
        """
        if location.get(bucket) != _PATH_BUCKET:
            raise TemplateError(f"template.yaml must name code by a local path, not {location}")
        return self.folder / str(location[key])


def load_template(path: Path, overrides: dict[str, str] | None = None, stage: str = "local") -> Template:
    """Read a SAM template and expand it.

    Parameters
    ----------
    path : Path
        template.yaml. A samconfig.toml beside it, if any, gives the stack's name and parameters for `stage`.
    overrides : dict
        Parameters that win over samconfig.toml's.
    stage : str
        The environment of samconfig.toml.

    Raises
    ------
    TemplateError
        The template or samconfig.toml is missing or wrong.
    """
    source = _parse(path)
    stack, configured = _samconfig(path.with_name("samconfig.toml"), stage)
    parameters = _parameters(source.get("Parameters", {}), configured | (overrides or {}), path)
    return Template(path.parent.resolve(), _expand(source, path), parameters, stack)


def _parse(path: Path) -> dict[str, Any]:
    from samtranslator.yaml_helper import yaml_parse
    from yaml import YAMLError  # type: ignore[import-untyped]  # a dependency of the translator

    try:
        source = yaml_parse(path.read_text())
    except FileNotFoundError:
        raise TemplateError(f"there is no {path}") from None
    except OSError as error:
        raise TemplateError(f"cannot read {path}: {error.strerror}") from error
    except (YAMLError, ValueError) as error:
        raise TemplateError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(source, dict) or not isinstance(source.get("Resources"), dict):
        raise TemplateError(f"{path} has no Resources")
    for logical_id, resource in source["Resources"].items():
        if not isinstance(resource, dict) or "Type" not in resource:
            raise TemplateError(f"{path}: {logical_id} has no Type")
    return source


def _expand(source: dict[str, Any], path: Path) -> dict[str, Any]:
    import boto3
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    for kind, names in _PATHS.items():
        for resource in [*source["Resources"].values(), _global_function(source, kind)]:
            if resource.get("Type") == kind:
                _hide_paths(resource.setdefault("Properties", {}), names)
    translator = Translator(None, Parser(), boto_session=boto3.Session(region_name=REGION))
    try:
        # Permissions are not enforced here, so the account's managed policies need not be looked up.
        expanded: dict[str, Any] = translator.translate(source, {}, get_managed_policy_map=dict)
    except InvalidDocumentException as error:
        reasons = "; ".join(cause.message for cause in error.causes)
        raise TemplateError(f"{path} cannot be expanded: {reasons}") from error
    for logical_id, resource in expanded["Resources"].items():
        if str(resource.get("Type", "")).startswith("AWS::Serverless::"):
            raise TemplateError(f"{path} cannot be expanded: {logical_id} has the unknown type {resource['Type']}")
    return expanded


def _global_function(source: dict[str, Any], kind: str) -> dict[str, Any]:
    properties = source.get("Globals", {}).get(kind.rpartition("::")[2], {})
    return {"Type": kind, "Properties": properties} if properties else {}


def _hide_paths(properties: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        value = properties.get(name)
        if isinstance(value, str) and "://" not in value:
            properties[name] = {"Bucket": _PATH_BUCKET, "Key": value}


def _samconfig(path: Path, stage: str) -> tuple[str, dict[str, str]]:
    if not path.exists():
        return "local", {}
    try:
        config = tomllib.loads(path.read_text()).get(stage, {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise TemplateError(f"{path} cannot be used: {error}") from error
    overrides = config.get("deploy", {}).get("parameters", {}).get("parameter_overrides", [])
    text = " ".join(overrides) if isinstance(overrides, list) else str(overrides)
    values = {name: value.strip('"') for name, value in _OVERRIDE.findall(text)}
    return str(config.get("global", {}).get("parameters", {}).get("stack_name", "local")), values


def _parameters(declared: dict[str, Any], given: dict[str, str], path: Path) -> dict[str, Any]:
    for name in given.keys() - declared.keys():
        raise TemplateError(f"{path} has no parameter {name}; it has {', '.join(sorted(declared)) or 'none'}")
    values: dict[str, Any] = {}
    for name, declaration in declared.items():
        value = given.get(name, declaration.get("Default"))
        if value is None:
            raise TemplateError(f"the parameter {name} of {path} has no default: give it a value in samconfig.toml")
        allowed = declaration.get("AllowedValues")
        if allowed is not None and str(value) not in {str(option) for option in allowed}:
            raise TemplateError(f"the parameter {name} must be one of {', '.join(map(str, allowed))}, not {value}")
        is_list = declaration.get("Type") == "CommaDelimitedList" or str(declaration.get("Type", "")).startswith(
            "List<"
        )
        values[name] = [part.strip() for part in str(value).split(",")] if is_list else value
    return values
