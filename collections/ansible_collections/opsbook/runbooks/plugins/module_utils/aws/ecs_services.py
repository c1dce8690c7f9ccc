# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ECS services: which there are, what runs, what is being deployed, and why tasks stopped.

Running = desired says nothing by itself: while a deployment is under way, or after one that failed, the tasks of the
one before keep the numbers right. So the deployments are read as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..core.coverage import Collected, Coverage, Gap, merge_coverage
from ..core.evidence import Evidence
from ..core.run import Run
from ..core.selection import has_pattern, select
from .calls import all_pages
from .client import Connect
from .ecs_tasks import StoppedTask, chunks, moment, stopped_tasks, why_stopped
from .errors import explaining
from .gathering import gather

KIND = "ecs-service"
SERVICES_A_CALL = 10
COMPLETED, IN_PROGRESS, FAILED = "COMPLETED", "IN_PROGRESS", "FAILED"


@dataclass(frozen=True)
class Deployment:
    """One entry of a service's deployments; the first is PRIMARY, the others are on their way out.

    :param rollout_state: COMPLETED, IN_PROGRESS or FAILED; empty where AWS does not tell (Classic Load Balancers,
        deployment controllers other than ECS)
    :param failed_tasks: tasks that failed one after the other
    :param service_revision: ARN of what it runs, empty for deployments from before October 2024
    """

    id: str
    status: str
    rollout_state: str
    rollout_reason: str
    task_definition: str
    desired: int
    running: int
    pending: int
    failed_tasks: int
    created_at: str
    updated_at: str
    service_revision: str


@dataclass(frozen=True)
class Service:
    """One service as DescribeServices tells it.

    :param controller: who makes its deployments: ECS, CODE_DEPLOY or EXTERNAL
    :param service_deployment: ARN of the newest entry of its deployment history, empty where AWS keeps none
    :param events: the newest first, `at` and `message`
    """

    name: str
    arn: str
    status: str
    desired: int
    running: int
    pending: int
    task_definition: str
    controller: str
    breaker: bool
    breaker_rollback: bool
    service_deployment: str
    deployments: tuple[Deployment, ...]
    events: tuple[Mapping[str, str], ...] = field(default=(), compare=False)

    @property
    def primary(self) -> Deployment | None:
        """The deployment that the service is moving to, or has reached."""
        return next((deployment for deployment in self.deployments if deployment.status == "PRIMARY"), None)

    @property
    def steady(self) -> bool:
        """Whether one completed deployment is all there is and has all its tasks."""
        return (len(self.deployments) == 1 and self.deployments[0].rollout_state in (COMPLETED, "")
                and self.running == self.desired and self.pending == 0)


@dataclass(frozen=True)
class Observed:
    """A service and the tasks of it that stopped."""

    service: Service
    stopped: tuple[StoppedTask, ...]


def service_names(connect: Connect, cluster: str, wanted: Sequence[str]) -> list[str]:
    """The services meant by names and patterns. Plain names are taken as they are, without listing the cluster.

    :raises OperationError: when the services cannot be listed
    """
    if wanted and not has_pattern(wanted):
        return list(dict.fromkeys(wanted))
    with explaining("list the services of an ECS cluster", cluster):
        existing = [str(arn).rpartition("/")[2] for arn in
                    all_pages(connect("ecs"), "list_services", "serviceArns", cluster=cluster, maxResults=100)]
    chosen = select(wanted, existing)
    return [*sorted(chosen.chosen), *chosen.absent]


def read_services(
    connect: Connect, run: Run, cluster: str, names: Sequence[str]
) -> tuple[tuple[Service, ...], Coverage]:
    """Describe services, ten a call; what does not exist or could not be read is a gap of its own."""

    def read_some(some: list[str]) -> dict[str, Service]:
        with explaining("read ECS services", f"{cluster}: {', '.join(some)}"):
            reply = connect("ecs").describe_services(cluster=cluster, services=some)
        return {service["serviceName"]: service_of(service) for service in reply["services"]}

    found: list[Service] = []
    gaps: list[Gap] = []
    for done in run.each(read_some, chunks(names, SERVICES_A_CALL)):
        for name in done.item:
            service = (done.answer or {}).get(name)
            if service is not None and service.status != "INACTIVE":
                found.append(service)
            else:
                reason = done.error.reason if done.error else "was deleted" if service else "does not exist"
                gaps.append(Gap(resource_of(cluster, name), reason))
    return tuple(found), Coverage(tuple(resource_of(cluster, service.name) for service in found), tuple(gaps))


def collect_services(
    connect: Connect, run: Run, cluster: str, wanted: Sequence[str]
) -> Collected[tuple[Observed, ...]]:
    """Read the services meant by names and patterns, and why tasks of theirs stopped; none given means all.

    :raises OperationError: when the services cannot be listed
    """
    services, coverage = read_services(connect, run, cluster, service_names(connect, cluster, wanted))

    def read_one(name: str) -> tuple[str, tuple[StoppedTask, ...]]:
        return name, stopped_tasks(connect, cluster, name)

    answers, more = gather(run, "stopped tasks of ecs-service", [service.name for service in services], read_one)
    stopped = dict(answers)
    observed = tuple(Observed(service, stopped.get(service.name, ())) for service in services)
    return Collected(observed, run.now(), merge_coverage([coverage, more, _listing(cluster, wanted)]))


def await_deployments(connect: Connect, run: Run, cluster: str, wanted: Sequence[str]) -> None:
    """Wait until no deployment of these services is under way, or the run's time is up.

    A run that was killed leaves one behind that ECS brings to its end; what is not at its end by then, evaluation says.

    :raises OperationError: when the services cannot be listed
    """
    names = service_names(connect, cluster, wanted)

    def under_way() -> list[str]:
        services, _coverage = read_services(connect, run, cluster, names)
        return [service.name for service in services
                if any(deployment.rollout_state == IN_PROGRESS for deployment in service.deployments)]

    run.poll().until(under_way, lambda seen: not seen,
                     lambda seen: f"waiting for the deployments of {', '.join(seen)}" if seen else "")


def evaluate_services(collected: Collected[tuple[Observed, ...]], cluster: str) -> list[Evidence]:
    """A service is right when it is active, has the tasks it wants, and one completed deployment is all there is."""
    evidence = []
    for service in (observed.service for observed in collected.state):
        resource = resource_of(cluster, service.name)
        evidence.append(Evidence("running tasks", resource, {"status": "ACTIVE", "running": service.desired},
                                 {"status": service.status, "running": service.running},
                                 service.status == "ACTIVE" and service.running == service.desired))
        if service.controller == "ECS":
            states = [f"{deployment.status} {deployment.rollout_state}".rstrip() for deployment in service.deployments]
            evidence.append(Evidence("deployments", resource, ["PRIMARY COMPLETED"], states,
                                     states in (["PRIMARY COMPLETED"], ["PRIMARY"])))
    return evidence


def describe_services(collected: Collected[tuple[Observed, ...]], events: int) -> Mapping[str, Any]:
    """The services as plain data, under `services`, each with its last events."""
    return {"services": [
        {**asdict(observed.service), "events": [dict(event) for event in observed.service.events[:events]],
         "stopped_tasks": [asdict(task) for task in observed.stopped], "why_stopped": why_stopped(observed.stopped)}
        for observed in collected.state]}


def resource_of(cluster: str, name: str) -> str:
    """A service's name in plans, evidence and coverage."""
    return f"{KIND}:{cluster.rpartition('/')[2]}/{name}"


def short(task_definition: str) -> str:
    """`family:revision` of a task definition's ARN."""
    return task_definition.rpartition("/")[2]


def service_of(reply: Mapping[str, Any]) -> Service:
    """A Service from the API's shape."""
    breaker = (reply.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
    revisions = [str(revision["arn"]) for revision in reply.get("currentServiceRevisions") or () if revision.get("arn")]
    deployments = reply.get("deployments") or ()
    return Service(
        name=reply["serviceName"], arn=reply["serviceArn"], status=reply.get("status", ""),
        desired=int(reply.get("desiredCount", 0)), running=int(reply.get("runningCount", 0)),
        pending=int(reply.get("pendingCount", 0)), task_definition=reply.get("taskDefinition", ""),
        controller=(reply.get("deploymentController") or {}).get("type", "ECS"),
        breaker=bool(breaker.get("enable")), breaker_rollback=bool(breaker.get("enable") and breaker.get("rollback")),
        service_deployment=reply.get("currentServiceDeployment", ""),
        deployments=tuple(_deployment(entry, _revision_of(entry["id"], revisions, len(deployments) == 1))
                          for entry in deployments),
        events=tuple({"at": moment(event.get("createdAt")), "message": event.get("message", "")}
                     for event in reply.get("events") or ()))


def _deployment(entry: Mapping[str, Any], revision: str) -> Deployment:
    return Deployment(
        id=entry["id"], status=entry.get("status", ""), rollout_state=entry.get("rolloutState", ""),
        rollout_reason=entry.get("rolloutStateReason", ""), task_definition=entry.get("taskDefinition", ""),
        desired=int(entry.get("desiredCount", 0)), running=int(entry.get("runningCount", 0)),
        pending=int(entry.get("pendingCount", 0)), failed_tasks=int(entry.get("failedTasks", 0)),
        created_at=moment(entry.get("createdAt")), updated_at=moment(entry.get("updatedAt")),
        service_revision=revision)


def _revision_of(deployment: str, revisions: Iterable[str], alone: bool) -> str:
    """The revision with the deployment's number; the only one where numbers differ and there is no doubt."""
    known = list(revisions)
    number = deployment.rpartition("/")[2]
    matching = [arn for arn in known if arn.rpartition("/")[2] == number]
    return (matching or (known if alone and len(known) == 1 else [""]))[0]


def _listing(cluster: str, wanted: Sequence[str]) -> Coverage:
    listed = not wanted or has_pattern(wanted)
    return Coverage((f"{KIND}s of {cluster} matching {', '.join(wanted) or '*'}",)) if listed else Coverage()
