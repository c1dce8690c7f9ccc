"""A service of the lab's ECS without the lab: its state machine, with time passed in."""

from __future__ import annotations

from typing import Any

from lab.aws.ecs_images import ImageRegistry
from lab.aws.ecs_model import Deployment
from lab.aws.ecs_rollout import ServiceRollout
from lab.aws.ecs_taskpool import Timing

IMAGE = "registry.example:5000/shop/api:stable"
CANNOT_PULL = "CannotPullContainerError: pull image manifest has been retried 5 time(s): not found"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
DAY = 86400.0
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
BREAKER_ONLY = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}


class Rollout:
    """A service and the registry its images come from; a task takes one second to start."""

    def __init__(self, desired: int = 2, configuration: dict[str, Any] | None = None) -> None:
        self.images = ImageRegistry()
        self.service = ServiceRollout("api", 0.0, self.images, Timing(task_seconds=1.0))
        self.service.configuration = configuration or {}
        self.service.scale(0.0, desired)
        self.deploy(0.0, "api:1")

    def deploy(self, at: float, task_definition: str, image: str = IMAGE) -> Deployment:
        """Start a deployment."""
        return self.service.deploy(at, task_definition, [{"name": "app", "image": image}], {})

    def at(self, now: float) -> ServiceRollout:
        """The service at this time."""
        self.service.advance(now)
        return self.service

    def messages(self) -> list[str]:
        """Events, oldest first, without the service's name."""
        return [event.message.removeprefix("(service api) ") for event in reversed(self.service.events)]


def steady(desired: int = 2, configuration: dict[str, Any] | None = None) -> Rollout:
    """A service that is steady at 10 seconds."""
    lab = Rollout(desired, configuration)
    lab.at(10.0)
    assert lab.service.primary.rollout_state == "COMPLETED"
    return lab


def running_numbers(service: ServiceRollout) -> list[int]:
    """The deployments that running tasks belong to."""
    return [task.number for task in service.pool.running()]
