"""Creates what the template describes in the emulated account: tables, queues, buses, machines, schedules, log groups.

Whatever is not needed to run on one machine (roles, policies, alarms) is left out.
"""

import json
import re
import secrets
import string
from typing import Any

from botocore.exceptions import ClientError

from local.cloud import Cloud
from local.errors import TemplateError
from local.intrinsics import Resolver
from local.template import Template

_TABLE_ARGUMENTS = (
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
)
_QUEUE_ATTRIBUTES = (
    "ContentBasedDeduplication",
    "DelaySeconds",
    "FifoQueue",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
)
_SUBSTITUTION = re.compile(r"\$\{([A-Za-z0-9_]+)\}")


def create_resources(template: Template, resolver: Resolver, cloud: Cloud) -> None:
    """Create everything, in an order in which nothing misses what it names.

    Raises
    ------
    TemplateError
        The emulated AWS refuses a resource, or a file is missing.
    """
    steps = (
        ("AWS::DynamoDB::Table", _create_table),
        ("AWS::SecretsManager::Secret", _create_secret),
        ("AWS::SQS::Queue", _create_queue),
        ("AWS::S3::Bucket", _create_bucket),
        ("AWS::Logs::LogGroup", _create_log_group),
        ("AWS::Events::EventBus", _create_bus),
        ("AWS::Events::Rule", _create_rule),
        ("AWS::Scheduler::ScheduleGroup", _create_schedule_group),
        ("AWS::Scheduler::Schedule", _create_schedule),
    )
    for kind, create in steps:
        for logical_id, properties in template.resources(kind, resolver).items():
            try:
                create(cloud, resolver.name(logical_id), properties)
            except ClientError as error:
                raise _refused(logical_id, error) from error
    # Queues can name one another, so what they do with messages that fail comes once all are there.
    for logical_id, properties in template.resources("AWS::SQS::Queue", resolver).items():
        if redrive := properties.get("RedrivePolicy"):
            attributes = {"RedrivePolicy": json.dumps(redrive)}
            cloud.client("sqs").set_queue_attributes(QueueUrl=resolver.queue_url(logical_id), Attributes=attributes)
    for logical_id, properties in template.resources("AWS::StepFunctions::StateMachine", resolver).items():
        try:
            _create_machine(cloud, resolver.name(logical_id), properties, _definition(template, logical_id, properties))
        except ClientError as error:
            raise _refused(logical_id, error) from error


def _refused(logical_id: str, error: ClientError) -> TemplateError:
    return TemplateError(f"{logical_id} of template.yaml cannot be created: {error}")


def _create_table(cloud: Cloud, name: str, properties: dict[str, Any]) -> None:
    client = cloud.client("dynamodb")
    arguments = {key: properties[key] for key in _TABLE_ARGUMENTS if key in properties}
    if "StreamSpecification" in properties:
        arguments["StreamSpecification"] = properties["StreamSpecification"] | {"StreamEnabled": True}
    client.create_table(TableName=name, **arguments)
    if ttl := properties.get("TimeToLiveSpecification"):
        client.update_time_to_live(TableName=name, TimeToLiveSpecification=ttl)


def _create_secret(cloud: Cloud, name: str, properties: dict[str, Any]) -> None:
    value = properties.get("SecretString")
    if generate := properties.get("GenerateSecretString"):
        alphabet = string.ascii_letters + string.digits
        if not generate.get("ExcludePunctuation"):
            alphabet += string.punctuation
        alphabet = "".join(letter for letter in alphabet if letter not in generate.get("ExcludeCharacters", ""))
        value = "".join(secrets.choice(alphabet) for _ in range(int(generate.get("PasswordLength", 32))))
        if field := generate.get("GenerateStringKey"):
            value = json.dumps(json.loads(generate.get("SecretStringTemplate", "{}")) | {field: value})
    cloud.client("secretsmanager").create_secret(Name=name, SecretString=value or "")


def _create_queue(cloud: Cloud, name: str, properties: dict[str, Any]) -> None:
    attributes = {key: _text(properties[key]) for key in _QUEUE_ATTRIBUTES if key in properties}
    cloud.client("sqs").create_queue(QueueName=name, Attributes=attributes)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _create_bucket(cloud: Cloud, name: str, properties: dict[str, Any]) -> None:
    client = cloud.client("s3")
    client.create_bucket(Bucket=name)
    if versioning := properties.get("VersioningConfiguration"):
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    notification = properties.get("NotificationConfiguration", {})
    queues = [
        {
            "QueueArn": configuration["Queue"],
            "Events": [configuration["Event"]],
            **({"Filter": _filter(configuration["Filter"])} if "Filter" in configuration else {}),
        }
        for configuration in notification.get("QueueConfigurations", [])
    ]
    if queues:
        client.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"QueueConfigurations": queues}, SkipDestinationValidation=True
        )


def _filter(described: dict[str, Any]) -> dict[str, Any]:
    return {"Key": {"FilterRules": described["S3Key"]["Rules"]}}


def _create_log_group(cloud: Cloud, name: str, properties: dict[str, Any]) -> None:
    client = cloud.client("logs")
    client.create_log_group(logGroupName=name)
    if days := properties.get("RetentionInDays"):
        client.put_retention_policy(logGroupName=name, retentionInDays=int(days))


def _create_bus(cloud: Cloud, name: str, _properties: dict[str, Any]) -> None:
    cloud.client("events").create_event_bus(Name=name)


def _create_rule(cloud: Cloud, name: str, properties: dict[str, Any]) -> None:
    """Create a rule of a bus of the template's own; what happens on the default one `local.sources` hears."""
    bus = properties.get("EventBusName", "default")
    if bus == "default":
        return
    pattern = json.dumps(properties["EventPattern"])
    client = cloud.client("events")
    client.put_rule(Name=name, EventBusName=bus, EventPattern=pattern, State=properties.get("State", "ENABLED"))
    client.put_targets(Rule=name, EventBusName=bus, Targets=properties.get("Targets", []))


def _create_schedule_group(cloud: Cloud, name: str, _properties: dict[str, Any]) -> None:
    cloud.client("scheduler").create_schedule_group(Name=name)


def _create_schedule(cloud: Cloud, name: str, properties: dict[str, Any]) -> None:
    cloud.client("scheduler").create_schedule(**properties | {"Name": name})


def _definition(template: Template, logical_id: str, properties: dict[str, Any]) -> str:
    if "DefinitionS3Location" in properties:
        path = template.path(properties["DefinitionS3Location"], "Bucket", "Key")
        try:
            text = path.read_text()
        except OSError as error:
            raise TemplateError(f"{logical_id} of template.yaml needs {path}: {error.strerror}") from error
    elif "DefinitionString" in properties:
        text = str(properties["DefinitionString"])
    else:
        text = json.dumps(properties.get("Definition", {}))
    substitutions = properties.get("DefinitionSubstitutions", {})
    missing = set(_SUBSTITUTION.findall(text)) - substitutions.keys()
    if missing:
        raise TemplateError(
            f"{logical_id} of template.yaml gives no DefinitionSubstitutions for {', '.join(sorted(missing))}"
        )
    return _SUBSTITUTION.sub(lambda found: str(substitutions[found[1]]), text)


def _create_machine(cloud: Cloud, name: str, properties: dict[str, Any], definition: str) -> None:
    cloud.client("stepfunctions").create_state_machine(
        name=name,
        definition=definition,
        roleArn=properties.get("RoleArn") or f"arn:aws:iam::{cloud.account}:role/local",
        type=properties.get("StateMachineType", "STANDARD"),
    )
