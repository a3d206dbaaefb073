"""Wires the use cases to AWS, once per process. A function takes what it needs from here; a test puts its own there."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial

from aws_lambda_powertools.utilities.parameters import SecretsProvider

from jobruns import outbound
from jobruns.authentication import Authenticator
from jobruns.aws import clients
from jobruns.aws.delivery_queue import DeliveryQueue
from jobruns.aws.executors import (
    ExternalExecutor,
    FunctionExecutor,
    IngestExecutor,
    NoopExecutor,
    ScriptExecutor,
    SparkExecutor,
)
from jobruns.aws.files import LandingFiles
from jobruns.aws.lake import LakeFunction
from jobruns.aws.machine import LifecycleMachine
from jobruns.aws.objects import WorkObjects
from jobruns.aws.operations import OperationExecutor, OperationRecords
from jobruns.aws.run_objects import RunObjects
from jobruns.aws.schedules import EventSchedules
from jobruns.aws.secret_store import SecretStore
from jobruns.aws.singer import SingerExecutor
from jobruns.aws.upload_queue import UploadQueue
from jobruns.retention import Retention
from jobruns.run import Executor, Run
from jobruns.service.event_ports import EventPorts
from jobruns.service.people import PeoplePorts
from jobruns.service.ports import Ports
from jobruns.service.uploads import UploadPorts, requeue_uploads
from jobruns.settings import Settings, load_settings
from jobruns.store import Store

MASTER_MEMORY_SECONDS = 300


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


@cache
def load_store() -> Store:
    """Give the ledger table."""
    settings = load_settings()
    return Store(settings.ledger_table, retention=Retention(settings.run_retention_days))


@cache
def load_ports() -> Ports:
    """Give everything the use cases stand on."""
    settings, store = load_settings(), load_store()
    return Ports(
        runs=store.runs,
        jobs=store.jobs,
        bookmarks=store.bookmarks,
        documents=store.documents,
        units=store.units,
        machine=LifecycleMachine(settings.lifecycle_arn),
        executors={
            Executor.EXTERNAL: ExternalExecutor(),
            Executor.LAMBDA: FunctionExecutor(),
            Executor.INGEST: IngestExecutor(settings.ingest_arn, settings.commit_function, _requeue_upload),
            Executor.PYTHON_SCRIPT: ScriptExecutor(settings.script_function_arn, load_work_objects()),
            Executor.SPARK: SparkExecutor(
                settings.spark_application_id, settings.spark_job_role_arn, f"{settings.run_log_group}/output"
            ),
            Executor.SINGER: SingerExecutor(settings.singer_function_arn, load_work_objects()),
            Executor.NOOP: NoopExecutor(),
            Executor.OPERATION: OperationExecutor(settings.operations_function),
        },
        objects=load_work_objects(),
        triggers=store.triggers,
        schedules=EventSchedules(
            settings.schedule_group, settings.fire_function_arn, settings.scheduler_role_arn, settings.async_dlq_arn
        ),
        lake=LakeFunction(settings.tables_function),
        records=OperationRecords(settings.operations_function, settings.handed_over_function),
        files=LandingFiles(settings.landing_bucket),
        run_files=store.run_files,
        sync_states=store.sync_states,
        run_objects=RunObjects(settings.runs_bucket),
        clock=utc_now,
        watched=settings.conditional_triggers,
        retention=Retention(settings.run_retention_days),
    )


@cache
def load_authenticator() -> Authenticator:
    """Give what finds out who calls."""
    store = load_store()
    return Authenticator(store.access_keys, load_master(), utc_now, store.people)


@cache
def load_master() -> Callable[[], str]:
    """Give what reads the stack's master secret, and remembers it for a while."""
    return _remembered(load_settings().keys_secret_id)


@cache
def load_webhooks_master() -> Callable[[], str]:
    """Give what reads the stack's master secret of webhooks, and remembers it for a while."""
    return _remembered(load_settings().webhooks_secret_id)


def _remembered(secret_id: str) -> Callable[[], str]:
    provider = SecretsProvider(boto3_client=clients.secrets())

    def secret() -> str:
        return str(provider.get(secret_id, max_age=MASTER_MEMORY_SECONDS))

    return secret


@cache
def load_work_objects() -> WorkObjects:
    """Give the work bucket."""
    return WorkObjects(load_settings().work_bucket)


@cache
def load_people_ports() -> PeoplePorts:
    """Give what the use cases of users and roles stand on."""
    return PeoplePorts(load_store().people, load_master(), utc_now)


@cache
def load_upload_ports() -> UploadPorts:
    """Give what the use cases of uploads stand on beside the rest."""
    settings = load_settings()
    queue = UploadQueue(settings.upload_queue_url, settings.upload_dlq_url)
    return UploadPorts(load_store().claims, queue, load_work_objects())


@cache
def load_event_ports() -> EventPorts:
    """Give what the use cases of endpoints and deliveries stand on beside the rest."""
    settings, store = load_settings(), load_store()
    hosts = tuple(host for host in settings.webhook_hosts.split(",") if host)
    return EventPorts(
        documents=store.documents,
        deliveries=store.deliveries,
        runs=store.runs,
        queue=DeliveryQueue(
            settings.deliveries_queue_url,
            settings.deliveries_dlq_url,
            settings.deliveries_queue_arn,
            group=settings.delivery_schedule_group,
            role_arn=settings.scheduler_role_arn,
            lost_arn=settings.async_dlq_arn,
        ),
        secrets=SecretStore(settings.endpoint_secret_prefix),
        files=RunObjects(settings.runs_bucket),
        post=partial(outbound.post, allowed=hosts),
        check_url=partial(outbound.check_url, allowed=hosts),
        master=load_webhooks_master(),
        clock=utc_now,
        # Not a secret: it spreads what would come back at once.
        jitter=partial(random.uniform, -1.0, 1.0),
    )


@cache
def load_flow_secrets() -> SecretStore:
    """Give where it is kept how the flows of syncs get at their data."""
    return SecretStore(load_settings().flow_secret_prefix)


def _requeue_upload(run: Run) -> None:
    requeue_uploads(load_ports(), load_upload_ports(), run)


def forget_wiring() -> None:
    """Wire anew when next asked: for tests, which change the environment."""
    for wired in (
        load_store,
        load_ports,
        load_authenticator,
        load_master,
        load_work_objects,
        load_people_ports,
        load_upload_ports,
        load_webhooks_master,
        load_event_ports,
        load_flow_secrets,
        load_settings,
    ):
        wired.cache_clear()
    clients.forget_clients()


__all__ = [
    "Settings",
    "forget_wiring",
    "load_authenticator",
    "load_event_ports",
    "load_flow_secrets",
    "load_master",
    "load_people_ports",
    "load_ports",
    "load_store",
    "load_upload_ports",
    "load_work_objects",
    "utc_now",
]
