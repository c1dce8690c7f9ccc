"""What the lab's ECS answers has the members, types and values of botocore's service model, and no others."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest

from lab.aws.ecs_images import ImageRegistry
from lab.aws.ecs_rollout import ServiceRollout
from lab.aws.ecs_shapes import (
    configuration_of,
    revision_shape,
    service_deployment_brief,
    service_deployment_shape,
    service_shape,
    task_shape,
)
from lab.aws.ecs_state import EcsService
from lab.aws.ecs_taskpool import Timing

IMAGE = "registry.example/api:stable"
PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "long": int,
    "double": (int, float),
    "boolean": bool,
    "timestamp": datetime,
    "list": list,
    "structure": dict,
}


def mismatches(value: Any, shape: Any, path: str) -> list[str]:
    """Where a value is not what the model says."""
    expected: Any = PYTHON_TYPES[shape.type_name]
    if not isinstance(value, expected):
        return [f"{path}: {value!r} is no {shape.type_name}"]
    if getattr(shape, "enum", None) and value not in shape.enum:
        return [f"{path}: {value!r} is none of {shape.enum}"]
    if shape.type_name == "list":
        return [text for item in value for text in mismatches(item, shape.member, f"{path}[]")]
    if shape.type_name != "structure":
        return []
    unknown = [f"{path}.{name} is not in the model" for name in value if name not in shape.members]
    known = {name: item for name, item in value.items() if name in shape.members}
    return unknown + [
        text for name, item in known.items() for text in mismatches(item, shape.members[name], f"{path}.{name}")
    ]


@pytest.fixture
def service() -> EcsService:
    """A service that has succeeded, failed, rolled back and has tasks of every kind."""
    inputs = {
        "launchType": "FARGATE",
        "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}},
        "healthCheckGracePeriodSeconds": 30,
    }
    images = ImageRegistry()
    rollout = ServiceRollout("api", 0.0, images, Timing(1.0))
    stored: Any = SimpleNamespace(role_arn=None, tags=[{"key": "team", "value": "shop"}])
    service = EcsService("us-east-1", "123456789012", "shop", "api", inputs, stored, rollout)
    rollout.configuration = configuration_of(service)
    rollout.scale(0.0, 3)
    network = {"networkConfiguration": inputs["networkConfiguration"]}
    containers = [{"name": "app", "image": IMAGE}, {"name": "sidecar", "image": "registry.example/sidecar:1"}]
    rollout.deploy(0.0, "arn:aws:ecs:us-east-1:123456789012:task-definition/api:1", containers, network)
    for at, reason in (
        (10.0, "OutOfMemoryError: Container killed"),
        (30.0, "CannotPullContainerError: no"),
        (50.0, None),
    ):
        rollout.advance(at)
        images.fail(IMAGE, reason)
        rollout.deploy(at, "arn:aws:ecs:us-east-1:123456789012:task-definition/api:2", containers, network)
    rollout.advance(50.5)
    return service


def test_every_shape_is_one_of_the_service_model(service: EcsService) -> None:
    model = botocore.session.get_session().get_service_model("ecs")
    rollout, definition = service.rollout, SimpleNamespace(cpu="256", memory="512")
    shapes = [("Service", service_shape(service))]
    shapes += [("ServiceRevision", revision_shape(service, entry)) for entry in rollout.revisions.values()]
    for entry in rollout.history.entries:
        shapes.append(("ServiceDeployment", service_deployment_shape(service, entry)))
        shapes.append(("ServiceDeploymentBrief", service_deployment_brief(service, entry)))
    shapes += [("Task", task_shape(service, task, definition)) for task in rollout.pool.tasks.values()]
    assert [text for name, shape in shapes for text in mismatches(shape, model.shape_for(name), name)] == []


def test_the_fixture_shows_every_kind_of_history(service: EcsService) -> None:
    statuses = [entry.status for entry in service.rollout.history.entries]
    assert statuses == ["IN_PROGRESS", "ROLLBACK_SUCCESSFUL", "ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
    assert {task.last_status for task in service.rollout.pool.tasks.values()} == {"RUNNING", "PENDING", "STOPPED"}


def test_only_the_container_at_fault_says_why(service: EcsService) -> None:
    task = next(task for task in service.rollout.pool.tasks.values() if task.exit_code == 137)
    shape = task_shape(service, task, SimpleNamespace(cpu="256", memory="512"))
    assert [(entry["name"], entry["exitCode"], entry.get("reason")) for entry in shape["containers"]] == [
        ("app", 137, "OutOfMemoryError: Container killed"),
        ("sidecar", 0, None),
    ]
