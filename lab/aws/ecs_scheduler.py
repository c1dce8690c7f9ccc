"""The scheduler's decisions for one service: what to start and stop, when a deployment has failed or is complete.

`ServiceRollout` (ecs_rollout.py) adds what can be asked of a service; here is what follows from its state.
"""

from __future__ import annotations

import heapq
import math
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lab.aws.ecs_history import DeploymentHistory
from lab.aws.ecs_images import ImageRegistry
from lab.aws.ecs_model import (
    ACTIVE,
    COMPLETED,
    DRAINING,
    FAILED,
    IN_PROGRESS,
    INACTIVE,
    PENDING,
    PRIMARY,
    Deployment,
    Event,
    Revision,
    Task,
    TaskCounts,
    breaker_of,
    breaker_threshold,
)
from lab.aws.ecs_taskpool import TaskPool, Timing

MAXIMUM_EVENTS = 100
STEADY_EVENT_SECONDS = 6 * 3600.0
_UNABLE = (
    "is unable to consistently start tasks successfully. "
    "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
)


class ServiceScheduler:
    """One service's deployments, tasks, events and deployment history, moved by elapsed time."""

    def __init__(self, name: str, created_at: float, images: ImageRegistry, timing: Timing) -> None:
        self.name = name
        self.created_at = created_at
        self.status = ACTIVE
        self.desired = 0
        self.configuration: Mapping[str, Any] = {}
        self.deployments: list[Deployment] = []
        self.revisions: dict[int, Revision] = {}
        self.events: list[Event] = []
        self.history = DeploymentHistory()
        self.pool = TaskPool(timing, self._wake)
        self._images = images
        self._timing = timing
        self._wakeups: list[float] = []
        self._completed: int | None = None
        self._steady_again_at: float | None = None

    @property
    def primary(self) -> Deployment:
        """The deployment that the service is moving to, or has reached."""
        return self.deployments[0]

    def counts(self, number: int) -> TaskCounts:
        """Requested, running and starting tasks of one deployment."""
        requested = sum(deployment.desired for deployment in self.deployments if deployment.number == number)
        return TaskCounts(requested, len(self.pool.running(number)), len(self.pool.pending(number)))

    def _wake(self, at: float) -> None:
        heapq.heappush(self._wakeups, at)

    def _tell(self, at: float, message: str) -> None:
        self.events.insert(0, Event(str(uuid.uuid4()), at, f"(service {self.name}) {message}"))
        del self.events[MAXIMUM_EVENTS:]

    def _happen(self, at: float) -> None:
        came_up, failed = self.pool.settle(at)
        for deployment in self.deployments:
            self._note_outcome(at, deployment, came_up, failed)
        if self.status == DRAINING:
            self.status = DRAINING if self.pool.unfinished() else INACTIVE
        elif self.status == ACTIVE and self.deployments and at >= self.primary.begin_at:
            self._schedule(at)
        if self._steady_again_at is not None and at >= self._steady_again_at:
            self._note_steady(at)

    def _note_outcome(self, at: float, deployment: Deployment, came_up: list[Task], failed: list[Task]) -> None:
        """Count failed tasks; a task that came up ends the count unless the breaker is told otherwise."""
        if any(task.number == deployment.number for task in came_up):
            if breaker_of(self.configuration).get("resetOnHealthyTask", True):
                deployment.failed_tasks = 0
            deployment.failed_rounds, deployment.retry_at = 0, None
        failures = sum(task.number == deployment.number for task in failed)
        if not failures:
            return
        deployment.failed_tasks += failures
        deployment.failed_rounds += 1
        deployment.updated_at = at
        deployment.retry_at = at + self._timing.backoff(deployment.failed_rounds)
        self._wake(deployment.retry_at)
        self._steady_again_at = None
        if deployment is self.primary:
            self.history.count_failures(failures)
        if deployment.failed_rounds >= 3:
            self._tell(at, _UNABLE)

    def _schedule(self, at: float) -> None:
        """One step: decide on requests and failures, then stop and start what the desired count asks for."""
        self.history.begin(at)
        if kind := self.history.due_request(at):
            self._end_by_request(at, kind)
        elif self._breaker_trips():
            self._trip_breaker(at)
        if at < self.primary.begin_at:
            return
        self._scale_in(at)
        for deployment in self.deployments:
            self._start(at, deployment)
        self.deployments = [entry for entry in self.deployments if entry is self.primary or self._is_needed(entry)]
        self._complete(at)

    def _is_needed(self, old: Deployment) -> bool:
        return bool(self.pool.unfinished(old.number)) or (old.desired > 0 and not old.is_failing)

    def _breaker_trips(self) -> bool:
        enabled = bool(breaker_of(self.configuration).get("enable"))
        threshold = breaker_threshold(self.desired, self.configuration)
        return enabled and self.primary.rollout_state == IN_PROGRESS and self.primary.failed_tasks >= threshold

    def _trip_breaker(self, at: float) -> None:
        failed = self.primary
        self._tell(at, f"(deployment {failed.id}) deployment failed: tasks failed to start.")
        self._fail_primary(at, "ECS deployment circuit breaker: tasks failed to start.")
        wanted = bool(breaker_of(self.configuration).get("rollback"))
        if wanted and self._completed is not None and not self.history.is_rolling_back:
            self.history.roll_back(at, self._completed, by_breaker=True)
            self._return_to_completed(at, "ECS deployment circuit breaker: rolling back")
        else:
            self.history.fail(at, self.counts)

    def _end_by_request(self, at: float, kind: str) -> None:
        self._fail_primary(at, f"ECS deployment {self.primary.id} was stopped.")
        if kind == "ROLLBACK" and self._completed is not None:
            self.history.roll_back(at, self._completed, by_breaker=False)
            self._return_to_completed(at, "ECS deployment stopped: rolling back")
        else:
            self.history.abort(at, self.counts)

    def _fail_primary(self, at: float, reason: str) -> None:
        self.primary.rollout_state, self.primary.reason, self.primary.updated_at = FAILED, reason, at
        pending = self.pool.pending(self.primary.number)
        for task in pending:
            self.pool.stop(at, task, "ServiceSchedulerInitiated", f"(deployment {self.primary.id}) deployment failed.")
        if pending:
            self._tell(at, f"stopped {len(pending)} pending tasks.")

    def _return_to_completed(self, at: float, why: str) -> None:
        """Make the last completed deployment the primary one again; its tasks that still run count for it at once."""
        assert self._completed is not None
        self._demote(at, self.primary)
        begin = at + self._timing.task_seconds
        back = Deployment(self._completed, self.desired, at, at, begin)
        back.reason = f"{why} to deploymentId {back.id}."
        self.deployments = [back, *(entry for entry in self.deployments if entry.number != back.number)]
        self._tell(at, f"rolling back to deployment {back.id}.")
        self._wake(begin)

    def _demote(self, at: float, deployment: Deployment) -> None:
        """Take the lead from a deployment: what it starts is stopped, what runs goes as its successor comes up."""
        if deployment.status == PRIMARY:
            deployment.status, deployment.updated_at = ACTIVE, at
            self._stop_tasks(at, self.pool.pending(deployment.number))
        deployment.desired = len(self.pool.live(deployment.number))

    def _scale_in(self, at: float) -> None:
        """Stop what is too much, never going below the healthy minimum."""
        running = len(self.pool.running())
        minimum = self.desired if self.primary.is_failing else self._bound("minimumHealthyPercent", 100, math.ceil)
        old = [task for task in self.pool.running() if task.number != self.primary.number]
        old = old[: max(0, running - minimum)]
        for deployment in self.deployments[1:]:
            deployment.desired -= sum(task.number == deployment.number for task in old)
        own = self.pool.pending(self.primary.number)[::-1] + self.pool.running(self.primary.number)[::-1]
        surplus = own[: max(0, len(own) - self.desired)]
        self._stop_tasks(at, old + surplus)

    def _stop_tasks(self, at: float, tasks: list[Task]) -> None:
        running = [task for task in tasks if task.last_status != PENDING]
        for task in tasks:
            reason = f"Scaling activity initiated by (deployment {self.primary.id})"
            self.pool.stop(at, task, "ServiceSchedulerInitiated", reason)
        if running:
            self._tell(at, f"has stopped {len(running)} running tasks: {_names(running)}.")
        if len(tasks) > len(running):
            self._tell(at, f"stopped {len(tasks) - len(running)} pending tasks.")

    def _start(self, at: float, deployment: Deployment) -> None:
        """Start the tasks a deployment lacks, as far as the maximum allows and failures do not slow it down."""
        if deployment.is_failing or (deployment.retry_at is not None and at < deployment.retry_at):
            return
        number = deployment.desired - len(self.pool.live(deployment.number))
        if len(self.deployments) > 1:
            number = min(number, self._bound("maximumPercent", 200, math.floor) - len(self.pool.live()))
        revision = self.revisions[deployment.number]
        started: list[Task] = []
        for _ in range(max(0, number)):
            images = self._images.pull_again(revision.images)
            if any(image.digest is None for image in revision.images):
                revision.images = images
            started.append(self.pool.start(at, revision, images))
        if started:
            deployment.updated_at = at
            self._tell(at, f"has started {len(started)} tasks: {_names(started)}.")

    def _bound(self, name: str, default: int, rounding: Callable[[float], int]) -> int:
        percent = self.configuration.get(name, default)
        return rounding(self.desired * percent / 100)

    def _complete(self, at: float) -> None:
        """Note that the primary deployment has all its tasks and is alone, and that the service is steady."""
        primary = self.primary
        running = len(self.pool.running(primary.number))
        if len(self.deployments) > 1 or running != self.desired or self.pool.pending():
            return
        if primary.rollout_state == IN_PROGRESS and not self.history.is_stop_requested:
            primary.rollout_state, primary.updated_at = COMPLETED, at
            primary.reason = f"ECS deployment {primary.id} completed."
            self._completed = primary.number
            self.history.complete(at, self.counts)
            self._tell(at, f"(deployment {primary.id}) deployment completed.")
        if primary.rollout_state == COMPLETED and self._steady_again_at is None:
            self._note_steady(at)

    def _note_steady(self, at: float) -> None:
        self._tell(at, "has reached a steady state.")
        self._steady_again_at = at + STEADY_EVENT_SECONDS
        self._wake(self._steady_again_at)


def _names(tasks: Iterable[Task]) -> str:
    return " ".join(f"(task {task.id})" for task in tasks)
