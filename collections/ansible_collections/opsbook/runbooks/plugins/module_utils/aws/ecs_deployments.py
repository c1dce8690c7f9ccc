# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""New deployments of ECS services: which are needed, which are under way already, which are done.

A re-run must not deploy twice (procedure 000-09 killed and started again): what is in progress is waited for, what
was completed within `not_within` is left alone, what failed or was rolled back is not done and starts again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..core.change import Change, Kept, Plan, Undo, no_undo, one_step
from ..core.coverage import Collected, merge_coverage
from ..core.durations import parse_duration, say_duration
from ..core.errors import Refused
from ..core.limits import Limits
from ..core.operation import refuse_incomplete
from ..core.run import Run
from ..core.selection import has_pattern
from .client import Connect
from .ecs_definitions import Definition, Target, read_definition, same_but_images, target_of
from .ecs_history import GOING_BACK, SUCCESSFUL, History, Revision, read_history, read_revisions
from .ecs_services import COMPLETED, FAILED, Deployment, Service, read_services, resource_of, service_names, short
from .gathering import gather

MODULE = "opsbook.runbooks.ecs_service_deploy"
DEPLOY = "deploy"
_DEFINITION = re.compile(r"(arn:[^:]+:ecs:[^:]+:\d+:task-definition/)?[A-Za-z0-9_-]+:\d+")
_REVISION = re.compile(r"arn:[^:]+:ecs:[^:]+:\d+:service-revision/(?P<cluster>[^/]+)/(?P<service>[^/]+)/\d+")


@dataclass(frozen=True)
class Request:
    """What a run was asked for.

    :param services: names or patterns
    :param task_definition: deploy this one; empty: the one the service has
    :param service_revision: return to what this revision ran
    :param force: start a deployment also where the definition wanted runs already
    :param not_within: a completed deployment younger than that is left alone
    :param rollback: go back when a deployment fails
    """

    cluster: str
    services: tuple[str, ...]
    task_definition: str = ""
    service_revision: str = ""
    force: bool = True
    not_within: timedelta | None = None
    rollback: bool = True


@dataclass(frozen=True)
class Completed:
    """The last completed deployment of a service.

    :param revision: its service revision; None where AWS keeps none
    """

    task_definition: str
    revision: Revision | None


@dataclass(frozen=True)
class Candidate:
    """A service that may be deployed.

    :param completed: None where no deployment was ever completed, or none that AWS remembers
    :param target: the definition asked for; None when only a new deployment was asked for
    :param present: whether the service runs the target's images and content already
    """

    service: Service
    history: History
    completed: Completed | None
    target: Target | None = None
    present: bool = False


@dataclass(frozen=True)
class Decision:
    """What happens to one service.

    :param deploy: whether a deployment starts
    :param reason: why it does not
    :param awaited: id of the deployment whose completion is waited for; empty for a new one, and for one left alone
    :param rolling: whether that deployment is still under way, so that a failure of it is this run's to undo
    """

    deploy: bool
    reason: str = ""
    awaited: str = ""
    rolling: bool = False


def request_of(options: Mapping[str, Any]) -> Request:
    """Read a module's options.

    :raises Refused: when they contradict each other
    """
    definition, revision = str(options["task_definition"] or ""), str(options["service_revision"] or "")
    services = tuple(options["services"])
    force = options["force_new_deployment"]
    if not services:
        _refuse("no service", "the list of services is empty", "Name services, or give '*' for all of the cluster.")
    if (definition or revision) and (len(set(services)) != 1 or has_pattern(services)):
        _refuse(", ".join(services), "one task definition or service revision does not suit several services",
                "Name one service, or leave the revision out to deploy each service's own again.")
    if definition and not _DEFINITION.fullmatch(definition):
        _refuse(definition, "it names no revision of a task definition", "Give family:revision or the full ARN.")
    if revision:
        _refuse_foreign_revision(revision, str(options["cluster"]), services[0])
    if force is False and not (definition or revision):
        _refuse(", ".join(services), "neither a new deployment nor a revision was asked for",
                "Set force_new_deployment, task_definition or service_revision.")
    within = parse_duration(options["not_within"]) if options["not_within"] else None
    return Request(str(options["cluster"]), services, definition, revision,
                   not (definition or revision) if force is None else bool(force), within, bool(options["rollback"]))


def collect_candidates(connect: Connect, run: Run, request: Request) -> Collected[tuple[Candidate, ...]]:
    """Read the services meant, their history, and the revision each can go back to.

    :raises OperationError: when a service, a revision or a task definition asked for cannot be read
    """
    names = service_names(connect, request.cluster, request.services)
    services, coverage = read_services(connect, run, request.cluster, names)
    histories, more = gather(run, "deployment history of ecs-service", [service.name for service in services],
                             lambda name: read_history(connect, request.cluster, name))
    by_name = {history.service: history for history in histories}
    pairs = [(service, by_name.get(service.name, History(service.name, offered=False))) for service in services]
    wanted = [arn for service, history in pairs for arn in (_completed_revision(service, history),
              service.primary.service_revision if service.primary else "")]
    revisions = read_revisions(connect, [*wanted, request.service_revision])
    candidates = tuple(_candidate(connect, request, service, history, revisions) for service, history in pairs)
    return Collected(candidates, run.now(), merge_coverage([coverage, more]))


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


def decide(candidate: Candidate, request: Request, limits: Limits, now: datetime) -> Decision:
    """What happens to one service, and what is waited for where nothing starts."""
    service, primary = candidate.service, candidate.service.primary
    if limits.protects(service.name) or limits.protects(f"{request.cluster.rpartition('/')[2]}/{service.name}"):
        return Decision(False, "protected")
    newest = candidate.history.newest
    if primary is None:
        return Decision(True)
    if newest is not None and newest.status in GOING_BACK:
        return Decision(False, f"deployment {newest.deployment} is being rolled back; deploy again when that has ended",
                        newest.deployment, rolling=True)
    wanted = _is_wanted(candidate, primary)
    if wanted and _under_way(service, primary):
        return Decision(False, f"deployment {primary.id} is in progress; it is waited for", primary.id, rolling=True)
    if wanted and not request.force and _completed(service, primary):
        return Decision(False, f"runs {short(primary.task_definition)} already", primary.id)
    age = _age(candidate, primary, now) if wanted and request.not_within else None
    if age is not None and request.not_within is not None and age < request.not_within:
        return Decision(False, f"deployment {primary.id} was completed {say_duration(age)} ago, within "
                               f"{say_duration(request.not_within)}", primary.id)
    return Decision(True)


def failure_bound(desired: int) -> int:
    """After so many failed tasks a deployment is taken for failed: half of those wanted, at least 3, at most 200, as
    AWS's circuit breaker counts where it is on (ECS developer guide, deployment circuit breaker)."""
    return min(200, max(3, -(-desired // 2)))


def is_failing(service: Service, deployment: Deployment) -> bool:
    """Whether a deployment without a circuit breaker fails so often that it will not come to an end."""
    return not service.breaker and deployment.failed_tasks >= failure_bound(service.desired)


def _completed(service: Service, primary: Deployment) -> bool:
    return primary.rollout_state == COMPLETED or (not primary.rollout_state and service.steady)


def _under_way(service: Service, primary: Deployment) -> bool:
    return (not _completed(service, primary) and primary.rollout_state != FAILED and not is_failing(service, primary))


def _is_wanted(candidate: Candidate, primary: Deployment) -> bool:
    """Whether a deployment is of the kind asked for: the service's own definition, or the one named."""
    if candidate.target is None:
        return True
    return candidate.present or primary.task_definition == candidate.target.arn != ""


def _age(candidate: Candidate, primary: Deployment, now: datetime) -> timedelta | None:
    """How long ago the deployment that runs was completed; None when it was not, or another was tried since."""
    newest = candidate.history.newest
    if not _completed(candidate.service, primary):
        return None
    if newest is not None:
        return now - newest.finished_at if newest.status == SUCCESSFUL and newest.finished_at else None
    # No history: the start of the deployment is known, its end is not. It looks older than it is, so it may be
    # repeated too early, but is never left out.
    return now - datetime.fromisoformat(primary.created_at) if primary.created_at else None


def _completed_revision(service: Service, history: History) -> str:
    """ARN of the revision of the last completed deployment."""
    if service.primary is not None and _completed(service, service.primary):
        return service.primary.service_revision
    if history.completed is not None:
        return history.completed.revision
    return next((old.service_revision for old in service.deployments if old.rollout_state == COMPLETED), "")


def _candidate(
    connect: Connect, request: Request, service: Service, history: History, revisions: Mapping[str, Revision]
) -> Candidate:
    completed = _completed_of(service, revisions.get(_completed_revision(service, history)))
    if request.task_definition:
        definition = read_definition(connect, request.task_definition)
        if not definition.active:
            _refuse(definition.arn, "this task definition was deregistered", "Name an active one.")
        return Candidate(service, history, completed, Target(definition.arn, definition))
    if request.service_revision:
        recorded = revisions.get(request.service_revision)
        if recorded is None:
            _refuse(request.service_revision, "AWS does not know this service revision",
                    "It keeps those since October 2024; name a task definition instead.")
        return _returning(connect, service, history, completed, recorded, revisions)
    return Candidate(service, history, completed)


def _returning(
    connect: Connect, service: Service, history: History, completed: Completed | None, recorded: Revision,
    revisions: Mapping[str, Revision],
) -> Candidate:
    latest = revisions.get(service.primary.service_revision) if service.primary else None
    target = target_of(connect, recorded, latest, service.task_definition == recorded.task_definition)
    present = latest is not None and latest.digests == recorded.digests and _same(connect, target.original, latest)
    return Candidate(service, history, completed, target, present)


def _same(connect: Connect, original: Definition, latest: Revision) -> bool:
    return latest.task_definition == original.arn or same_but_images(
        original, read_definition(connect, latest.task_definition))


def _completed_of(service: Service, revision: Revision | None) -> Completed | None:
    if revision is not None:
        return Completed(revision.task_definition, revision)
    for deployment in service.deployments:
        if deployment.rollout_state == COMPLETED or (deployment is service.primary and service.steady):
            return Completed(deployment.task_definition, None)
    return None


def _deployment(candidate: Candidate, request: Request) -> Change:
    service, completed, target = candidate.service, candidate.completed, candidate.target
    after: dict[str, Any] = {"task_definition": service.task_definition, "deployment": "new"}
    summary = f"start a new deployment of {service.name} with {short(service.task_definition)}"
    if target is not None:
        copied = f"a copy of {short(target.original.arn)} with images pinned by digest"
        after["task_definition"] = target.arn or copied
        summary = f"deploy {short(target.arn) if target.arn else copied} to {service.name}"
    if target is not None and target.images:
        after["images"] = dict(target.images)
    marker = completed.revision.arn if completed and completed.revision else None
    before = {"task_definition": service.task_definition, "service_revision": marker}
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
        _refuse(resource_of(cluster, service.name), f"{service.controller} makes the deployments of this service, not ECS",
                "Deploy it there, and leave it out here.")


def _refuse_foreign_revision(revision: str, cluster: str, service: str) -> None:
    match = _REVISION.fullmatch(revision)
    if not match:
        _refuse(revision, "it is not the ARN of a service revision", "Take it from an undo entry or ecs_service_info.")
    if (match["cluster"], match["service"]) != (cluster.rpartition("/")[2], service):
        _refuse(revision, f"it belongs to {match['cluster']}/{match['service']}, not to {service}",
                "Name the service it belongs to.")


def _refuse(resource: str, reason: str, advice: str) -> Any:
    raise Refused("deploy ECS services", resource, reason, advice)
