"""Reads the functions of the template: what each runs, with which layers, limits and variables."""

import os
from pathlib import Path
from typing import Any

from local.errors import TemplateError
from local.intrinsics import REGION, Resolver
from local.invoke import AsyncPolicy
from local.pool import FunctionSpec
from local.template import Template

_INHERITED = ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "SSL_CERT_FILE")


def read_functions(
    template: Template, resolver: Resolver, concurrency: int
) -> dict[str, tuple[FunctionSpec, AsyncPolicy]]:
    """Read every function, by logical id.

    Parameters
    ----------
    template : Template
        Where they are described.
    resolver : Resolver
        Resolves it.
    concurrency : int
        How many events a function works on at once, unless it reserves fewer.

    Raises
    ------
    TemplateError
        Its code is not a folder, or its layer is not in the template.
    """
    layers = {
        resolver.arn(logical_id): _folder(template.path(properties["Content"]), logical_id)
        for logical_id, properties in template.resources("AWS::Lambda::LayerVersion", resolver).items()
    }
    policies = {
        properties["FunctionName"]: properties
        for properties in template.resources("AWS::Lambda::EventInvokeConfig", resolver).values()
    }
    functions = {}
    for logical_id, properties in template.resources("AWS::Lambda::Function", resolver).items():
        spec = _spec(template, resolver, logical_id, properties, layers, concurrency)
        functions[logical_id] = spec, _policy(properties, policies.get(spec.name, {}))
    return functions


def _spec(
    template: Template,
    resolver: Resolver,
    logical_id: str,
    properties: dict[str, Any],
    layers: dict[str, Path],
    concurrency: int,
) -> FunctionSpec:
    environment = {name: str(value) for name, value in properties.get("Environment", {}).get("Variables", {}).items()}
    if properties.get("LoggingConfig", {}).get("LogFormat") == "JSON":
        environment["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
    environment["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{properties.get('Runtime', 'python3.13')}"
    try:
        folders = tuple(layers[arn] for arn in properties.get("Layers", []))
    except KeyError as error:
        raise TemplateError(
            f"{logical_id} of template.yaml uses the layer {error}, which the template does not have"
        ) from None
    return FunctionSpec(
        logical_id=logical_id,
        name=resolver.name(logical_id),
        arn=resolver.arn(logical_id),
        handler=str(properties.get("Handler", "")),
        code=_folder(template.path(properties.get("Code", {})), logical_id),
        layers=folders,
        timeout_seconds=float(properties.get("Timeout", 3)),
        memory_mb=int(properties.get("MemorySize", 128)),
        environment=environment,
        concurrency=min(concurrency, int(properties.get("ReservedConcurrentExecutions", concurrency))),
    )


def _folder(path: Path, logical_id: str) -> Path:
    if not path.is_dir():
        raise TemplateError(f"{logical_id} of template.yaml needs the folder {path}, which is not there")
    return path.resolve()


def _policy(properties: dict[str, Any], configured: dict[str, Any]) -> AsyncPolicy:
    return AsyncPolicy(
        retries=int(configured.get("MaximumRetryAttempts", 2)),
        dead_letter_arn=properties.get("DeadLetterConfig", {}).get("TargetArn"),
        on_failure_arn=configured.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"),
    )


def worker_environment(aws_url: str, secret_access_key: str) -> dict[str, str]:
    """Make the environment every worker begins with: Lambda's own variables, and where the emulated AWS is.

    Nothing of the user's AWS configuration gets in, so that no function can reach a real account.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_SECRET_ACCESS_KEY": secret_access_key,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        # There is no daemon to send traces to.
        "AWS_XRAY_SDK_ENABLED": "false",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "" if os.environ.get("PYTHONDONTWRITEBYTECODE") is None else "1",
    }
