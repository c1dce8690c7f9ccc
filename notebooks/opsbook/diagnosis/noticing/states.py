"""Signs in how things are: services and their stopped tasks, targets, load balancers, functions against their bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_services import Observed
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.ecs_tasks import StoppedTask
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elasticache_clusters import (
    USABLE as CACHE_USABLE,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elasticache_clusters import Cluster
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_balancers import Balancer
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_targets import TargetGroup
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.lambda_limits import Bounds
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.rds_instances import (
    GIBIBYTE,
    Instance,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.rds_instances import (
    USABLE as RDS_USABLE,
)
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.series import Series
from opsbook.diagnosis.signs import Sign
from opsbook.evidence.states import TableUse

KILLED = 137
"""128 and SIGKILL: what the kernel's out-of-memory killer leaves. ECS then says OutOfMemoryError as well."""
NEVER_STARTED = ("TaskFailedToStart",)
NOT_STARTED = ("CannotPullContainer", "ResourceInitializationError", "CannotStartContainer", "CannotCreateContainer")
"""ECS' reasons for a task that never ran (ECS Developer Guide, stopped task error messages)."""
ENDED = ("EssentialContainerExited",)
TIMED_OUT = ("Target.Timeout",)
LEAVING = ("draining", "unused", "initial")
NEARLY = 0.9
"""Of a hard limit, the part from which on the next busy second meets it."""


def service_signs(scene: Scene, observed: Iterable[Observed], evidence: str) -> Iterator[Sign]:
    """The signs in ECS services and in the tasks of them that stopped."""
    names = {component.id: component.name for component in scene.service_map.of_kind("ecs_service")}
    for one in observed:
        name, service = names.get(one.service.name, one.service.name), one.service
        if service.running < service.desired:
            yield Sign(name, "tasks-missing", f"{service.running} of {service.desired} tasks run.", (evidence,), None,
                       {"running": service.desired}, {"running": service.running})
        yield from _stopped(scene, name, one.stopped, evidence)
        for newest in service.deployments[:1]:
            state = newest.rollout_state
            if state == "FAILED" or (state == "IN_PROGRESS" and newest.failed_tasks):
                yield Sign(name, "deployment-unfinished", f"Its deployment since {newest.created_at[11:16]} UTC is {state}, "
                           f"{newest.failed_tasks} tasks failed: {newest.rollout_reason}", (evidence,),
                           _moment(newest.created_at), {"rollout": "COMPLETED"},
                           {"rollout": state, "failed_tasks": newest.failed_tasks})


def _stopped(scene: Scene, name: str, tasks: Sequence[StoppedTask], evidence: str) -> Iterator[Sign]:
    """Why tasks stopped, one sign a reason; what a deployment or a person ended is none."""
    by_kind: dict[str, list[StoppedTask]] = {}
    for task in tasks:
        by_kind.setdefault(_why(task), []).append(task)
    for kind, mine in by_kind.items():
        if kind:
            times = [_moment(task.stopped_at) for task in mine if task.stopped_at]
            yield Sign(name, kind, f"{len(mine)} tasks stopped: {_reason(mine[0])}", (evidence,), min(times, default=None),
                       {"stopped": 0}, {"stopped": len(mine), "exit_codes": _codes(mine)})


def _why(task: StoppedTask) -> str:
    """The sign that a stopped task is; empty for one that a deployment or a person ended."""
    words = " ".join([task.reason, *(container.reason for container in task.containers)])
    if "OutOfMemory" in words or (task.stop_code in ENDED and KILLED in _codes([task])):
        return "tasks-killed-for-memory"
    # What has an exit code ran, whatever the code of its stop: a host's retirement ends tasks of days as "failed to start".
    never_ran = task.stop_code in NEVER_STARTED and not _codes([task])
    if never_ran or any(word in words for word in NOT_STARTED):
        return "tasks-do-not-start"
    return "tasks-exit" if task.stop_code in ENDED else ""


def _codes(tasks: Iterable[StoppedTask]) -> list[int]:
    codes = {container.exit_code for task in tasks for container in task.containers}
    return sorted(code for code in codes if code is not None)


def _reason(task: StoppedTask) -> str:
    parts = [task.reason, *(container.reason for container in task.containers if container.reason)]
    codes = [f"exit code {code}" for code in _codes([task])]
    return "; ".join(dict.fromkeys([*parts, *codes])) + "."


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def target_signs(scene: Scene, groups: Iterable[TargetGroup], evidence: str) -> Iterator[Sign]:
    """The signs in the health of load balancers' targets."""
    names = {component.target_group.split("/")[1]: component.name
             for component in scene.service_map.components if component.target_group}
    for group in groups:
        staying = [target for target in group.targets if target.state not in LEAVING]
        bad = [target for target in staying if target.state != "healthy"]
        if group.name not in names or not bad:
            continue
        reasons = sorted({f"{target.reason or target.state}: {target.description}".rstrip(": ") for target in bad})
        slow = all(target.reason in TIMED_OUT for target in bad)
        yield Sign(names[group.name], "health-check-times-out" if slow else "targets-unhealthy",
                   f"{len(bad)} of {len(staying)} targets are {bad[0].state}: {'; '.join(reasons)}.", (evidence,), None,
                   {"healthy": len(staying)}, {"healthy": len(staying) - len(bad), "reasons": reasons})


def balancer_signs(scene: Scene, balancers: Iterable[Balancer], evidence: str) -> Iterator[Sign]:
    """The signs in load balancers: whether anybody can come in at all."""
    names = {component.id: component.name for component in scene.service_map.of_kind("load_balancer")}
    for balancer in balancers:
        name = names.get(balancer.id, balancer.name)
        if not balancer.listeners:
            yield Sign(name, "port-closed", "It has no listener.", (evidence,), None, {"listeners": "one or more"},
                       {"listeners": 0})
        elif balancer.state == "failed":
            yield Sign(name, "not-answering", "AWS says that it has failed.", (evidence,), None, "active", balancer.state)
        elif balancer.scheme == "internet-facing":
            ports = [listener.port for listener in balancer.listeners]
            if all(balancer.reachable(port) is False for port in ports):
                yield Sign(name, "port-closed", f"Its security groups let nobody in on {', '.join(map(str, ports))}.",
                           (evidence,), None, {"open": ports}, {"open": []})


def function_signs(scene: Scene, bounds: Iterable[Bounds], series: Sequence[Series], evidence: str) -> Iterator[Sign]:
    """The signs in functions against their bounds: calls that end at the time-out, and as many at once as may.

    :param series: of all components, for what was measured of the functions
    """
    names = {component.id: component.name for component in scene.service_map.of_kind("lambda_function")}
    for bounded in (one for bound in bounds for one in bound.functions):
        name = names.get(bounded.function.name, bounded.function.name)
        limit_ms = 1000 * bounded.function.timeout
        longest = _longest(scene, series, name, "latency_max")
        before = _longest(scene, series, name, "latency_max", window=False)
        if longest and limit_ms and longest[1] >= limit_ms * scene.limits.timeout_percent / 100 and (
                before is None or before[1] < limit_ms * scene.limits.timeout_percent / 100):
            yield Sign(name, "at-timeout", f"Its longest call took {longest[1] / 1000:.1f} s; it is cut off at "
                       f"{bounded.function.timeout} s.", (evidence,), longest[0],
                       {"at_most_percent_of_timeout": scene.limits.timeout_percent},
                       {"percent_of_timeout": round(100 * longest[1] / limit_ms, 1)})
        most = _longest(scene, series, name, "concurrency")
        if most and bounded.reserved and most[1] >= NEARLY * bounded.reserved:
            yield Sign(name, "at-concurrency-limit", f"{most[1]:.0f} of {bounded.reserved} calls that it may have at once.",
                       (evidence,), most[0], {"below": bounded.reserved}, {"concurrency": most[1]})


def _longest(
    scene: Scene, series: Sequence[Series], component: str, metric: str, window: bool = True
) -> tuple[datetime, float] | None:
    """The first moment of the greatest value in the window, or in the baseline."""
    span = scene.window if window else scene.baseline
    found = [point for one in series if (one.component, one.metric) == (component, metric)
             for point in one.within(span.start, span.end)]
    return min(found, key=lambda point: (-point[1], point[0]), default=None)


def table_use_signs(scene: Scene, uses: Iterable[TableUse], evidence: str) -> Iterator[Sign]:
    """Indexes that refused requests: those of the table itself are in its metrics."""
    names = {component.id: component.name for component in scene.service_map.of_kind("dynamodb_table")}
    for one in uses:
        if one.index and one.throttle_events:
            used = "unknown" if one.used_percent is None else f"{one.used_percent:.0f} %"
            told = (f"Its index {one.index} refused {one.throttle_events:,.0f} {one.direction.lower()}s; {used} of its "
                    f"{one.limit:,} units a second are used.")
            yield Sign(names.get(one.component, one.component), "throttled", told, (evidence,), None, {"refused": 0},
                       {"refused": one.throttle_events, "index": one.index})


def instance_signs(scene: Scene, instances: Iterable[Instance], series: Sequence[Series], evidence: str) -> Iterator[Sign]:
    """RDS instances that are not available, and storage that runs out."""
    names = {component.id: component.name for component in scene.service_map.of_kind("rds_instance")}
    for one in instances:
        name = names.get(one.name, one.name)
        if one.status not in RDS_USABLE:
            kind = "disk-filling" if one.status == "storage-full" else "not-answering"
            yield Sign(name, kind, f"RDS says that it is {one.status}.", (evidence,), None, "available", one.status)
        free = _newest(scene, series, name, "free_storage")
        if free is not None and one.has_own_storage and one.storage:
            used = 100 - 100 * free / (one.storage * GIBIBYTE)
            if used > scene.limits.disk_percent and not one.maximum_storage:
                yield Sign(name, "disk-filling", f"{used:.0f} % of its {one.storage} GiB are used, and it does not grow.",
                           (evidence,), None, {"at_most_percent": scene.limits.disk_percent}, {"percent": round(used, 1)})


def cluster_signs(scene: Scene, clusters: Iterable[Cluster], evidence: str) -> Iterator[Sign]:
    """ElastiCache clusters that are not available."""
    names = {component.id: component.name for component in scene.service_map.of_kind("elasticache_cluster")}
    for one in clusters:
        name = names.get(one.name) or next((named for known, named in names.items() if known.startswith(f"{one.name}-")), "")
        if name and one.status not in CACHE_USABLE:
            yield Sign(name, "not-answering", f"ElastiCache says that {one.name} is {one.status}.", (evidence,), None,
                       "available", one.status)


def _newest(scene: Scene, series: Sequence[Series], component: str, metric: str) -> float | None:
    points = [point for one in series if (one.component, one.metric) == (component, metric)
              for point in one.within(scene.window.start, scene.window.end)]
    return max(points)[1] if points else None
