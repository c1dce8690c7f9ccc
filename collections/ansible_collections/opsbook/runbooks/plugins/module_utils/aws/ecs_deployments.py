# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""New deployments of ECS services, several at once, each watched to its end and taken back where it fails.

`services-stable` also succeeds after a circuit breaker took a deployment back, and "the revision before" may never have
run (PROCEDURES, known errors). Here the deployment that was started must be the one that is completed, and the way
back is the last deployment that was.
"""

from __future__ import annotations

from typing import Any

from ..core.change import Change, Kept, Plan, Undo, no_undo, one_step
from ..core.coverage import Collected
from ..core.limits import Limits
from ..core.operation import Operation, refuse_incomplete
from ..core.run import Run
from .client import Connect
from .ecs_candidates import Candidate, collect_candidates, decide
from .ecs_requests import Request, refuse
from .ecs_rollback import go_back
from .ecs_rollout import Rollout, apply_deployment, verify_deployments
from .ecs_services import Service, resource_of, short

MODULE = "opsbook.runbooks.ecs_service_deploy"
DEPLOY = "deploy"


def deploy(connect: Connect, once: Connect, run: Run, request: Request) -> Operation[tuple[Candidate, ...]]:
    """The operation: start a deployment of each service meant and wait until all of them are completed.

    :param once: connections that do not retry, for calls that must not happen twice
    """
    rollout = Rollout(connect, once, run, request)
    return Operation(
        collect=lambda: collect_candidates(connect, run, request),
        plan=lambda collected: plan_deployments(collected, request, run.limits),
        apply=lambda change: apply_deployment(rollout, change),
        verify=lambda collected, plan: verify_deployments(rollout, collected),
        describe=describe_candidates,
        recover=(lambda plan, evidence: go_back(rollout)) if request.rollback else None,
    )


def plan_deployments(collected: Collected[tuple[Candidate, ...]], request: Request, limits: Limits) -> Plan:
    """Decide which services get a new deployment.

    :raises Refused: when a service could not be read, or another controller makes its deployments
    """
    refuse_incomplete(collected.coverage, "decide which ECS services to deploy")
    changes: list[Change] = []
    kept: list[Kept] = []
    for candidate in collected.state:
        _refuse_other_controllers(candidate.service, request.cluster)
        decision = decide(candidate, request, limits, collected.now)
        if decision.deploy:
            changes.append(_deployment(candidate, request))
        else:
            kept.append(Kept(resource_of(request.cluster, candidate.service.name), decision.reason))
    return one_step(changes, kept, len(collected.state), "services")


def describe_candidates(collected: Collected[tuple[Candidate, ...]]) -> dict[str, Any]:
    """What the services were before, under `services`."""
    return {"services": [
        {"name": candidate.service.name, "task_definition": candidate.service.task_definition,
         "desired": candidate.service.desired, "running": candidate.service.running,
         "service_revision": _marker(candidate)}
        for candidate in collected.state]}


def _deployment(candidate: Candidate, request: Request) -> Change:
    service, target = candidate.service, candidate.target
    after: dict[str, Any] = {"task_definition": service.task_definition, "deployment": "new"}
    summary = f"start a new deployment of {service.name} with {short(service.task_definition)}"
    if target is not None:
        copied = f"a copy of {short(target.original.arn)} with images pinned by digest"
        after["task_definition"] = target.arn or copied
        summary = f"deploy {short(target.arn) if target.arn else copied} to {service.name}"
    if target is not None and target.images:
        after["images"] = dict(target.images)
    before = {"task_definition": service.task_definition, "service_revision": _marker(candidate)}
    handle = {"service": service.name, "previous": service.primary.id if service.primary else "", "target": target,
              "force": request.force or (target is not None and target.arn == service.task_definition)}
    return Change(resource_of(request.cluster, service.name), DEPLOY, before, after, summary,
                  _undo(candidate, request), handle)


def _undo(candidate: Candidate, request: Request) -> Undo:
    completed, service = candidate.completed, candidate.service
    arguments = {"cluster": request.cluster, "services": [service.name]}
    if completed is None:
        return no_undo("None, because no deployment of the service was ever completed.")
    if completed.revision is not None and completed.revision.digests:
        return Undo(MODULE, {**arguments, "service_revision": completed.revision.arn})
    forgotten = "AWS keeps no service revision with resolved images of the last completed deployment"
    wanted = candidate.target.arn if candidate.target else service.task_definition
    if completed.task_definition == wanted:
        return no_undo(f"None, because the same task definition is deployed again and {forgotten}.")
    return Undo(MODULE, {**arguments, "task_definition": completed.task_definition},
                f"{forgotten}: a tag that was moved since gives another image.")


def _refuse_other_controllers(service: Service, cluster: str) -> None:
    if service.controller != "ECS":
        refuse(resource_of(cluster, service.name), f"{service.controller} makes the deployments of this service",
               "Deploy it there, and leave it out here.")


def _marker(candidate: Candidate) -> str | None:
    """ARN of the service revision of the last completed deployment."""
    completed = candidate.completed
    return completed.revision.arn if completed and completed.revision else None
