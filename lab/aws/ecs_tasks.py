"""The ECS actions on tasks, clusters and task definitions, over services' tasks and those that RunTask started."""

from __future__ import annotations

from functools import partial
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.models import Cluster, EC2ContainerServiceBackend
from moto.ecs.models import Task as StoredTask
from moto.ecs.responses import EC2ContainerServiceResponse as EcsResponse

from lab.aws.ecs_model import ACTIVE, PENDING, RUNNING, STOPPED, Task
from lab.aws.ecs_paging import paginate, revision_order
from lab.aws.ecs_shapes import launch_of, task_shape
from lab.aws.ecs_state import EcsError, EcsService, EcsState, require_cluster

_moto_describe_clusters = EcsResponse.describe_clusters
_moto_describe_tasks = EcsResponse.describe_tasks
_moto_stop_task = EcsResponse.stop_task
_moto_describe_task_definition = EcsResponse.describe_task_definition


class TaskActions:
    """Answers the actions; each method takes moto's response object, which knows the request and the backend."""

    def __init__(self, state: EcsState) -> None:
        self._state = state

    def list_tasks(self, response: EcsResponse) -> ActionResult:
        """List tasks whose desired status is RUNNING, or STOPPED if asked for."""
        parameters, backend = response._get_params(), response.ecs_backend
        cluster = require_cluster(backend, parameters.get("cluster", "default"))
        others = {"serviceName", "family", "containerInstance"} & set(parameters)
        if parameters.get("startedBy") and others:
            raise EcsError("InvalidParameterException", "startedBy cannot be combined with other filters.")
        if parameters.get("serviceName"):
            self._state.require(backend, cluster.name, parameters["serviceName"])
        wanted = {
            "desiredStatus": parameters.get("desiredStatus") or RUNNING,
            "service": parameters["serviceName"].rpartition("/")[2] if parameters.get("serviceName") else None,
            "startedBy": parameters.get("startedBy"),
            "family": parameters.get("family"),
            "launchType": parameters.get("launchType"),
            "containerInstance": (parameters.get("containerInstance") or "").rpartition("/")[2] or None,
        }
        arns = [
            facts["arn"]
            for facts in self._facts(backend, cluster)
            if all(value is None or facts[name] == value for name, value in wanted.items())
        ]
        return ActionResult(paginate(sorted(arns), parameters, "taskArns"))

    def describe_tasks(self, response: EcsResponse) -> ActionResult:
        """Describe tasks by identifier or ARN; unknown ones are failures."""
        parameters, backend = response._get_params(), response.ecs_backend
        cluster = require_cluster(backend, parameters.get("cluster", "default"))
        names = parameters.get("tasks", [])
        if not names:
            raise EcsError("InvalidParameterException", "Tasks cannot be empty.")
        if len(names) > 100:
            raise EcsError("InvalidParameterException", "Tasks list cannot have more than 100 elements.")
        shapes: list[Any] = []
        failures = []
        for name in names:
            found = self._state.find_task(backend, cluster, name)
            stored = _stored_task(backend, cluster, name)
            if found:
                shapes.append(task_shape(*found, backend.describe_task_definition(found[1].task_definition)))
            elif stored:
                shapes.append(stored)
            else:
                arn = name if name.startswith("arn:") else _task_arn(response, cluster, name)
                failures.append({"arn": arn, "reason": "MISSING"})
        return ActionResult({"tasks": shapes, "failures": failures})

    def stop_task(self, response: EcsResponse) -> ActionResult:
        """Stop a task; a service replaces it."""
        parameters, backend = response._get_params(), response.ecs_backend
        cluster = require_cluster(backend, parameters.get("cluster", "default"))
        found = self._state.find_task(backend, cluster, parameters["task"])
        if found:
            service, task = found
            service.rollout.stop_task(self._state.clock(), task, parameters.get("reason") or "Task stopped by user")
            return ActionResult({"task": task_shape(*found, backend.describe_task_definition(task.task_definition))})
        if _stored_task(backend, cluster, parameters["task"]) is None:
            raise EcsError("InvalidParameterException", "The referenced task was not found.")
        result: ActionResult = _moto_stop_task(response)
        result.result["task"].stop_code = "UserInitiated"
        return result

    def describe_clusters(self, response: EcsResponse) -> ActionResult:
        """Describe clusters with counts of what is really there."""
        result: ActionResult = _moto_describe_clusters(response)
        backend = response.ecs_backend
        for cluster in result.result["clusters"]:
            services = self._state.of_cluster(backend, cluster)
            stored = [task.last_status for task in backend.tasks.get(cluster.name, {}).values()]
            pools = [service.rollout.pool for service in services]
            cluster.active_services_count = sum(service.rollout.status == ACTIVE for service in services)
            cluster.running_tasks_count = sum(len(pool.running()) for pool in pools) + stored.count(RUNNING)
            cluster.pending_tasks_count = sum(len(pool.pending()) for pool in pools) + stored.count(PENDING)
        return result

    def list_clusters(self, response: EcsResponse) -> ActionResult:
        """List active clusters, page by page."""
        clusters = [cluster for cluster in response.ecs_backend.clusters.values() if cluster.status == ACTIVE]
        arns = sorted(cluster.arn for cluster in clusters)
        return ActionResult(paginate(arns, response._get_params(), "clusterArns"))

    def list_task_definitions(self, response: EcsResponse) -> ActionResult:
        """List task definitions by family and revision, ascending or descending, page by page."""
        parameters = response._get_params()
        family, status = parameters.get("familyPrefix"), parameters.get("status") or ACTIVE
        order = partial(revision_order, descending=parameters.get("sort") == "DESC")
        found = [
            definition.arn
            for name, revisions in response.ecs_backend.task_definitions.items()
            for definition in revisions.values()
            if definition.status == status and family in (None, name)
        ]
        return ActionResult(paginate(sorted(found, key=order), parameters, "taskDefinitionArns", order=order))

    def describe_task_definition(self, response: EcsResponse) -> ActionResult:
        """Describe a revision; a family alone means its latest active one, not merely its latest."""
        name = response._get_param("taskDefinition").rpartition("/")[2]
        if ":" not in name:
            revisions = response.ecs_backend.task_definitions.get(name, {})
            active = [number for number, definition in revisions.items() if definition.status == ACTIVE]
            if not active:
                raise EcsError("ClientException", "Unable to describe task definition.")
            response.params["taskDefinition"] = f"{name}:{max(active)}"
        return _moto_describe_task_definition(response)

    def _facts(self, backend: EC2ContainerServiceBackend, cluster: Cluster) -> list[dict[str, Any]]:
        """What ListTasks filters by, for every task of the cluster."""
        own = [
            _service_task_facts(service, task)
            for service in self._state.of_cluster(backend, cluster)
            for task in service.rollout.pool.tasks.values()
        ]
        return own + [_stored_task_facts(task) for task in backend.tasks.get(cluster.name, {}).values()]


def _service_task_facts(service: EcsService, task: Task) -> dict[str, Any]:
    return {
        "arn": service.arn("task", task.id),
        "desiredStatus": STOPPED if task.desired_status == STOPPED else RUNNING,
        "service": service.name,
        "startedBy": f"ecs-svc/{task.number}",
        "family": _family(task.task_definition),
        "launchType": launch_of(service).get("launchType"),
        "containerInstance": None,
    }


def _stored_task_facts(task: StoredTask) -> dict[str, Any]:
    return {
        "arn": task.task_arn,
        "desiredStatus": task.desired_status,
        "service": None,
        "startedBy": task.started_by,
        "family": _family(task.task_definition_arn),
        "launchType": task.launch_type,
        "containerInstance": (task.container_instance_arn or "").rpartition("/")[2] or None,
    }


def _family(task_definition: str) -> str:
    return task_definition.rpartition("/")[2].partition(":")[0]


def _stored_task(backend: EC2ContainerServiceBackend, cluster: Cluster, name: str) -> StoredTask | None:
    """A task that RunTask started."""
    tasks = backend.tasks.get(cluster.name, {}).values()
    return next((task for task in tasks if task.id == name.rpartition("/")[2]), None)


def _task_arn(response: EcsResponse, cluster: Cluster, name: str) -> str:
    return f"arn:aws:ecs:{response.region}:{response.current_account}:task/{cluster.name}/{name}"
