# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deployments of ECS services started and watched to their end, all of them in one wait.

The wait asks for ten services a call, so that it costs calls and not services, and a deployment is done only when it
is itself the one completed: its id, its task definition and its entry in the deployment history must all say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..core.change import Change
from ..core.coverage import Collected
from ..core.errors import OperationError, OutcomeUnknown
from ..core.evidence import Evidence
from ..core.operation import Outcome
from ..core.run import Run
from .calls import call_once
from .client import Connect
from .ecs_candidates import Candidate, decide, failure_bound, is_failing
from .ecs_definitions import ensure_definition
from .ecs_history import GOING_BACK, OPEN, SUCCESSFUL, WENT_BACK, ServiceDeployment, read_service_deployments
from .ecs_requests import Request
from .ecs_services import FAILED, Deployment, Service, read_services, resource_of, service_of, short
from .ecs_tasks import StoppedTask, stopped_tasks, why_stopped

DONE, MOVING = "completed", "in progress"
GIVEN_UP, FAILING, REPLACED, ROLLED_BACK = "failed", "failing", "replaced", "rolled back"
TIMED_OUT, UNREADABLE = "timed out", "unreadable"
LAST_EVENTS = 5
# Kept of the run's time for going back, so that a deployment found failing at the very end can still be stopped.
RESERVED_SHARE, RESERVED_SECONDS = 0.1, 60.0
# How long a new deployment may take to be seen after the answer to the call that started it was lost.
SETTLING_SECONDS = 5.0


@dataclass(frozen=True)
class Expected:
    """What a service is waited for to show.

    :param deployment: id of the deployment that must be completed
    :param task_definition: ARN that it must run; empty where any is right
    :param rolling: whether the deployment was started by this run or found under way
    """

    deployment: str
    task_definition: str
    rolling: bool


@dataclass(frozen=True)
class Verdict:
    """How a service stands.

    :param state: one of the words above; everything but MOVING ends the wait
    :param reason: why it is not completed
    """

    state: str
    reason: str = ""
    service: Service | None = None
    stopped: tuple[StoppedTask, ...] = ()


@dataclass
class Rollout:
    """What one run knows of its services from step to step; by service name."""

    connect: Connect
    once: Connect
    run: Run
    request: Request
    candidates: dict[str, Candidate] = field(default_factory=dict)
    expected: dict[str, Expected] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)


def apply_deployment(rollout: Rollout, change: Change) -> Outcome:
    """Start one deployment; a copy of the task definition with pinned images is registered first where needed."""
    name, target = change.handle["service"], change.handle["target"]
    definition = ensure_definition(rollout.connect, rollout.once, rollout.run, target) if target else ""
    started = start_deployment(rollout, name, definition, change.handle["force"], change.handle["previous"])
    rollout.expected[name] = Expected(started.id, started.task_definition, rolling=True)
    return Outcome(change.resource, {"deployment": started.id, "task_definition": started.task_definition})


def start_deployment(rollout: Rollout, name: str, definition: str, force: bool, previous: str) -> Deployment:
    """One UpdateService, sent once. The desired count is never part of it.

    :param definition: ARN to deploy; empty for the one the service has
    :param previous: id of the deployment that was PRIMARY before
    :raises OutcomeUnknown: when the answer was lost and no new deployment has appeared
    """
    request: dict[str, Any] = {"cluster": rollout.request.cluster, "service": name}
    if definition:
        request["taskDefinition"] = definition
    if force:
        request["forceNewDeployment"] = True
    try:
        reply = call_once(rollout.run, lambda: rollout.once("ecs").update_service(**request),
                          "start a deployment of an ECS service", f"{rollout.request.cluster}/{name}")
    except OutcomeUnknown as error:
        return _started_after_all(rollout, name, definition, previous, error)
    primary = service_of(reply["service"]).primary
    if primary is None or primary.id == previous:
        raise OperationError("start a deployment of an ECS service", f"{rollout.request.cluster}/{name}",
                             "AWS answered without starting one", "Look at the service's events.")
    return primary


def verify_deployments(rollout: Rollout, collected: Collected[tuple[Candidate, ...]]) -> list[Evidence]:
    """Wait until every deployment is completed or is known not to be, and tell what was seen.

    Waited for is what this run started, what was under way, and what was left alone because it is done already. Of a
    service whose deployment could not be started only the running tasks are told.
    """
    rollout.candidates = {candidate.service.name: candidate for candidate in collected.state}
    unstarted = [name for name in rollout.candidates if not _expect(rollout, name, collected.now)]
    rollout.verdicts = {name: Verdict(MOVING) for name in sorted(rollout.expected)}
    _wait(rollout)
    _look_into_failures(rollout)
    evidence = [item for name in rollout.verdicts for item in _evidence(rollout, name)]
    return evidence + _evidence_of_unstarted(rollout, unstarted)


def judge(service: Service, expected: Expected, entry: ServiceDeployment | None) -> Verdict:
    """How a service stands towards the deployment that is waited for.

    :param entry: the service's newest entry of the deployment history, if it was asked for and AWS keeps one
    """
    primary = service.primary
    if service.status != "ACTIVE" or primary is None:
        return Verdict(GIVEN_UP, f"the service is {service.status}", service)
    own = entry if entry is not None and entry.deployment == expected.deployment else None
    if primary.id != expected.deployment:
        state = ROLLED_BACK if own and own.status in GOING_BACK | WENT_BACK else REPLACED
        said = own.reason if own and own.reason else primary.rollout_reason
        return Verdict(state, f"deployment {primary.id} has taken its place. {said}", service)
    if expected.task_definition and primary.task_definition != expected.task_definition:
        return Verdict(REPLACED, f"it runs {short(primary.task_definition)}", service)
    if primary.rollout_state == FAILED:
        return Verdict(GIVEN_UP, primary.rollout_reason or "ECS gave the deployment up", service)
    if is_failing(service, primary):
        return Verdict(FAILING, f"{primary.failed_tasks} tasks failed one after the other, and the service has no "
                                f"circuit breaker (bound: {failure_bound(service.desired)})", service)
    if not service.steady:
        return Verdict(MOVING, _progress(service), service)
    if own is not None and own.status != SUCCESSFUL:
        return Verdict(MOVING if own.status in OPEN else ROLLED_BACK, f"{own.status}: {own.reason}", service)
    return Verdict(DONE, "", service)


def after_time(seconds: float, verdict: Verdict, stopped: Sequence[StoppedTask]) -> tuple[str, str]:
    """State and reason of a deployment that is not completed when time is up.

    One that is only slow is left to go on. One whose tasks fail, also after they came up, which AWS does not count, is
    failing.
    """
    service, failures = verdict.service, sum(task.failed for task in stopped)
    running = service.primary.running if service and service.primary else 0
    said = f"not completed when time was up (wait_timeout {seconds:g} s): {verdict.reason}"
    bound = failure_bound(service.desired if service else 0)
    return (FAILING if failures >= bound or (failures and not running) else TIMED_OUT), said


def _expect(rollout: Rollout, name: str, now: datetime) -> bool:
    """Note which deployment of a service is waited for; False where one was to be started and was not."""
    if name in rollout.expected:
        return True
    candidate = rollout.candidates[name]
    decision = decide(candidate, rollout.request, rollout.run.limits, now)
    primary = candidate.service.primary
    if decision.awaited:
        own = primary is not None and primary.id == decision.awaited
        definition = primary.task_definition if primary is not None and own else ""
        rollout.expected[name] = Expected(decision.awaited, definition, decision.rolling)
    return not decision.deploy


def _started_after_all(
    rollout: Rollout, name: str, definition: str, previous: str, error: OutcomeUnknown
) -> Deployment:
    """The deployment that appeared although the answer to UpdateService was lost."""

    def look() -> Deployment | None:
        services, _coverage = read_services(rollout.connect, rollout.run, rollout.request.cluster, [name])
        primary = services[0].primary if services else None
        if primary is None or primary.id == previous or definition not in ("", primary.task_definition):
            return None
        return primary

    poll = rollout.run.poll(longest_delay=1.0)
    poll.deadline = min(poll.deadline, poll.clock.monotonic() + SETTLING_SECONDS)
    found = poll.until(look, lambda seen: seen is not None, lambda seen: f"{name}: looking for the new deployment").seen
    if found is None:
        raise error
    return found


def _wait(rollout: Rollout) -> None:
    poll = rollout.run.poll()
    if rollout.request.rollback:
        poll.deadline -= min(RESERVED_SECONDS, rollout.run.timeout * RESERVED_SHARE)
    poll.until(lambda: _look(rollout), lambda moving: not moving, lambda moving: _say(rollout, moving))


def _look(rollout: Rollout) -> list[str]:
    """Read and judge the services not settled yet; returns those still moving."""
    names = [name for name, verdict in rollout.verdicts.items() if verdict.state == MOVING]
    services, coverage = read_services(rollout.connect, rollout.run, rollout.request.cluster, names)
    entries = read_service_deployments(rollout.connect, [
        service.service_deployment for service in services
        if service.steady or (service.primary and service.primary.id != rollout.expected[service.name].deployment)])
    for service in services:
        entry = entries.get(service.service_deployment)
        rollout.verdicts[service.name] = judge(service, rollout.expected[service.name], entry)
    reasons = {gap.resource: gap.reason for gap in coverage.missing}
    for name in names:
        reason = reasons.get(resource_of(rollout.request.cluster, name))
        if reason:
            rollout.verdicts[name] = Verdict(UNREADABLE, reason)
    return [name for name in names if rollout.verdicts[name].state == MOVING]


def _say(rollout: Rollout, moving: Sequence[str]) -> str:
    shown = [f"{name}: {rollout.verdicts[name].reason}" for name in moving[:4]]
    return "; ".join([*shown, *([f"{len(moving) - 4} more services"] if len(moving) > 4 else [])])


def _progress(service: Service) -> str:
    primary = service.primary
    new = primary.running if primary else 0
    return f"{new} of {service.desired} new tasks run, {service.running - new} old"


def _look_into_failures(rollout: Rollout) -> None:
    """Find out why the tasks of deployments stopped that are not completed, and what a time-out means."""
    failed = {name: verdict for name, verdict in rollout.verdicts.items() if verdict.state not in (DONE, UNREADABLE)}
    done = rollout.run.each(
        lambda name: stopped_tasks(rollout.connect, rollout.request.cluster, name), sorted(failed))
    for item in done:
        verdict, deployment = failed[item.item], rollout.expected[item.item].deployment
        stopped = tuple(task for task in item.answer or () if task.deployment == deployment)
        unread = f"; why tasks stopped could not be read: {item.error.reason}" if item.error else ""
        state, reason = verdict.state, verdict.reason
        if state == MOVING:
            state, reason = after_time(rollout.run.timeout, verdict, stopped)
        rollout.verdicts[item.item] = Verdict(state, reason + unread, verdict.service, stopped)


def _evidence(rollout: Rollout, name: str) -> list[Evidence]:
    """The deployment expected and seen; for one that is not completed also why, and the service's last events."""
    verdict, expected = rollout.verdicts[name], rollout.expected[name]
    resource, service = resource_of(rollout.request.cluster, name), verdict.service
    wanted = {"state": DONE, "deployment": expected.deployment}
    if verdict.state == DONE:
        return [Evidence("deployment", resource, wanted, {"state": DONE, **_seen(service)}, True)]
    actual = {"state": verdict.state, "reason": verdict.reason, "stopped_tasks": why_stopped(verdict.stopped),
              **_seen(service)}
    events = [event["message"] for event in service.events[:LAST_EVENTS]] if service else []
    return [Evidence("deployment", resource, wanted, actual, False),
            Evidence("last events", resource, "none that tells of a failure", events, None)]


def _seen(service: Service | None) -> Mapping[str, Any]:
    if service is None or service.primary is None:
        return {}
    return {"deployment": service.primary.id, "task_definition": short(service.primary.task_definition),
            "running": service.running, "desired": service.desired}


def _evidence_of_unstarted(rollout: Rollout, names: Sequence[str]) -> list[Evidence]:
    """What runs where no deployment could be started."""
    services, coverage = read_services(rollout.connect, rollout.run, rollout.request.cluster, names)
    evidence = [Evidence("running tasks", resource_of(rollout.request.cluster, service.name), service.desired,
                         service.running, service.running == service.desired) for service in services]
    return evidence + [Evidence("running tasks", gap.resource, "readable", gap.reason, None)
                       for gap in coverage.missing]
