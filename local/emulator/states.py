"""Step Functions, as far as moto's interpreter differs from the service.

* a definition is parsed once, not with every execution (25 ms each);
* StartExecution is atomic, and allots a name if none is given;
* StopExecution ends an execution at once, also while it waits for a task token, and what follows cannot turn
  ABORTED into FAILED;
* functions are invoked directly, not over HTTP with a client made for each call;
* a Fail state, and whoever fails a task, may pass on an error of the service's own, such as ``States.Timeout``;
* an output that is a string is described as the JSON it is;
* every change of an execution's status is told to `on_status`;
* a failure is one short line in the log, not the text of half the machine.
"""

import functools
import json
import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.parser import utils
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from local.emulator import states_map, states_tokens
from local.invoke import Invoker, PayloadTooLargeError, UnknownFunctionError
from local.pool import NoWorkerError

_LOG = logging.getLogger(__name__)

on_status: list[Callable[[dict[str, Any]], None]] = []
"""Called with the ``detail`` of a status change event."""

_connected: dict[str, tuple[Invoker, Callable[[str], Any]]] = {}
_START = threading.Lock()
_STATUS = threading.RLock()
_BEGIN_SECONDS = 10.0
_MAX_PARSED = 64


def apply() -> None:
    """Replace what differs."""
    ExecutionWorker._get_evaluation_entrypoint = lambda worker: _parse(  # noqa: SLF001 - the one place that parses
        worker._evaluation_details.state_machine_details.definition  # noqa: SLF001 - as above
    )
    _patch_calls()
    _patch_start()
    _patch_end()
    _patch_responses()
    _patch_program_state()
    _patch_errors()
    states_map.apply()
    states_tokens.apply()


def connect(account: str, invoker: Invoker, client: Callable[[str], Any]) -> None:
    """Let the machines of an account reach functions, and services by their APIs.

    Parameters
    ----------
    account : str
        The account's id.
    invoker : Invoker
        Runs functions.
    client : callable
        From a service's name to a boto3 client of the emulated account.
    """
    _connected[account] = invoker, client


def disconnect(account: str) -> None:
    """Undo `connect`."""
    _connected.pop(account, None)


def _patch_calls() -> None:
    by_http, client_by_http = lambda_eval_utils._invoke_lambda_function, boto_client.boto_client_for  # noqa: SLF001

    def invoke(parameters: dict[str, Any], region: str, state_credentials: Any) -> Any:
        connected = _connected.get(_account(state_credentials))
        if connected is None:
            return by_http(parameters, region, state_credentials)
        return _invoke(connected[0], parameters["FunctionName"], parameters.get("Payload") or b"{}")

    def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        connected = _connected.get(_account(state_credentials))
        return client_by_http(region, service, state_credentials) if connected is None else connected[1](service)

    lambda_eval_utils._invoke_lambda_function = invoke  # noqa: SLF001 - the seam between machines and functions
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions.") and getattr(module, "boto_client_for", None) is client_by_http:
            module.boto_client_for = client_for  # type: ignore[attr-defined]  # each module has imported it by name


def _account(state_credentials: Any) -> str:
    return str(state_credentials.role_arn).split(":")[4] if state_credentials is not None else ""


def _invoke(invoker: Invoker, function: str, payload: bytes | str) -> dict[str, Any]:
    try:
        outcome = invoker.invoke(function, payload if isinstance(payload, bytes) else payload.encode())
    except UnknownFunctionError as error:
        raise _client_error("ResourceNotFoundException", f"Function not found: {error}", 404) from error
    except PayloadTooLargeError as error:
        raise _client_error("RequestTooLargeException", str(error), 413) from error
    except NoWorkerError as error:
        raise _client_error("TooManyRequestsException", "Rate Exceeded.", 429) from error
    answer = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": json.loads(outcome.payload or b"null")}
    return answer | ({"FunctionError": outcome.error} if outcome.error else {})


@functools.lru_cache(maxsize=_MAX_PARSED)
def _parse(definition: str) -> Any:
    # An evaluated component keeps nothing of an evaluation in itself: a map runs one in many threads at once.
    return AmazonStateLanguageParser.parse(definition)[0]


def _client_error(code: str, message: str, status: int) -> ClientError:
    metadata: Any = {"HTTPStatusCode": status, "RequestId": str(uuid.uuid4())}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, "Invoke")


def _patch_start() -> None:
    initialise, start = Execution.__init__, StepFunctionsParserBackend.start_execution

    def execution_init(execution: Any, *args: Any, **kwargs: Any) -> None:
        initialise(execution, *args, **kwargs)
        # It is in the list of executions before it is started, and whoever looks there asks for a status.
        execution.exec_status = ExecutionStatus.RUNNING

    def start_execution(
        backend: Any, state_machine_arn: str, name: str | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        with _START:
            utils.TMP_THREADS.clear()
            before = len(backend.describe_state_machine(state_machine_arn).executions)
            execution = start(backend, state_machine_arn, name or str(uuid.uuid4()), *args, **kwargs)
            started = len(backend.describe_state_machine(state_machine_arn).executions) > before
        if started:
            _tell(execution)
        return execution

    Execution.__init__ = execution_init
    StepFunctionsParserBackend.start_execution = start_execution


def _patch_end() -> None:
    reflect = BaseExecutionWorkerCommunication._reflect_execution_status  # noqa: SLF001 - where an execution learns its end

    def reflect_once(communication: Any) -> None:
        execution = communication.execution
        with _STATUS:
            if execution.exec_status != ExecutionStatus.RUNNING:
                return
            reflect(communication)
        _tell(execution)

    def stop(execution: Any, stop_date: datetime, error: str | None, cause: str | None) -> None:
        environment = _environment(execution)
        with _STATUS:
            if execution.exec_status != ExecutionStatus.RUNNING:
                return
            environment.set_stop(stop_date=stop_date, cause=cause, error=error)
            execution.exec_status, execution.stop_date = ExecutionStatus.ABORTED, stop_date
            execution.error, execution.cause = error or None, cause or None
        states_tokens.interrupt(environment)
        _tell(execution)

    BaseExecutionWorkerCommunication._reflect_execution_status = reflect_once  # noqa: SLF001 - as above
    Execution.stop = stop


def _environment(execution: Any) -> Any:
    """Wait for the interpreter's thread to have begun."""
    end = time.monotonic() + _BEGIN_SECONDS
    while execution.exec_worker is None or execution.exec_worker.env is None:
        if time.monotonic() > end:
            raise TimeoutError(f"{execution.exec_arn} has not begun")
        time.sleep(0.001)
    return execution.exec_worker.env


def _patch_program_state() -> None:
    # The error that interrupting a stopped task raises must not become the execution's.
    for name in ("set_error", "set_timed_out"):
        original = getattr(Environment, name)

        def set_unless_stopped(environment: Any, *args: Any, _original: Any = original, **kwargs: Any) -> None:
            if not isinstance(environment._program_state, ProgramStopped):  # noqa: SLF001 - program_state() copies it
                _original(environment, *args, **kwargs)

        setattr(Environment, name, set_unless_stopped)


def _patch_errors() -> None:
    CustomErrorName.__init__ = ErrorName.__init__

    def log_failure(component: Any, failure_event_exception: Any) -> None:
        pair = failure_event_exception.extract_error_cause_pair()
        _LOG.info("%s: %s", type(component).__name__, pair[0] if pair else "failed")

    def log_exception(component: Any, exception: Exception) -> None:
        _LOG.info("%s: %s: %s", type(component).__name__, type(exception).__name__, exception)

    EvalComponent._log_failure_event_exception = log_failure  # noqa: SLF001 - the one place that logs
    EvalComponent._log_exception = log_exception  # noqa: SLF001 - as above


def _patch_responses() -> None:
    describe = StepFunctionResponse.describe_execution

    def stop_execution(response: Any) -> Any:
        backend, arn = response.stepfunction_backend, response._get_param("executionArn")  # noqa: SLF001 - how moto reads
        execution = backend.describe_execution(arn)
        execution.stop(datetime.now(UTC), response._get_param("error"), response._get_param("cause"))  # noqa: SLF001
        return ActionResult({"stopDate": execution.stop_date})

    def describe_execution(response: Any) -> Any:
        result = describe(response)
        execution = response.stepfunction_backend.describe_execution(response._get_param("executionArn"))  # noqa: SLF001
        if execution.exec_status == ExecutionStatus.SUCCEEDED:
            result.result["output"] = json.dumps(execution.output)
        if execution.stop_date is not None:
            # Left out for TIMED_OUT.
            result.result.setdefault("stopDate", execution.stop_date)
        return result

    def send_task_failure(response: Any) -> Any:
        # moto drops the cause.
        token, error, cause = (response._get_param(name) for name in ("taskToken", "error", "cause"))  # noqa: SLF001
        response.stepfunction_backend.send_task_failure(token, error=error, cause=cause)
        return EmptyResult()

    StepFunctionResponse.stop_execution = stop_execution
    StepFunctionResponse.describe_execution = describe_execution
    StepFunctionResponse.send_task_failure = send_task_failure


def _tell(execution: Any) -> None:
    status = execution.exec_status.value
    detail = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": status,
        "startDate": _milliseconds(execution.start_date),
        "stopDate": _milliseconds(execution.stop_date),
        "input": execution.execution_input,
        "output": json.dumps(execution.output) if status == "SUCCEEDED" else None,
        "error": execution.error,
        "cause": execution.cause,
    }
    for tell in on_status:
        tell(detail)


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
