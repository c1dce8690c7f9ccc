"""The lab's ECS records in the shapes of the API (botocore's service model, ecs 2014-11-13)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lab.aws.ecs_model import Deployment, Revision, ServiceDeployment, Task, TaskCounts, breaker_of
from lab.aws.ecs_state import DEFAULT_CONFIGURATION, EcsService

# What a revision fixes, and what changing it therefore starts a deployment for (UpdateService, API reference).
REVISION_SETTINGS = (
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
)
_KEPT_INPUTS = (
    "capacityProviderStrategy",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
    "loadBalancers",
    "networkConfiguration",
    "placementConstraints",
    "placementStrategy",
    "propagateTags",
    "serviceRegistries",
    "availabilityZoneRebalancing",
)
_DEFAULTS: dict[str, Any] = {
    "enableECSManagedTags": False,
    "enableExecuteCommand": False,
    "loadBalancers": [],
    "placementConstraints": [],
    "placementStrategy": [],
    "propagateTags": "NONE",
    "serviceRegistries": [],
    "availabilityZoneRebalancing": "DISABLED",
}


def moment(seconds: float | None) -> datetime | None:
    """A time as moto's serialiser wants it."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def without_none(shape: dict[str, Any]) -> dict[str, Any]:
    """A shape without its absent members."""
    return {name: value for name, value in shape.items() if value is not None}


def configuration_of(service: EcsService) -> dict[str, Any]:
    """The deployment configuration in force."""
    return {**DEFAULT_CONFIGURATION, **(service.inputs.get("deploymentConfiguration") or {})}


def launch_of(service: EcsService) -> dict[str, Any]:
    """How the service's tasks run: launch type or capacity providers, and the platform."""
    launch = service.inputs.get("launchType")
    if launch is None and not service.inputs.get("capacityProviderStrategy"):
        launch = "EC2"
    fargate = launch == "FARGATE"
    return without_none(
        {
            "launchType": launch,
            "platformVersion": service.inputs.get("platformVersion") or ("LATEST" if fargate else None),
            "platformFamily": "Linux" if fargate else None,
        }
    )


def service_shape(service: EcsService) -> dict[str, Any]:
    """A Service, tags included (the action removes them unless asked for)."""
    rollout, inputs = service.rollout, service.inputs
    current = rollout.history.entries[0] if rollout.history.entries else None
    return without_none(
        {
            **{name: inputs.get(name, _DEFAULTS.get(name)) for name in _KEPT_INPUTS},
            **launch_of(service),
            "serviceArn": service.arn("service"),
            "serviceName": service.name,
            "clusterArn": service.arn("cluster"),
            "status": rollout.status,
            "desiredCount": rollout.desired,
            "runningCount": len(rollout.pool.running()),
            "pendingCount": len(rollout.pool.pending()),
            "taskDefinition": rollout.revisions[rollout.primary.number].task_definition,
            "deploymentConfiguration": configuration_of(service),
            "deployments": [deployment_shape(service, entry) for entry in rollout.deployments],
            "events": [
                {"id": event.id, "createdAt": moment(event.created_at), "message": event.message} for event in rollout.events
            ],
            "createdAt": moment(rollout.created_at),
            "createdBy": f"arn:aws:iam::{service.account}:role/deployer",
            "roleArn": service.stored.role_arn,
            "schedulingStrategy": inputs.get("schedulingStrategy", "REPLICA"),
            "deploymentController": inputs.get("deploymentController", {"type": "ECS"}),
            "tags": service.stored.tags,
            "currentServiceDeployment": service.arn("service-deployment", current.id) if current else None,
            "currentServiceRevisions": [
                revision_summary(service, entry.number, rollout.counts(entry.number)) for entry in rollout.deployments
            ],
        }
    )


def deployment_shape(service: EcsService, deployment: Deployment) -> dict[str, Any]:
    """An entry of a service's `deployments`."""
    counts, revision = service.rollout.counts(deployment.number), service.rollout.revisions[deployment.number]
    return without_none(
        {
            **launch_of(service),
            "id": deployment.id,
            "status": deployment.status,
            "taskDefinition": revision.task_definition,
            "desiredCount": deployment.desired,
            "runningCount": counts.running,
            "pendingCount": counts.pending,
            "failedTasks": deployment.failed_tasks,
            "createdAt": moment(deployment.created_at),
            "updatedAt": moment(deployment.updated_at),
            "rolloutState": deployment.rollout_state,
            "rolloutStateReason": deployment.reason,
            "networkConfiguration": revision.settings.get("networkConfiguration"),
            "capacityProviderStrategy": service.inputs.get("capacityProviderStrategy"),
        }
    )


def revision_summary(service: EcsService, number: int, counts: TaskCounts) -> dict[str, Any]:
    """A ServiceRevisionSummary."""
    return {
        "arn": service.arn("service-revision", str(number)),
        "requestedTaskCount": counts.requested,
        "runningTaskCount": counts.running,
        "pendingTaskCount": counts.pending,
    }


def revision_shape(service: EcsService, revision: Revision) -> dict[str, Any]:
    """A ServiceRevision."""
    images = [
        without_none({"containerName": image.container, "image": image.image, "imageDigest": image.digest})
        for image in revision.images
    ]
    return without_none(
        {
            **launch_of(service),
            **revision.settings,
            "serviceRevisionArn": service.arn("service-revision", str(revision.number)),
            "serviceArn": service.arn("service"),
            "clusterArn": service.arn("cluster"),
            "taskDefinition": revision.task_definition,
            "capacityProviderStrategy": service.inputs.get("capacityProviderStrategy"),
            "containerImages": images,
            "guardDutyEnabled": False,
            "createdAt": moment(revision.created_at),
        }
    )


def service_deployment_brief(service: EcsService, entry: ServiceDeployment) -> dict[str, Any]:
    """What ListServiceDeployments tells of a service deployment."""
    return without_none(
        {
            "serviceDeploymentArn": service.arn("service-deployment", entry.id),
            "serviceArn": service.arn("service"),
            "clusterArn": service.arn("cluster"),
            "createdAt": moment(entry.created_at),
            "startedAt": moment(entry.started_at),
            "finishedAt": moment(entry.finished_at),
            "targetServiceRevisionArn": service.arn("service-revision", str(entry.target)),
            "status": entry.status,
            "statusReason": entry.status_reason,
        }
    )


def service_deployment_shape(service: EcsService, entry: ServiceDeployment) -> dict[str, Any]:
    """A ServiceDeployment."""
    brief = service_deployment_brief(service, entry)
    del brief["targetServiceRevisionArn"]
    rollback = entry.rollback and {
        "reason": entry.rollback.reason,
        "startedAt": moment(entry.rollback.started_at),
        "serviceRevisionArn": service.arn("service-revision", str(entry.rollback.revision)),
    }
    # Alarms are told as configured; the lab does not fail deployments for them.
    alarms = entry.configuration.get("alarms") or {}
    breaker = {"status": entry.breaker, "failureCount": entry.failure_count, "threshold": entry.threshold}
    return without_none(
        {
            **brief,
            "stoppedAt": moment(entry.stopped_at),
            "updatedAt": moment(entry.updated_at),
            "sourceServiceRevisions": [revision_summary(service, *source) for source in entry.sources.items()],
            "targetServiceRevision": revision_summary(service, entry.target, entry.counts),
            "deploymentConfiguration": dict(entry.configuration),
            "rollback": rollback,
            "deploymentCircuitBreaker": breaker if breaker_of(entry.configuration) else None,
            "alarms": {
                "status": "DISABLED",
                "alarmNames": list(alarms.get("alarmNames", [])),
                "triggeredAlarmNames": [],
            },
        }
    )


def task_shape(service: EcsService, task: Task, definition: Any) -> dict[str, Any]:
    """A Task of a service; `definition` is moto's record of its task definition."""
    cluster, name = service.arn("cluster"), service.arn("task", task.id)
    return without_none(
        {
            **launch_of(service),
            "taskArn": name,
            "clusterArn": cluster,
            "taskDefinitionArn": task.task_definition,
            "group": f"service:{service.name}",
            "startedBy": f"ecs-svc/{task.number}",
            "lastStatus": task.last_status,
            "desiredStatus": task.desired_status,
            "createdAt": moment(task.created_at),
            "startedAt": moment(task.started_at),
            "stoppingAt": moment(task.stopping_at),
            "stoppedAt": moment(task.stopped_at),
            "stopCode": task.stop_code,
            "stoppedReason": task.stopped_reason,
            "connectivity": "CONNECTED" if task.is_running else None,
            "healthStatus": "UNKNOWN",
            "cpu": definition.cpu,
            "memory": definition.memory,
            "availabilityZone": f"{service.region}a",
            "version": 1 + sum(at is not None for at in (task.started_at, task.stopping_at, task.stopped_at)),
            "overrides": {"containerOverrides": []},
            "tags": [],
            "containers": [_container_shape(service, task, index) for index in range(len(task.images))],
        }
    )


def _container_shape(service: EcsService, task: Task, index: int) -> dict[str, Any]:
    image = task.images[index]
    # Only the container whose image is at fault tells why; the others are stopped with it.
    culprit = task.failure is None or image.failure is not None
    return without_none(
        {
            "containerArn": service.arn("container", f"{task.id}/{image.container}"),
            "taskArn": service.arn("task", task.id),
            "name": image.container,
            "image": image.image,
            "imageDigest": image.digest,
            "lastStatus": task.last_status if task.last_status != "DEACTIVATING" else "RUNNING",
            "exitCode": task.exit_code if culprit or task.exit_code is None else 0,
            "reason": task.container_reason if culprit else None,
            "networkInterfaces": [],
            "healthStatus": "UNKNOWN",
        }
    )
