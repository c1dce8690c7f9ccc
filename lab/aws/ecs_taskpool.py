"""The tasks of one service: how they start, fail, stop and are forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lab.aws.ecs_model import (
    CANNOT_PULL,
    DEACTIVATING,
    OUT_OF_MEMORY,
    PENDING,
    RUNNING,
    STOPPED,
    ContainerImage,
    Revision,
    Task,
    new_task_id,
    shift_times,
)

# AWS shows a stopped task for about an hour.
STOPPED_TASK_SECONDS = 3600.0
# Services that fail are slowed down to one try in 27 minutes (ECS developer guide, service throttle logic).
_MAXIMUM_BACKOFF_SECONDS = 27 * 60.0
_MAXIMUM_BACKOFF_EXPONENT = 16
_BEFORE_START = (CANNOT_PULL, "ResourceInitializationError", "CannotStartContainerError", "CannotCreateContainerError")


@dataclass
class Timing:
    """How fast the lab's ECS is; everything follows from the time that a task takes to start."""

    task_seconds: float = 0.4

    @property
    def begin_seconds(self) -> float:
        """From a request to the scheduler's first step."""
        return self.task_seconds * 0.1

    @property
    def stop_seconds(self) -> float:
        """From the decision to stop a task until it is stopped."""
        return self.task_seconds * 0.5

    def backoff(self, rounds: int) -> float:
        """Pause before tasks are tried again after so many failed rounds, as AWS slows down services that fail."""
        doubled = self.task_seconds * float(2 ** min(max(rounds - 1, 0), _MAXIMUM_BACKOFF_EXPONENT))
        return max(self.task_seconds, min(doubled, _MAXIMUM_BACKOFF_SECONDS))


class TaskPool:
    """All tasks of one service, by identifier, oldest first."""

    def __init__(self, timing: Timing, wake: Callable[[float], None]) -> None:
        self._timing = timing
        self._wake = wake
        self.tasks: dict[str, Task] = {}

    def live(self, number: int | None = None) -> list[Task]:
        """Tasks that start or run, of one deployment or of all."""
        return [task for task in self._of(number) if task.is_live]

    def running(self, number: int | None = None) -> list[Task]:
        """Tasks that serve, of one deployment or of all."""
        return [task for task in self._of(number) if task.is_running]

    def pending(self, number: int | None = None) -> list[Task]:
        """Tasks that start, of one deployment or of all."""
        return [task for task in self._of(number) if task.is_live and task.last_status == PENDING]

    def unfinished(self, number: int | None = None) -> list[Task]:
        """Tasks that are not stopped yet, of one deployment or of all."""
        return [task for task in self._of(number) if task.last_status != STOPPED]

    def _of(self, number: int | None) -> Iterable[Task]:
        return [task for task in self.tasks.values() if number is None or task.number == number]

    def start(self, at: float, revision: Revision, images: tuple[ContainerImage, ...]) -> Task:
        """Start one task; whether it comes up is settled when its time has come."""
        failure = next((image.failure for image in images if image.failure), None)
        due = at + self._timing.task_seconds
        task = Task(new_task_id(), revision.number, revision.task_definition, images, at, due, failure)
        self.tasks[task.id] = task
        self._wake(due)
        return task

    def stop(self, at: float, task: Task, code: str, reason: str) -> None:
        """Begin to stop a task; a task that was still starting is stopped at once."""
        task.desired_status, task.stop_code, task.stopped_reason, task.stopping_at = STOPPED, code, reason, at
        if task.last_status == PENDING:
            task.last_status, task.stopped_at = STOPPED, at
            return
        task.last_status, task.due_at = DEACTIVATING, at + self._timing.stop_seconds
        self._wake(task.due_at)

    def settle(self, at: float) -> tuple[list[Task], list[Task]]:
        """Let happen what is due; returns the tasks that came up and those that failed."""
        came_up: list[Task] = []
        failed: list[Task] = []
        for task in self.unfinished():
            if task.last_status == RUNNING or task.due_at > at:
                continue
            if task.last_status == DEACTIVATING:
                task.last_status, task.stopped_at, task.exit_code = STOPPED, task.due_at, 0
            elif task.failure:
                _fail(task, task.failure)
                failed.append(task)
            else:
                task.last_status, task.started_at = RUNNING, task.due_at
                came_up.append(task)
        return came_up, failed

    def prune(self, now: float) -> None:
        """Forget tasks that stopped long ago."""
        for task in list(self.tasks.values()):
            if task.stopped_at is not None and now - task.stopped_at > STOPPED_TASK_SECONDS:
                del self.tasks[task.id]

    def shift(self, seconds: float) -> None:
        """Move all times by `seconds`."""
        for task in self.tasks.values():
            shift_times(task, seconds)


def _fail(task: Task, failure: str) -> None:
    """Stop a task the way AWS reports such a failure.

    What kept a task from starting is the task's own `stoppedReason`; what ended a container that ran is the
    container's `reason` and `exitCode`, and the task says only that an essential container exited.
    """
    task.last_status = task.desired_status = STOPPED
    task.stopping_at = task.stopped_at = task.due_at
    if failure.startswith(_BEFORE_START):
        task.stop_code, task.stopped_reason, task.container_reason = "TaskFailedToStart", failure, failure
        return
    task.started_at = task.due_at
    task.stop_code, task.stopped_reason = "EssentialContainerExited", "Essential container in task exited"
    if failure.startswith(OUT_OF_MEMORY):
        task.exit_code, task.container_reason = 137, failure
        return
    told = re.search(r"exit code:? (\d+)", failure)
    task.exit_code = int(told.group(1)) if told else 1
    task.container_reason = None if failure.startswith("EssentialContainerExited") else failure
