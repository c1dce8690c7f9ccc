"""The lab's ECS as a whole: its services, its image registry, its clock and its pace."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ecs.models import Cluster, EC2ContainerServiceBackend, TaskDefinition
from moto.ecs.models import Service as MotoService

from lab.aws.ecs_images import ImageRegistry
from lab.aws.ecs_model import ACTIVE, Task
from lab.aws.ecs_rollout import ServiceRollout
from lab.aws.ecs_taskpool import Timing

DEFAULT_CONFIGURATION: dict[str, Any] = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
}


class EcsError(ServiceException):  # type: ignore[misc]  # moto is not typed for mypy
    """An error of the ECS API, by its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


@dataclass
class EcsService:
    """A service: what was asked for (`inputs`, in the API's own shape), where it is, and how it moves."""

    region: str
    account: str
    cluster: str
    name: str
    inputs: dict[str, Any]
    stored: MotoService
    rollout: ServiceRollout

    def arn(self, kind: str, identifier: str = "") -> str:
        """An ARN of this service ("service") or of something that belongs to it ("service-deployment", "task" ...)."""
        path = {
            "cluster": self.cluster,
            "task": f"{self.cluster}/{identifier}",
            "container": f"{self.cluster}/{identifier}",
            "service": f"{self.cluster}/{self.name}",
        }.get(kind, f"{self.cluster}/{self.name}/{identifier}")
        return f"arn:aws:ecs:{self.region}:{self.account}:{kind}/{path}"


@dataclass
class EcsState:
    """Everything the extension remembers; forgotten on reset, except the pace."""

    clock: Callable[[], float] = time.time
    images: ImageRegistry = field(default_factory=ImageRegistry)
    timing: Timing = field(default_factory=Timing)
    services: dict[tuple[str, str, str, str], EcsService] = field(default_factory=dict)
    _of_accounts: dict[str, ImageRegistry] = field(default_factory=dict)

    def reset(self) -> None:
        """Forget all services and failing images."""
        self.services.clear()
        self.images.clear()
        self._of_accounts.clear()

    def images_of(self, account: str) -> ImageRegistry:
        """The images as one account's services meet them: what fails everywhere, and what fails there."""
        return self._of_accounts.setdefault(account, ImageRegistry(self.images))

    def add(self, backend: EC2ContainerServiceBackend, stored: MotoService, inputs: dict[str, Any]) -> EcsService:
        """Remember a new service."""
        rollout = ServiceRollout(stored.name, self.clock(), self.images_of(backend.account_id), self.timing)
        service = EcsService(
            backend.region_name, backend.account_id, stored.cluster_name, stored.name, inputs, stored, rollout
        )
        self.services[(service.account, service.region, service.cluster, service.name)] = service
        return service

    def advance(self) -> None:
        """Bring every service up to now, so that what changes next changes nothing in their past."""
        for service in self.services.values():
            service.rollout.advance(self.clock())

    def of_cluster(self, backend: EC2ContainerServiceBackend, cluster: Cluster) -> list[EcsService]:
        """The cluster's services as they are now, by name."""
        place = (backend.account_id, backend.region_name, cluster.name)
        found = [service for key, service in sorted(self.services.items()) if key[:3] == place]
        for service in found:
            service.rollout.advance(self.clock())
        return found

    def find(self, backend: EC2ContainerServiceBackend, cluster: str, name: str) -> EcsService | None:
        """One service as it is now, by name or ARN, of a cluster by name or ARN."""
        short = (backend.account_id, backend.region_name, cluster.rpartition("/")[2], name.rpartition("/")[2])
        service = self.services.get(short)
        if service is not None:
            service.rollout.advance(self.clock())
        return service

    def require(self, backend: EC2ContainerServiceBackend, cluster: str, name: str) -> EcsService:
        """Like find; raises the API's errors for a missing cluster or service."""
        require_cluster(backend, cluster)
        service = self.find(backend, cluster, name)
        if service is None:
            raise EcsError("ServiceNotFoundException", "Service not found.")
        return service

    def find_task(self, backend: EC2ContainerServiceBackend, cluster: Cluster, task: str) -> tuple[EcsService, Task] | None:
        """A service's task by identifier or ARN."""
        identifier = task.rpartition("/")[2]
        for service in self.of_cluster(backend, cluster):
            if identifier in service.rollout.pool.tasks:
                return service, service.rollout.pool.tasks[identifier]
        return None


def require_cluster(backend: EC2ContainerServiceBackend, name: str) -> Cluster:
    """A cluster by name or ARN; raises ClusterNotFoundException for one that is missing or deleted."""
    cluster = backend.clusters.get(name.rpartition("/")[2])
    if cluster is None or cluster.status != ACTIVE:
        raise EcsError("ClusterNotFoundException", "Cluster not found.")
    return cluster


def require_task_definition(backend: EC2ContainerServiceBackend, name: str) -> TaskDefinition:
    """A revision by `family:revision` or ARN; a family alone means its latest active revision."""
    family, _, revision = name.rpartition("/")[2].partition(":")
    revisions = backend.task_definitions.get(family, {})
    if revision:
        found = revisions.get(int(revision)) if revision.isdigit() else None
    else:
        active = [number for number, entry in revisions.items() if entry.status == ACTIVE]
        found = revisions[max(active)] if active else None
    if found is None:
        raise EcsError("ClientException", "TaskDefinition not found.")
    if found.status != ACTIVE:
        raise EcsError("ClientException", "TaskDefinition is inactive")
    return found
