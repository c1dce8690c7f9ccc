"""What a rolling service consists of: revisions, deployments, tasks, service deployments and events.

Plain records without behaviour of their own; ecs_rollout.py moves them. All times are seconds since the epoch, in
fields whose names end in `_at`, so that a whole history can be made older at once (`shift_times`).
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

RUNNING, PENDING, STOPPED, DEACTIVATING = "RUNNING", "PENDING", "STOPPED", "DEACTIVATING"
IN_PROGRESS, COMPLETED, FAILED = "IN_PROGRESS", "COMPLETED", "FAILED"
PRIMARY, ACTIVE, DRAINING, INACTIVE = "PRIMARY", "ACTIVE", "DRAINING", "INACTIVE"
OUT_OF_MEMORY = "OutOfMemoryError"
CANNOT_PULL = "CannotPullContainerError"


@dataclass(frozen=True)
class ContainerImage:
    """What one container's image reference was resolved to, or why it could not be used."""

    container: str
    image: str
    digest: str | None
    failure: str | None = None


@dataclass
class Revision:
    """One service revision: what a deployment runs. Its number is also the deployment's (`ecs-svc/<number>`)."""

    number: int
    task_definition: str
    images: tuple[ContainerImage, ...]
    created_at: float
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failure(self) -> str | None:
        """Why tasks of this revision fail, if they do."""
        return next((image.failure for image in self.images if image.failure), None)


@dataclass
class Task:
    """One task of a service."""

    id: str
    number: int
    task_definition: str
    images: tuple[ContainerImage, ...]
    created_at: float
    due_at: float
    failure: str | None = None
    last_status: str = PENDING
    desired_status: str = RUNNING
    started_at: float | None = None
    stopping_at: float | None = None
    stopped_at: float | None = None
    stop_code: str | None = None
    stopped_reason: str | None = None
    exit_code: int | None = None
    container_reason: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether it counts for its service: starting or running, and not being stopped."""
        return self.desired_status == RUNNING

    @property
    def is_running(self) -> bool:
        """Whether it serves."""
        return self.is_live and self.last_status == RUNNING


@dataclass
class Deployment:
    """One entry of a service's `deployments`: PRIMARY first, then those it replaces."""

    number: int
    desired: int
    created_at: float
    updated_at: float
    begin_at: float
    status: str = PRIMARY
    rollout_state: str = IN_PROGRESS
    reason: str = ""
    failed_tasks: int = 0
    failed_rounds: int = 0
    retry_at: float | None = None

    def __post_init__(self) -> None:
        self.reason = self.reason or f"ECS deployment {self.id} in progress."

    @property
    def id(self) -> str:
        """The identifier AWS shows."""
        return f"ecs-svc/{self.number}"

    @property
    def is_failing(self) -> bool:
        """Whether the deployment was given up."""
        return self.rollout_state == FAILED


@dataclass
class TaskCounts:
    """Tasks of one revision, as a service deployment reports them."""

    requested: int = 0
    running: int = 0
    pending: int = 0


@dataclass
class Rollback:
    """Why, when and to which revision a service deployment went back."""

    reason: str
    revision: int
    started_at: float


@dataclass
class ServiceDeployment:
    """One entry of a service's deployment history."""

    id: str
    target: int
    sources: dict[int, TaskCounts]
    threshold: int
    configuration: Mapping[str, Any]
    created_at: float
    updated_at: float
    status: str = PENDING
    status_reason: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    stopped_at: float | None = None
    request_due_at: float | None = None
    rollback: Rollback | None = None
    failure_count: int = 0
    breaker: str = "DISABLED"
    counts: TaskCounts = field(default_factory=TaskCounts)

    @property
    def is_open(self) -> bool:
        """Whether it is still moving."""
        return self.status in (PENDING, IN_PROGRESS, "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")


@dataclass
class Event:
    """One service event."""

    id: str
    created_at: float
    message: str


def shift_times(record: Any, seconds: float) -> None:
    """Move every time of a record, and of the records inside it, by `seconds`."""
    for entry in fields(record):
        value = getattr(record, entry.name)
        if entry.name.endswith("_at") and value is not None:
            setattr(record, entry.name, value + seconds)
        elif isinstance(value, Rollback):
            shift_times(value, seconds)


def new_number() -> int:
    """A number as AWS gives to deployments and service revisions: 19 digits."""
    return random.randrange(10**18, 10**19)


def new_task_id() -> str:
    """A task's identifier: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def breaker_threshold(desired: int, configuration: Mapping[str, Any]) -> int:
    """Failed tasks after which the circuit breaker gives a deployment up.

    Half of the desired count, at least 3 and at most 200, unless the breaker's `thresholdConfiguration` says otherwise
    (source: ECS API reference, ServiceDeploymentCircuitBreaker and ThresholdConfiguration).
    """
    threshold = breaker_of(configuration).get("thresholdConfiguration") or {}
    kind, value = threshold.get("type", "BOUNDED_PERCENT"), int(threshold.get("value", 50))
    if kind == "COUNT":
        return max(1, value)
    share = -(-desired * value // 100)
    return max(1, share) if kind == "UNBOUNDED_PERCENT" else min(200, max(3, share))


def breaker_of(configuration: Mapping[str, Any]) -> Mapping[str, Any]:
    """The circuit breaker's part of a deployment configuration."""
    return configuration.get("deploymentCircuitBreaker") or {}
