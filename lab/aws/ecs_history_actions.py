"""The ECS actions on service deployments and service revisions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.responses import EC2ContainerServiceResponse as EcsResponse

from lab.aws.ecs_model import IN_PROGRESS, PENDING, ServiceDeployment
from lab.aws.ecs_paging import paginate
from lab.aws.ecs_rollout import RolloutError
from lab.aws.ecs_shapes import revision_shape, service_deployment_brief, service_deployment_shape
from lab.aws.ecs_state import EcsError, EcsService, EcsState

MAXIMUM_ARNS = 20
Render = Callable[[EcsService, str], dict[str, Any] | None]


class HistoryActions:
    """Answers the actions; each method takes moto's response object, which knows the request and the backend."""

    def __init__(self, state: EcsState) -> None:
        self._state = state

    def list_service_deployments(self, response: EcsResponse) -> ActionResult:
        """List a service's deployments, newest first, twenty a page unless told otherwise."""
        parameters = response._get_params()
        cluster = parameters.get("cluster", "default")
        service = self._state.require(response.ecs_backend, cluster, parameters["service"])
        statuses, created = parameters.get("status") or [], parameters.get("createdAt") or {}
        after, before = _seconds(created.get("after")), _seconds(created.get("before"))
        briefs = [
            service_deployment_brief(service, entry)
            for entry in service.rollout.history.entries
            if (not statuses or entry.status in statuses)
            and (after is None or entry.created_at >= after)
            and (before is None or entry.created_at <= before)
        ]
        return ActionResult(paginate(briefs, parameters, "serviceDeployments", 20, _arn))

    def describe_service_deployments(self, response: EcsResponse) -> ActionResult:
        """Describe service deployments by ARN; unknown ones are failures."""

        def render(service: EcsService, identifier: str) -> dict[str, Any] | None:
            entry = _entry(service, identifier)
            return service_deployment_shape(service, entry) if entry else None

        return self._describe(response, "serviceDeploymentArns", "service-deployment", "serviceDeployments", render)

    def describe_service_revisions(self, response: EcsResponse) -> ActionResult:
        """Describe service revisions by ARN; unknown ones are failures."""

        def render(service: EcsService, identifier: str) -> dict[str, Any] | None:
            revision = service.rollout.revisions.get(int(identifier)) if identifier.isdigit() else None
            return revision_shape(service, revision) if revision else None

        return self._describe(response, "serviceRevisionArns", "service-revision", "serviceRevisions", render)

    def stop_service_deployment(self, response: EcsResponse) -> ActionResult:
        """Stop the service deployment in progress: back to the last completed revision, or where it is."""
        parameters = response._get_params()
        arn, kind = parameters["serviceDeploymentArn"], parameters.get("stopType") or "ROLLBACK"
        if kind not in ("ROLLBACK", "ABORT"):
            raise EcsError("InvalidParameterException", f"stopType {kind} is not valid.")
        service, identifier = self._locate(response, arn, "service-deployment")
        entry = _entry(service, identifier) if service else None
        if service is None or entry is None:
            raise EcsError("ServiceDeploymentNotFoundException", f"Service deployment not found: {arn}")
        if entry.status not in (PENDING, IN_PROGRESS):
            message = f"The service deployment cannot be stopped because its status is {entry.status}."
            raise EcsError("ConflictException", message)
        try:
            service.rollout.request_stop(self._state.clock(), kind)
        except RolloutError as error:
            raise EcsError("ClientException", f"The service deployment cannot be stopped: {error}.") from error
        return ActionResult({"serviceDeploymentArn": arn})

    def _describe(self, response: EcsResponse, asked: str, kind: str, key: str, render: Render) -> ActionResult:
        arns = response._get_params()[asked]
        if not 1 <= len(arns) <= MAXIMUM_ARNS:
            raise EcsError("InvalidParameterException", f"{asked} must have 1 to {MAXIMUM_ARNS} elements.")
        shapes, failures = [], []
        for arn in arns:
            service, identifier = self._locate(response, arn, kind)
            shape = render(service, identifier) if service else None
            if shape is None:
                failures.append({"arn": arn, "reason": "MISSING"})
            else:
                shapes.append(shape)
        return ActionResult({key: shapes, "failures": failures})

    def _locate(self, response: EcsResponse, arn: str, kind: str) -> tuple[EcsService | None, str]:
        """The service an ARN belongs to, if it exists, and the last part of the ARN."""
        resource, *path = arn.rpartition(":")[2].split("/")
        if not arn.startswith("arn:") or resource != kind or len(path) != 3:
            raise EcsError("InvalidParameterException", f"Invalid {kind} ARN: {arn}")
        cluster, name, identifier = path
        return self._state.find(response.ecs_backend, cluster, name), identifier


def _entry(service: EcsService, identifier: str) -> ServiceDeployment | None:
    return next((entry for entry in service.rollout.history.entries if entry.id == identifier), None)


def _arn(brief: dict[str, Any]) -> str:
    return str(brief["serviceDeploymentArn"])


def _seconds(value: Any) -> float | None:
    """A time of a request, which moto gives as a datetime or as the number that was sent."""
    if value is None:
        return None
    return value.timestamp() if isinstance(value, datetime) else float(value)
