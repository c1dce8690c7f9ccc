"""The control route of incidents in ECS: deployments that were made a while ago, tasks that died or do not start."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from typing import Any

from moto.ecs.models import EC2ContainerServiceBackend, ecs_backends

from lab.aws.backends import here, regional
from lab.aws.control import ControlError
from lab.aws.ecs_model import PENDING, STOPPED, Event, Task, new_task_id
from lab.aws.ecs_rollout import ServiceRollout
from lab.aws.ecs_state import EcsService, EcsState
from lab.aws.ecs_taskpool import Timing
from lab.aws.locks import service_lock
from lab.aws.undo import remember

# How long tasks take to start in life: what happened in the past happened at that pace.
_TASK_SECONDS = 45.0
_MINUTE = 60.0
_LONG = 86400.0


class EcsIncidents:
    """Answers the route."""

    def __init__(self, state: EcsState) -> None:
        self._state = state

    def change(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`incident/ecs` {"services": [{"cluster", "service", "deployments"?, "stopped"?, "pending"?}]}.

        `deployments` {minutes_ago, image, fails?}: a new revision with that image was deployed; `fails` is why its tasks
        fail. `stopped` {minutes_ago, lived_minutes, code, reason, exit_code?, container_reason?}: a task stopped and was
        replaced. `pending`: that many tasks are being started just now and do not come up.
        """
        backend = regional(ecs_backends)
        with service_lock("ecs"):
            for described in body["services"]:
                service = self._state.find(backend, str(described["cluster"]), str(described["service"]))
                if service is None:
                    raise ControlError(f"there is no ECS service {described['cluster']}/{described['service']}")
                self._happen(backend, service, described)
        return {"services": len(body["services"])}

    def _happen(self, backend: EC2ContainerServiceBackend, service: EcsService, described: Mapping[str, Any]) -> None:
        now, before, pace = self._state.clock(), service.rollout, self._state.timing

        def undo() -> None:
            with service_lock("ecs"):
                service.rollout = before

        remember(undo)
        timing = Timing(_TASK_SECONDS)
        shared: dict[int, Any] = {id(pace): timing, id(before._images): before._images}
        service.rollout = rollout = copy.deepcopy(before, shared)
        for deployment in sorted(described.get("deployments", ()), key=lambda each: -float(each["minutes_ago"])):
            self._deploy(backend, service, deployment, now)
        rollout.advance(now)
        rollout._timing = rollout.pool._timing = pace
        for stopped in described.get("stopped", ()):
            _stop(rollout, stopped, now)
        for task in rollout.pool.running()[: int(described.get("pending", 0))]:
            task.last_status, task.created_at, task.started_at, task.due_at = PENDING, now - 20, None, now + _LONG
        rollout.events.sort(key=lambda event: -event.created_at)

    def _deploy(
        self, backend: EC2ContainerServiceBackend, service: EcsService, described: Mapping[str, Any], now: float
    ) -> None:
        """A deployment of a new revision, at its own time."""
        rollout, image, fails = service.rollout, str(described["image"]), described.get("fails")
        present = backend.describe_task_definition(rollout.revisions[rollout.primary.number].task_definition)
        containers = [{**container, "image": image} for container in present.container_definitions]
        definition = backend.register_task_definition(present.family, containers, None, present.network_mode)
        revisions = backend.task_definitions[present.family]
        remember(lambda: _forget(revisions, definition.revision))
        if fails:
            images = self._state.images_of(here().account)
            images.fail(image, str(fails))
            remember(lambda: images.fail(image, None))
        at = now - float(described["minutes_ago"]) * _MINUTE
        settings = rollout.revisions[rollout.primary.number].settings
        rollout.deploy(at, definition.arn, definition.container_definitions, settings)


def _forget(revisions: dict[int, Any], revision: int) -> None:
    with service_lock("ecs"):
        revisions.pop(revision, None)


def _stop(rollout: ServiceRollout, described: Mapping[str, Any], now: float) -> None:
    """A task that lived for a while and stopped; the task that took its place is one that runs now."""
    running = rollout.pool.running()
    if not running:
        raise ControlError(f"service {rollout.name} has no running task")
    at = now - float(described["minutes_ago"]) * _MINUTE
    begun = at - float(described["lived_minutes"]) * _MINUTE
    example, place = running[0], min(running, key=lambda task: task.started_at or 0)
    gone = Task(
        new_task_id(), example.number, example.task_definition, example.images, begun - _TASK_SECONDS, begun,
        last_status=STOPPED, desired_status=STOPPED, started_at=begun, stopping_at=at, stopped_at=at,
        stop_code=str(described["code"]), stopped_reason=str(described["reason"]), exit_code=described.get("exit_code"),
        container_reason=described.get("container_reason"),
    )  # fmt: skip
    rollout.pool.tasks = {gone.id: gone, **rollout.pool.tasks}
    if (place.started_at or 0) < at:
        place.created_at, place.started_at = at + 8, at + 8 + _TASK_SECONDS
    for moment, message in (
        (at, f"has stopped 1 running tasks: (task {gone.id})."), (at + 8, f"has started 1 tasks: (task {place.id})."),
    ):  # fmt: skip
        rollout.events.append(Event(str(uuid.uuid4()), moment, f"(service {rollout.name}) {message}"))
