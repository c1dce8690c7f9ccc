# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ECS services that may be deployed: what each runs, what it can go back to, and what is to happen to it.

A re-run must not deploy twice (procedure 000-09 killed and started again): what is in progress is waited for, what
was completed within `not_within` is left alone, what failed or was rolled back is not done and starts again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..core.coverage import Collected, merge_coverage
from ..core.durations import say_duration
from ..core.limits import Limits
from ..core.run import Run
from .client import Connect
from .ecs_definitions import Definition, Target, read_definition, same_but_images, target_of
from .ecs_history import GOING_BACK, SUCCESSFUL, History, Revision, read_history, read_revisions
from .ecs_requests import Request, refuse
from .ecs_services import COMPLETED, FAILED, Deployment, Service, read_services, service_names, short
from .gathering import gather


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
            refuse(definition.arn, "this task definition was deregistered", "Name an active one.")
        return Candidate(service, history, completed, Target(definition.arn, definition))
    if request.service_revision:
        recorded = revisions.get(request.service_revision)
        if recorded is None:
            refuse(request.service_revision, "AWS does not know this service revision",
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
