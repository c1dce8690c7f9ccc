"""The ECS actions on services: create, update, delete, describe and list."""

from __future__ import annotations

import copy
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.models import TaskDefinition
from moto.ecs.responses import EC2ContainerServiceResponse as EcsResponse

from lab.aws.ecs_model import ACTIVE, DRAINING
from lab.aws.ecs_paging import paginate
from lab.aws.ecs_shapes import REVISION_SETTINGS, configuration_of, service_shape
from lab.aws.ecs_state import EcsError, EcsService, EcsState, require_cluster, require_task_definition

# Not part of a service's own attributes: they say which service, or what to do with it.
_REQUEST_ONLY = ("cluster", "service", "forceNewDeployment", "clientToken", "desiredCount", "taskDefinition", "tags")
_moto_create_service = EcsResponse.create_service


class ServiceActions:
    """Answers the actions; each method takes moto's response object, which knows the request and the backend."""

    def __init__(self, state: EcsState) -> None:
        self._state = state

    def create_service(self, response: EcsResponse) -> ActionResult:
        """Create a service, whose first deployment starts."""
        parameters, backend = response._get_params(), response.ecs_backend
        cluster = require_cluster(backend, parameters.get("cluster", "default"))
        existing = self._state.find(backend, cluster.name, parameters["serviceName"])
        if existing is not None and existing.rollout.status == DRAINING:
            raise EcsError("InvalidParameterException", "Unable to Start a service that is still Draining.")
        if existing is not None and existing.rollout.status == ACTIVE:
            raise EcsError("InvalidParameterException", "Creation of service was not idempotent.")
        definition = require_task_definition(backend, parameters.get("taskDefinition", ""))
        inputs = _attributes(parameters)
        # moto reads the groups of a network configuration without asking whether there are any.
        parameters.get("networkConfiguration", {}).get("awsvpcConfiguration", {}).setdefault("securityGroups", [])
        _moto_create_service(response)
        stored = backend.services[f"{cluster.name}:{parameters['serviceName']}"]
        service = self._state.add(backend, stored, inputs)
        service.rollout.configuration = configuration_of(service)
        service.rollout.scale(self._state.clock(), int(parameters.get("desiredCount") or 0))
        self._deploy(service, definition)
        return ActionResult({"service": service_shape(service)})

    def update_service(self, response: EcsResponse) -> ActionResult:
        """Change a service; a deployment starts if one is forced or what its tasks run on changed."""
        parameters, backend = response._get_params(), response.ecs_backend
        service = self._state.require(backend, parameters.get("cluster", "default"), parameters["service"])
        rollout = service.rollout
        if rollout.status != ACTIVE:
            raise EcsError("ServiceNotActiveException", "Service was not ACTIVE.")
        present = rollout.revisions[rollout.primary.number].task_definition
        wanted = parameters.get("taskDefinition")
        # Deploying again what runs is possible when its revision has been deregistered since.
        definition = require_task_definition(backend, wanted) if wanted else backend.describe_task_definition(present)
        before = copy.deepcopy(service.inputs)
        self._merge(service, parameters)
        if parameters.get("desiredCount") is not None:
            rollout.scale(self._state.clock(), int(parameters["desiredCount"]))
        changed = any(before.get(name) != service.inputs.get(name) for name in REVISION_SETTINGS)
        if parameters.get("forceNewDeployment") or definition.arn != present or changed:
            self._deploy(service, definition)
        service.stored.task_definition, service.stored.desired_count = definition.arn, rollout.desired
        return ActionResult({"service": service_shape(service)})

    def delete_service(self, response: EcsResponse) -> ActionResult:
        """Delete a service: DRAINING until its tasks have stopped, then INACTIVE."""
        parameters, backend = response._get_params(), response.ecs_backend
        service = self._state.require(backend, parameters.get("cluster", "default"), parameters["service"])
        if service.rollout.status != ACTIVE:
            raise EcsError("ServiceNotActiveException", "Service was not ACTIVE.")
        if service.rollout.desired > 0 and not parameters.get("force"):
            message = "The service cannot be stopped while it is scaled above 0."
            raise EcsError("InvalidParameterException", message)
        service.rollout.drain(self._state.clock())
        service.stored.status, service.stored.desired_count = "INACTIVE", 0
        return ActionResult({"service": service_shape(service)})

    def describe_services(self, response: EcsResponse) -> ActionResult:
        """Describe up to ten services; unknown ones are failures."""
        parameters, backend = response._get_params(), response.ecs_backend
        cluster = require_cluster(backend, parameters.get("cluster", "default"))
        names = parameters.get("services", [])
        if not names:
            raise EcsError("InvalidParameterException", "Services cannot be empty.")
        if len(names) > 10:
            raise EcsError("InvalidParameterException", "Services list cannot have more than 10 elements.")
        shapes, failures = [], []
        for name in names:
            service = self._state.find(backend, cluster.name, name)
            if service is None:
                failures.append({"arn": _missing_arn(response, cluster.name, name), "reason": "MISSING"})
                continue
            shape = service_shape(service)
            if "TAGS" not in parameters.get("include", []):
                del shape["tags"]
            shapes.append(shape)
        return ActionResult({"services": shapes, "failures": failures})

    def list_services(self, response: EcsResponse) -> ActionResult:
        """List the active services of a cluster, ten a page unless told otherwise."""
        parameters, backend = response._get_params(), response.ecs_backend
        cluster = require_cluster(backend, parameters.get("cluster", "default"))
        shapes = [
            service_shape(service)
            for service in self._state.of_cluster(backend, cluster)
            if service.rollout.status == ACTIVE
        ]
        for name in ("launchType", "schedulingStrategy"):
            shapes = [shape for shape in shapes if parameters.get(name) in (None, shape.get(name))]
        arns = sorted(shape["serviceArn"] for shape in shapes)
        return ActionResult(paginate(arns, parameters, "serviceArns", default=10))

    def _deploy(self, service: EcsService, definition: TaskDefinition) -> None:
        settings = {name: service.inputs[name] for name in REVISION_SETTINGS if name in service.inputs}
        service.rollout.deploy(self._state.clock(), definition.arn, definition.container_definitions, settings)

    def _merge(self, service: EcsService, parameters: dict[str, Any]) -> None:
        """Take over what the request gives; what it leaves out stays, also inside the deployment configuration."""
        given = _attributes(parameters)
        configuration = {**configuration_of(service), **given.get("deploymentConfiguration", {})}
        service.inputs.update(given)
        service.inputs["deploymentConfiguration"] = configuration
        service.rollout.configuration = configuration


def _attributes(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        name: copy.deepcopy(value) for name, value in parameters.items() if name not in _REQUEST_ONLY and value is not None
    }


def _missing_arn(response: EcsResponse, cluster: str, name: str) -> str:
    if name.startswith("arn:"):
        return name
    return f"arn:aws:ecs:{response.region}:{response.current_account}:service/{cluster}/{name}"
