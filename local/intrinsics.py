"""CloudFormation's intrinsic functions, and the names that resources get.

Names are decided before anything is created, so that no order of creation has to be found.
"""

import base64
import re
from collections.abc import Callable
from typing import Any

from local.errors import TemplateError

REGION = "us-east-1"
PARTITION = "aws"

_NO_VALUE = object()
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")
_LITERAL = re.compile(r"\$\{!([^}]*)\}")

# Service, and what follows the account in the ARN; {} is the name.
_ARNS: dict[str, tuple[str, str]] = {
    "AWS::DynamoDB::Table": ("dynamodb", "table/{}"),
    "AWS::Events::EventBus": ("events", "event-bus/{}"),
    "AWS::Events::Rule": ("events", "rule/{}"),
    "AWS::Lambda::Function": ("lambda", "function:{}"),
    "AWS::Lambda::LayerVersion": ("lambda", "layer:{}:1"),
    "AWS::Logs::LogGroup": ("logs", "log-group:{}:*"),
    "AWS::SNS::Topic": ("sns", "{}"),
    "AWS::SQS::Queue": ("sqs", "{}"),
    "AWS::StepFunctions::StateMachine": ("states", "stateMachine:{}"),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "alarm:{}"),
    "AWS::Scheduler::Schedule": ("scheduler", "schedule/default/{}"),
    "AWS::Scheduler::ScheduleGroup": ("scheduler", "schedule-group/{}"),
}
_NAME_PROPERTIES = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
_REF_IS_ARN = {"AWS::Lambda::LayerVersion", "AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"}


class Resolver:
    """Turns what a template says into values.

    Parameters
    ----------
    template : dict
        The expanded template.
    parameters : dict
        The value of every parameter; lists as lists.
    stack : str
        The stack's name.
    account : str
        The emulated account's id.
    aws_url, api_url : str
        Where the emulated AWS and the HTTP API listen.
    """

    def __init__(
        self,
        template: dict[str, Any],
        parameters: dict[str, Any],
        stack: str,
        account: str,
        aws_url: str,
        api_url: str,
    ) -> None:
        self._resources: dict[str, Any] = template.get("Resources", {})
        self._conditions: dict[str, Any] = template.get("Conditions", {})
        self._mappings: dict[str, Any] = template.get("Mappings", {})
        self._stack = stack
        self.account = account
        self._aws_url = aws_url
        self._api_url = api_url
        self._refs = parameters | {
            "AWS::AccountId": account,
            "AWS::Region": REGION,
            "AWS::Partition": PARTITION,
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": stack,
            "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{account}:stack/{stack}/local",
            "AWS::NotificationARNs": [],
            "AWS::NoValue": _NO_VALUE,
        }
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self.ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": lambda value: str(value[0]).join(str(part) for part in self.value(value[1])),
            "Fn::Split": lambda value: self.value(value[1]).split(value[0]),
            "Fn::Select": lambda value: self.value(value[1])[int(self.value(value[0]))],
            "Fn::If": lambda value: self.value(value[1] if self.condition(value[0]) else value[2]),
            "Fn::FindInMap": self._find_in_map,
            "Fn::Base64": lambda value: base64.b64encode(self.value(value).encode()).decode(),
        }

    def value(self, node: Any) -> Any:
        """Resolve a value and everything in it; what is ``AWS::NoValue`` is left out.

        Raises
        ------
        TemplateError
            It refers to something that is not there, or uses a function not known here.
        """
        resolved = self._resolve(node)
        return None if resolved is _NO_VALUE else resolved

    def _resolve(self, node: Any) -> Any:
        if isinstance(node, list):
            return [item for item in map(self._resolve, node) if item is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (name, argument), *_ = node.items()
            if name in self._functions:
                if name == "Fn::If":
                    return self._resolve(argument[1] if self.condition(argument[0]) else argument[2])
                return self._functions[name](argument)
            if name.startswith("Fn::"):
                raise TemplateError(f"template.yaml uses {name}, which the local runner does not know")
        items = ((key, self._resolve(value)) for key, value in node.items())
        return {key: value for key, value in items if value is not _NO_VALUE}

    def condition(self, name: str) -> bool:
        """Whether a condition of the template holds."""
        if name not in self._conditions:
            raise TemplateError(f"template.yaml has no condition {name}")
        return self._holds(self._conditions[name])

    def _holds(self, node: Any) -> bool:
        (name, argument), *_ = node.items()
        match name:
            case "Condition":
                return self.condition(argument)
            case "Fn::Equals":
                return str(self.value(argument[0])) == str(self.value(argument[1]))
            case "Fn::Not":
                return not self._holds(argument[0])
            case "Fn::And":
                return all(self._holds(part) for part in argument)
            case "Fn::Or":
                return any(self._holds(part) for part in argument)
        raise TemplateError(f"template.yaml has a condition with {name}, which the local runner does not know")

    def name(self, logical_id: str) -> str:
        """Give the physical name of a resource."""
        resource = self._resource(logical_id)
        given = resource.get("Properties", {}).get(_NAME_PROPERTIES.get(resource["Type"], ""))
        if given is not None:
            return str(self.value(given))
        if resource["Type"] == "AWS::S3::Bucket":
            return f"{self._stack}-{logical_id}".lower()
        return f"{self._stack}-{logical_id}"

    def arn(self, logical_id: str) -> str:
        """Give the ARN of a resource."""
        kind, name = self._resource(logical_id)["Type"], self.name(logical_id)
        if kind == "AWS::S3::Bucket":
            return f"arn:{PARTITION}:s3:::{name}"
        if kind == "AWS::IAM::Role":
            return f"arn:{PARTITION}:iam::{self.account}:role/{name}"
        service, pattern = _ARNS.get(kind, ("local", "{}"))
        return f"arn:{PARTITION}:{service}:{REGION}:{self.account}:{pattern.format(name)}"

    def queue_url(self, logical_id: str) -> str:
        """Give the URL of a queue."""
        return f"{self._aws_url}/{self.account}/{self.name(logical_id)}"

    def ref(self, logical_id: str) -> Any:
        """Resolve a ``Ref``."""
        if logical_id in self._refs:
            return self._refs[logical_id]
        kind = self._resource(logical_id)["Type"]
        if kind == "AWS::SQS::Queue":
            return self.queue_url(logical_id)
        return self.arn(logical_id) if kind in _REF_IS_ARN else self.name(logical_id)

    def _resource(self, logical_id: str) -> dict[str, Any]:
        try:
            resource: dict[str, Any] = self._resources[logical_id]
        except KeyError:
            raise TemplateError(f"template.yaml refers to {logical_id}, which it does not have") from None
        return resource

    def _get_att(self, argument: Any) -> Any:
        logical_id, attribute = (
            argument.split(".", 1) if isinstance(argument, str) else (argument[0], self.value(argument[1]))
        )
        known: dict[str, Callable[[], str]] = {
            "Arn": lambda: self.arn(logical_id),
            "Name": lambda: self.name(logical_id),
            "TopicArn": lambda: self.arn(logical_id),
            "TopicName": lambda: self.name(logical_id),
            "QueueName": lambda: self.name(logical_id),
            "QueueUrl": lambda: self.queue_url(logical_id),
            "StreamArn": lambda: f"{self.arn(logical_id)}/stream/local",
            "DomainName": lambda: f"{self.name(logical_id)}.s3.amazonaws.com",
            "RegionalDomainName": lambda: f"{self.name(logical_id)}.s3.amazonaws.com",
            "ApiEndpoint": lambda: self._api_url,
            "ApiId": lambda: self.name(logical_id),
        }
        if attribute not in known:
            raise TemplateError(
                f"template.yaml asks for {logical_id}.{attribute}, which the local runner does not know"
            )
        return known[attribute]()

    def _sub(self, argument: Any) -> str:
        text, variables = argument if isinstance(argument, list) else (argument, {})

        def replace(found: re.Match[str]) -> str:
            name = found[1].strip()
            if name in variables:
                return str(self.value(variables[name]))
            return str(self._get_att(name) if "." in name else self.ref(name))

        return _LITERAL.sub(r"${\1}", _VARIABLE.sub(replace, text))

    def _find_in_map(self, argument: list[Any]) -> Any:
        node: Any = self._mappings
        for key in argument:
            try:
                node = node[str(self.value(key))]
            except (KeyError, TypeError):
                raise TemplateError(f"template.yaml has nothing for the map entry {argument}") from None
        return self.value(node)
