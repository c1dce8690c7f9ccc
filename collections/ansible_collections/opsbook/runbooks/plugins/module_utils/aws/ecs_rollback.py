# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back of a deployment that failed: to the last one that was completed, with the images it ran.

AWS goes back by itself (circuit breaker with rollback) or when asked (StopServiceDeployment) as long as the deployment
is under way, and then runs the old revision's resolved images. A deployment that it has given up is past that: a new
one of the earlier task definition is started, or, where the definition is the same, of a copy with the images pinned.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import OperationError
from ..core.evidence import Evidence
from ..core.operation import Recovery
from ..core.parallel import Done
from .calls import call_once
from .ecs_candidates import Completed
from .ecs_definitions import ensure_definition, target_of
from .ecs_history import GOING_BACK, OPEN, WENT_BACK, ServiceDeployment, read_revisions, read_service_deployments
from .ecs_rollout import FAILING, GIVEN_UP, REPLACED, ROLLED_BACK, TIMED_OUT, Rollout, start_deployment
from .ecs_services import FAILED, Deployment, Service, read_services, resource_of, short

NOTHING = "not rolled back, because"


@dataclass(frozen=True)
class Way:
    """How one service goes back.

    :param how: what was done, or why nothing was
    :param task_definition: ARN that is to run in the end; empty where nothing was done
    :param started: id of the deployment that goes back; empty where AWS chooses it
    """

    how: str
    task_definition: str = ""
    started: str = ""


def go_back(rollout: Rollout) -> Recovery:
    """Bring each service whose deployment failed back to its last completed deployment, and wait until it is there.

    A deployment that is only slow is left alone, and so is a service whose state could not be read.
    """
    unsuccessful = (GIVEN_UP, FAILING, REPLACED, ROLLED_BACK, TIMED_OUT)
    names = [name for name, verdict in rollout.verdicts.items()
             if verdict.state in unsuccessful and rollout.expected[name].rolling]
    if not names:
        return Recovery("")
    ways = {done.item: _way_of(done) for done in
            rollout.run.each_change(lambda name: _begin(rollout, name), names)}
    seen = _wait(rollout, {name: way for name, way in ways.items() if way.task_definition})
    evidence = [_evidence(rollout, name, ways[name], service) for name, service in seen.items()]
    return Recovery(". ".join(_summary(rollout, name, ways[name], seen.get(name)) for name in names), evidence)


def is_back(service: Service, failed: str, way: Way) -> bool:
    """Whether a service runs what it went back to, and nothing else."""
    primary = service.primary
    return (primary is not None and primary.id != failed and service.steady
            and way.started in ("", primary.id) and primary.task_definition == way.task_definition)


def _begin(rollout: Rollout, name: str) -> Way:
    """Look once more and set off."""
    services, coverage = read_services(rollout.connect, rollout.run, rollout.request.cluster, [name])
    if not services or services[0].primary is None:
        reason = "; ".join(gap.reason for gap in coverage.missing) or "it has no deployment"
        raise OperationError("read an ECS service", name, reason)
    service, primary = services[0], services[0].primary
    completed, expected = rollout.candidates[name].completed, rollout.expected[name]
    entry = read_service_deployments(rollout.connect, [service.service_deployment]).get(service.service_deployment)
    if primary.id != expected.deployment:
        return _after_replacement(rollout, name, primary, entry)
    if rollout.verdicts[name].state == TIMED_OUT:
        return Way(f"{NOTHING} it is still in progress and its tasks do not fail; run again to wait for it")
    if completed is None:
        return Way(f"{NOTHING} no deployment of the service was ever completed")
    if entry is not None and entry.status in GOING_BACK:
        return Way("is being rolled back by AWS", completed.task_definition)
    if primary.rollout_state == FAILED and service.breaker_rollback:
        return Way("rolled back by AWS's circuit breaker", completed.task_definition)
    if primary.rollout_state != FAILED and entry is not None and entry.status in OPEN:
        _stop(rollout, entry)
        return Way("stopped and rolled back", completed.task_definition)
    return _deploy_completed(rollout, name, service, primary, completed)


def _after_replacement(rollout: Rollout, name: str, primary: Deployment, entry: ServiceDeployment | None) -> Way:
    """Another deployment leads: AWS's own way back, or somebody else's deployment, which is not ours to touch."""
    candidate, expected = rollout.candidates[name], rollout.expected[name]
    own = entry is not None and entry.deployment == expected.deployment
    back = own and entry is not None and entry.status in GOING_BACK | WENT_BACK
    earlier = primary.id in {deployment.id for deployment in candidate.service.deployments}
    if back or earlier or "rolling back" in primary.rollout_reason:
        wanted = candidate.completed.task_definition if candidate.completed else primary.task_definition
        return Way("rolled back by AWS", wanted)
    return Way(f"{NOTHING} another deployment ({primary.id}, {short(primary.task_definition)}) has taken its place")


def _stop(rollout: Rollout, entry: ServiceDeployment) -> None:
    """Ask AWS to stop a deployment and go back. Asked twice, or going back already, comes to the same."""
    try:
        call_once(rollout.run, lambda: rollout.once("ecs").stop_service_deployment(
            serviceDeploymentArn=entry.arn, stopType="ROLLBACK"), "stop a service deployment with rollback", entry.arn)
    except OperationError:
        now = read_service_deployments(rollout.connect, [entry.arn]).get(entry.arn)
        if now is None or now.status not in GOING_BACK | WENT_BACK:
            raise


def _deploy_completed(
    rollout: Rollout, name: str, service: Service, primary: Deployment, completed: Completed
) -> Way:
    """Start a deployment of what the last completed one ran."""
    forced = completed.task_definition == primary.task_definition
    definition = completed.task_definition
    if completed.revision is not None:
        latest = read_revisions(rollout.connect, [primary.service_revision]).get(primary.service_revision)
        target = target_of(rollout.connect, completed.revision, latest, forced)
        if target.arn != primary.task_definition:
            definition = ensure_definition(rollout.connect, rollout.once, rollout.run, target)
    if definition == primary.task_definition:
        why = "ran the same images" if completed.revision and completed.revision.digests else \
            "left no record of its images"
        return Way(f"{NOTHING} the last completed deployment had the same task definition and {why}; "
                   "the tasks of before go on running")
    started = start_deployment(rollout, name, definition, definition == service.task_definition, primary.id)
    said = "rolled back by a new deployment of " + short(definition)
    if definition != completed.task_definition:
        said += f", a copy of {short(completed.task_definition)} with its images pinned by digest"
    return Way(said, definition, started.id)


def _way_of(done: Done[str, Way]) -> Way:
    return done.answer or Way(f"{NOTHING} {done.error.message() if done.error else 'it was not begun'}")


def _wait(rollout: Rollout, ways: dict[str, Way]) -> dict[str, Service]:
    """Wait until all are back, or one cannot be, or time is up; returns what was seen last."""
    seen: dict[str, Service] = {}

    def settled(name: str) -> bool:
        service = seen.get(name)
        failed = rollout.expected[name].deployment
        if service is None or service.primary is None:
            return False
        gone_wrong = service.primary.id != failed and service.primary.rollout_state == FAILED
        return gone_wrong or is_back(service, failed, ways[name])

    def look() -> list[str]:
        names = [name for name in ways if not settled(name)]
        services, _coverage = read_services(rollout.connect, rollout.run, rollout.request.cluster, names)
        seen.update({service.name: service for service in services})
        return [name for name in names if not settled(name)]

    if ways:
        rollout.run.poll().until(look, lambda left: not left, lambda left: "; ".join(
            f"{name}: going back, {seen[name].running if name in seen else '?'} tasks run" for name in left))
    return seen


def _evidence(rollout: Rollout, name: str, way: Way, service: Service) -> Evidence:
    primary = service.primary
    expected = {"task_definition": short(way.task_definition), "rollout_state": "COMPLETED", "running": service.desired}
    actual = {"task_definition": short(primary.task_definition) if primary else "",
              "rollout_state": primary.rollout_state if primary else "", "running": service.running}
    return Evidence("rollback", resource_of(rollout.request.cluster, name), expected, actual,
                    is_back(service, rollout.expected[name].deployment, way))


def _summary(rollout: Rollout, name: str, way: Way, service: Service | None) -> str:
    if not way.task_definition:
        return f"{name}: {way.how}"
    if service is None or service.primary is None:
        return f"{name}: {way.how}; what runs now could not be read"
    primary = service.primary
    revision = f", service revision {primary.service_revision.rpartition('/')[2]}" if primary.service_revision else ""
    unfinished = "" if is_back(service, rollout.expected[name].deployment, way) else ", not finished when time was up"
    return (f"{name}: {way.how}{unfinished}; now {short(primary.task_definition)} runs (deployment {primary.id} is "
            f"{primary.rollout_state or primary.status}{revision}), {service.running} of {service.desired} tasks")
