"""A template and functions just large enough to try the runner with, and what they noted."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from local.runner import Runner

T = TypeVar("T")

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Window: {Type: Number, Default: 1}
  Visibility: {Type: Number, Default: 2}
  Execution: {Type: String, Default: STANDARD, AllowedValues: [EXPRESS, STANDARD]}
Conditions:
  Never: !Equals [!Ref Execution, nothing]
Globals:
  Function:
    CodeUri: code/
    Runtime: python3.13
    Timeout: 2
    Environment: {Variables: {TABLE: !Ref Table, QUEUE_URL: !Ref Seen, MACHINE: !Sub "${AWS::StackName}-machine"}}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: sk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]
      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub "${AWS::StackName}-landing-${AWS::AccountId}"
      VersioningConfiguration: {Status: Enabled}
      NotificationConfiguration:
        QueueConfigurations:
          - {Event: "s3:ObjectCreated:*", Queue: !GetAtt Uploads.Arn}
          - {Event: "s3:ObjectRemoved:DeleteMarkerCreated", Queue: !GetAtt Removals.Arn}
  Uploads:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: !Ref Visibility
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 2}
  DeadLetters: {Type: AWS::SQS::Queue}
  AsyncDeadLetters: {Type: AWS::SQS::Queue}
  Seen: {Type: AWS::SQS::Queue}
  Removals: {Type: AWS::SQS::Queue}
  Heard: {Type: AWS::SQS::Queue}
  Bus: {Type: "AWS::Events::EventBus", Properties: {Name: !Ref "AWS::StackName"}}
  ToQueue:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [mine], detail: {kind: [{prefix: to}]}}
      Targets: [{Id: Heard, Arn: !GetAtt Heard.Arn}, {Id: Follower, Arn: !GetAtt Follower.Arn}]
  Notes: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub "/${AWS::StackName}/notes", RetentionInDays: 7}}
  Timetable: {Type: AWS::Scheduler::ScheduleGroup, Properties: {Name: !Sub "${AWS::StackName}-timetable"}}
  NotMade: {Type: AWS::SQS::Queue, Condition: Never}
  Api: {Type: AWS::Serverless::HttpApi}
  Staged: {Type: "AWS::ApiGatewayV2::Stage", Properties: {ApiId: !Ref Api, StageName: staged, AutoDeploy: true}}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.echo
      Events:
        Greedy: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: ANY, Path: "/config/v1/{proxy+}"}}
        One: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: "/config/v1/things/{id}"}}
        Answer: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: /answer}}
        Glue: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: /glue}}
  Trouble:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.trouble
      ReservedConcurrentExecutions: 1
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt AsyncDeadLetters.Arn}
  Unloadable:
    Type: AWS::Serverless::Function
    Properties: {Handler: missing.handler}
  Caller:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.call}
  Teller:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.tell}
  OnUpload:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.on_upload
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Uploads.Arn
            BatchSize: 100
            MaximumBatchingWindowInSeconds: !Ref Window
            FunctionResponseTypes: [ReportBatchItemFailures]
  Follower:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.note
      Events:
        Changes:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 10
            ParallelizationFactor: 4
            FilterCriteria: {Filters: [{Pattern: '{"dynamodb": {"Keys": {"sk": {"S": [{"prefix": "told"}]}}}}'}]}
  Watcher:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.note
      Events:
        Tick: {Type: Schedule, Properties: {Schedule: rate(3 days)}}
        Tock:
          Type: ScheduleV2
          Properties:
            Name: tiny-tock
            ScheduleExpression: rate(2 days)
            Input: '{"tock": "<aws.scheduler.scheduled-time>"}'
        Ended:
          Type: EventBridgeRule
          Properties:
            Pattern:
              source: [aws.states]
              detail-type: [Step Functions Execution Status Change]
              detail: {status: [FAILED, ABORTED, TIMED_OUT]}
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: !Sub "${AWS::StackName}-machine"
      DefinitionUri: machine.asl.json
      DefinitionSubstitutions:
        EchoArn: !GetAtt Echo.Arn
        TroubleArn: !GetAtt Trouble.Arn
        Bucket: !Ref Bucket
        Execution: !Ref Execution
"""

CODE = '''
import json, os, subprocess, sys, time
import boto3

def note(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=json.dumps(event))

def echo(event, context):
    if isinstance(event, dict) and event.get("rawPath") == "/answer":
        return json.loads(event["body"])
    if isinstance(event, dict) and event.get("unit") == "bad":
        raise ValueError("bad unit")
    if isinstance(event, dict) and event.get("task_token") and event.get("early"):
        boto3.client("stepfunctions").send_task_success(taskToken=event["task_token"], output=json.dumps("early"))
    if isinstance(event, dict) and event.get("task_token"):
        note(event, context)
    print("echo was here")
    return {"event": event, "pid": os.getpid(), "remaining": context.get_remaining_time_in_millis(),
            "function": context.function_name, "arn": context.invoked_function_arn, "region": os.environ["AWS_REGION"]}

class DeliberateError(Exception):
    pass

def trouble(event, context):
    match event["how"]:
        case "raise": raise DeliberateError("on purpose")
        case "sleep": time.sleep(60)
        case "spawn":
            # Each ends when it is killed only: one in the function's own process group, one in a group of its own.
            sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
            children = [subprocess.Popen(sleep), subprocess.Popen(sleep, process_group=0)]
            note({"name": event["name"], "children": [child.pid for child in children]}, context)
            time.sleep(60)
        case "exit": os._exit(3)
        case "large": return "x" * (7 * 1024 * 1024)
    return "fine"

def call(event, context):
    """Three AWS calls: put, update, put."""
    db = boto3.client("dynamodb")
    key = {"pk": {"S": event["key"]}, "sk": {"S": "-"}}
    name = os.environ["TABLE"]
    db.put_item(TableName=name, Item=key)
    one = {":one": {"N": "1"}}
    db.update_item(TableName=name, Key=key, UpdateExpression="ADD n :one", ExpressionAttributeValues=one)
    db.put_item(TableName=name, Item={"pk": {"S": event["key"]}, "sk": {"S": "done"}})
    return "called"

def tell(event, context):
    """Log a line, and be called by a schedule of its own making."""
    logs = boto3.client("logs")
    logs.create_log_stream(logGroupName=event["group"], logStreamName=event["name"])
    line = {"timestamp": int(time.time() * 1000), "message": "a line of " + event["name"]}
    logs.put_log_events(logGroupName=event["group"], logStreamName=event["name"], logEvents=[line])
    boto3.client("scheduler").create_schedule(**event["schedule"])

def on_upload(event, context):
    note({"batch": [json.loads(r["body"]) for r in event["Records"]]}, context)
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event["Records"] if "bad" in r["body"]]}
'''

MACHINE: dict[str, Any] = {
    "StartAt": "Which",
    "States": {
        "Which": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.do", "StringEquals": name, "Next": name}
                for name in ("trouble", "wait", "beat", "map", "pass")
            ],
        },
        "trouble": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "${TroubleArn}", "Payload": {"how.$": "$.how"}},
            "Retry": [
                {
                    "ErrorEquals": ["Nothing"],
                    "IntervalSeconds": 1,
                    "MaxAttempts": 1,
                    "MaxDelaySeconds": 5,
                    "JitterStrategy": "FULL",
                }
            ],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "failed"}],
            "End": True,
        },
        "wait": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Parameters": {
                "FunctionName": "${EchoArn}",
                "Payload": {"task_token.$": "$$.Task.Token", "early.$": "$.early", "name.$": "$$.Execution.Name"},
            },
            "TimeoutSecondsPath": "$.timeout_seconds",
            "Catch": [{"ErrorEquals": ["States.Timeout", "States.HeartbeatTimeout"], "Next": "late"}],
            "End": True,
        },
        "beat": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Parameters": {
                "FunctionName": "${EchoArn}",
                "Payload": {"task_token.$": "$$.Task.Token", "early.$": "$.early", "name.$": "$$.Execution.Name"},
            },
            "TimeoutSecondsPath": "$.timeout_seconds",
            "HeartbeatSecondsPath": "$.heartbeat_seconds",
            "Catch": [{"ErrorEquals": ["States.Timeout", "States.HeartbeatTimeout"], "Next": "late"}],
            "End": True,
        },
        "map": {
            "Type": "Map",
            "Label": "Units",
            "MaxConcurrency": 1,
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSON"},
                "Parameters": {"Bucket": "${Bucket}", "Key.$": "$.key"},
            },
            "ItemSelector": {"do.$": "$.do", "unit.$": "$$.Map.Item.Value"},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "${Execution}"},
                "StartAt": "Unit",
                "States": {
                    "Unit": {
                        "Type": "Choice",
                        "Choices": [{"Variable": "$.unit", "StringEquals": "bad", "Next": "Call"}],
                        "Default": "Quick",
                    },
                    "Quick": {"Type": "Pass", "End": True},
                    "Call": {
                        "Type": "Task",
                        "Resource": "arn:aws:states:::lambda:invoke",
                        "Parameters": {"FunctionName": "${EchoArn}", "Payload.$": "$"},
                        "End": True,
                    },
                },
            },
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "failed"}],
            "End": True,
        },
        "pass": {"Type": "Pass", "End": True},
        "late": {"Type": "Pass", "Result": "late", "End": True},
        "failed": {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"},
    },
}

SAMCONFIG = """
[local.global.parameters]
stack_name = "tiny"
[local.deploy.parameters]
parameter_overrides = "Window=1 Visibility=\\"2\\""
"""


def write_project(folder: Path) -> Path:
    """Write the template and its code; the path of the template."""
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "app.py").write_text(CODE)
    (folder / "machine.asl.json").write_text(json.dumps(MACHINE))
    (folder / "samconfig.toml").write_text(SAMCONFIG)
    template = folder / "template.yaml"
    template.write_text(TEMPLATE)
    return template


def eventually(look: Callable[[], T | None], seconds: float = 15.0) -> T:
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
    return found


class Seen:
    """What the functions noted in their queue."""

    def __init__(self, runner: Runner) -> None:
        self._sqs = runner.client("sqs")
        self._url = runner.env["QUEUE_URL"]
        self.notes: list[dict[str, Any]] = []

    def wait(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 15.0) -> dict[str, Any]:
        return eventually(lambda: next(filter(wanted, self._look()), None), seconds)

    def _look(self) -> list[dict[str, Any]]:
        messages = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self.notes.append(json.loads(message["Body"]))
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return self.notes


def queue_url(runner: Runner, name: str) -> str:
    url: str = runner.client("sqs").get_queue_url(QueueName=f"tiny-{name}")["QueueUrl"]
    return url
