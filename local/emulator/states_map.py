"""The distributed map.

moto counts child executions that fail and then lets the map succeed; AWS fails it with
``States.ExceedToleratedFailureThreshold``, with the first failure unless the state tolerates more. moto's workers
call themselves for each item, so that about a thousand items end the thread; and a map whose execution is stopped
never ends. The outputs of all items together may be as large as they like, where AWS has the same limit as for a task.
"""

from datetime import UTC, datetime
from typing import Any

from moto.stepfunctions.parser.api import HistoryEventType, MapRunFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker as item_worker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.job import JobPool
from moto.stepfunctions.parser.asl.component.state.exec.state_map.state_map import StateMap
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.quotas import is_within_size_quota

_THRESHOLD = StatesErrorNameType.StatesExceedToleratedFailureThreshold
_LIMIT = StatesErrorNameType.StatesStatesDataLimitExceeded


def apply() -> None:
    """Replace how items are handed to workers."""
    DistributedIterationComponent._map_run = _map_run  # noqa: SLF001 - moto offers no other way in
    item_worker.DistributedItemProcessorWorker.eval = _work
    execute = StateMap._eval_execution  # noqa: SLF001 - as above

    def execute_within_limit(state: Any, env: Any) -> None:
        execute(state, env)
        # A ResultWriter has left only the name of what it wrote.
        if not is_within_size_quota(env.stack[-1]):
            cause = f"The state '{state.name}' has an output larger than the maximum number of bytes service limit"
            raise _failed(env, _LIMIT, cause)

    StateMap._eval_execution = execute_within_limit  # noqa: SLF001 - as above


def _map_run(component: Any, env: Any, eval_input: Any) -> None:
    items = env.stack.pop()
    pool = JobPool(job_program=component._get_iteration_program(), job_inputs=items)  # noqa: SLF001 - as above
    # 0 means: no limit.
    workers = min(len(items), eval_input.map_run_record.max_concurrency or len(items))
    for _ in range(workers):
        component._launch_worker(env=env, eval_input=eval_input, job_pool=pool)  # noqa: SLF001 - as above
    pool.await_jobs()
    failure = pool.get_worker_exception()
    if failure is not None:
        for frame in list(env._frames):  # noqa: SLF001 - children in work are aborted, as the service does
            frame.set_stop(stop_date=datetime.now(UTC), cause=None, error=None)
        raise failure
    env.stack.append([job.job_output for job in pool.get_closed_jobs()])


def _work(worker: Any) -> None:
    env, pool = worker._env, worker._job_pool  # noqa: SLF001 - as above
    total = pool._jobs_number  # noqa: SLF001 - as above
    while (job := pool.next_job()) is not None:
        frame = env.open_inner_frame()
        if env.is_running():
            worker._eval_job(env=frame, job=job)  # noqa: SLF001 - as above
        env.delete_frame(frame)
        if not env.is_running():
            job.job_output = RuntimeError("the execution was stopped")
        elif _exceeded(worker._map_run_record, total):  # noqa: SLF001 - as above
            job.job_output = _threshold_exceeded(env)
        pool.close_job(job)


def _exceeded(record: Any, total: int) -> bool:
    failed = record.item_counter.failed.get() + record.item_counter.timed_out.get()
    if failed == 0:
        return False
    # Whichever of the two is given tolerates; neither given, nothing is tolerated.
    allowed = max(record.tolerated_failure_count or 0, total * (record.tolerated_failure_percentage or 0.0) / 100)
    return bool(failed > allowed)


def _threshold_exceeded(env: Any) -> FailureEventException:
    return _failed(env, _THRESHOLD, "The specified tolerated failure threshold was exceeded")


def _failed(env: Any, error: Any, cause: str) -> FailureEventException:
    details = MapRunFailedEventDetails(error=error.to_name(), cause=cause)
    return FailureEventException(
        failure_event=FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=error),
            event_type=HistoryEventType.MapRunFailed,
            event_details=EventDetails(mapRunFailedEventDetails=details),
        )
    )
