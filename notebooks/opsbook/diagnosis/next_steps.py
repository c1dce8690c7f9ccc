"""What to do about a cause: complete commands with this incident's values. A test runs each of them with --check."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.findings import NextStep
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.service_map import Component
from opsbook.diagnosis.signs import Sign

Noticed = Mapping[str, Sign]
Steps = Callable[[Scene, Component, Noticed], list[NextStep]]


def next_steps_for(scene: Scene, component: Component, cause: str, noticed: Noticed) -> tuple[NextStep, ...]:
    """The steps for a cause at a component, what mends it first.

    :param noticed: the signs there, whose values the commands carry
    """
    steps = STEPS.get(cause, _look_closer)(scene, component, noticed)
    return tuple(steps or _look_closer(scene, component, noticed))


def playbook(scene: Scene, name: str, parameters: Mapping[str, Any], changes: bool = True) -> str:
    """A command that can be pasted: parameters as JSON, so that no blank or quote in a value changes it.

    :param changes: whether the procedure changes something, and so asks for a confirmation in production
    """
    confirmed = {"confirm": scene.system} if changes and scene.environment == "production" else {}
    given = {**parameters, **confirmed}
    chosen = [word for source in scene.inventory for word in ("-i", source)]
    words = ["ansible-playbook", *chosen, f"playbooks/{name}.yml", "--limit", scene.system,
             *(["-e", json.dumps(given)] if given else [])]
    return shlex.join(words)


def reason_of(scene: Scene, component: Component, noticed: Noticed, what: str) -> str:
    """Why an emergency is begun, for its record."""
    onset = min((sign.onset for sign in noticed.values() if sign.onset), default=None)
    since = f"since {onset:%Y-%m-%d %H:%M} UTC" if onset else f"seen at {scene.now:%Y-%m-%d %H:%M} UTC"
    return f"{what} of {component.name} {since}"


def _restart(title: str, what: str) -> Steps:
    def steps(scene: Scene, component: Component, noticed: Noticed) -> list[NextStep]:
        if component.kind != "ecs_service":
            return []
        given = {"services": [component.id], "override_reason": reason_of(scene, component, noticed, what)}
        return [NextStep(title.format(component.name), playbook(scene, "restart-services", given), True)]

    return steps


def _roll_back(scene: Scene, component: Component, noticed: Noticed) -> list[NextStep]:
    """Back to what ran before the deployment that fits in time; without one a restart, which often buys time."""
    deployed = noticed.get("deployed")
    before = deployed.actual.get("revision_before") if deployed and isinstance(deployed.actual, dict) else ""
    if component.kind != "ecs_service":
        return []
    if not before:
        return _restart("Start the tasks of {} anew, which may buy time", "errors")(scene, component, noticed)
    given = {"service": component.id, "service_revision": before,
             "override_reason": reason_of(scene, component, noticed, "errors")}
    title = f"Return {component.name} to what ran before the deployment"
    return [NextStep(title, playbook(scene, "roll-back-service", given), True)]


def _connections(title: str, what: str) -> Steps:
    def steps(scene: Scene, component: Component, noticed: Noticed) -> list[NextStep]:
        given = {"override_reason": reason_of(scene, component, noticed, what)}
        return [NextStep(title, playbook(scene, "database-connections", given), True)]

    return steps


def _database(operation: str, title: str) -> Steps:
    def steps(scene: Scene, component: Component, noticed: Noticed) -> list[NextStep]:
        given = {"operation": operation, "override_reason": reason_of(scene, component, noticed, "slow statements")}
        return [NextStep(title, playbook(scene, "database-maintenance", given), True)]

    return steps


def _disk(scene: Scene, component: Component, noticed: Noticed) -> list[NextStep]:
    given = {"override_reason": reason_of(scene, component, noticed, "disk full")}
    title = "Delete what is past its time, and give space back"
    return [NextStep(title, playbook(scene, "database-disk-full", given), True)]


def _investigate(investigation: str, title: str) -> Steps:
    """Another investigation of the same time; of one that runs already, the one that reads the logs, and the other way."""

    def steps(scene: Scene, component: Component, noticed: Noticed) -> list[NextStep]:
        another = "log-review" if scene.investigation != "log-review" else "high-error-rate"
        given: dict[str, Any] = {"investigation": another if investigation == scene.investigation else investigation}
        if not scene.is_about_now:
            minutes = round(scene.window.length.total_seconds() / 60)
            given["parameters"] = {"at": scene.window.end.isoformat(timespec="seconds"), "window": f"{minutes}m"}
        return [NextStep(title.format(component.name), playbook(scene, "investigate", given, changes=False))]

    return steps


def _by_hand(title: str, investigation: str = "") -> Steps:
    """What no procedure does yet: a person does it; the investigation that looks closer is named."""

    def steps(scene: Scene, component: Component, noticed: Noticed) -> list[NextStep]:
        closer = _investigate(investigation, "Look closer")(scene, component, noticed) if investigation else []
        return [NextStep(f"{title.format(component.name)} (no procedure does this yet)"), *closer]

    return steps


def _look_closer(scene: Scene, component: Component, noticed: Noticed) -> list[NextStep]:
    name = {
        "dynamodb_table": "dynamodb-throttling", "lambda_function": "lambda-timeouts", "postgres": "database-performance",
        "rds_instance": "database-performance", "redis": "redis-health", "elasticache_cluster": "redis-health",
    }.get(component.kind, "log-review")
    return _investigate(name, "Look closer at {}")(scene, component, noticed)


STEPS: dict[str, Steps] = {
    "application-error": _roll_back,
    "deployment-failing": _roll_back,
    "crash-loop": _roll_back,
    "permission-denied": _by_hand("Give {} the permission that its log names", "log-review"),
    "out-of-memory": _restart("Start the tasks of {} anew; give them more memory with the next deployment", "out of memory"),
    "memory-leak": _restart("Start the tasks of {} anew before their memory is full", "memory leak"),
    "unhealthy-targets": _restart("Start the tasks of {} anew", "unhealthy targets"),
    "connections-exhausted": _connections("End sessions that do nothing, and watch the recovery", "no connections left"),
    "lock-contention": _connections(
        "Look who is waited for (the table of sessions); end what leaves its transaction open", "sessions wait for locks"),
    "slow-query": _database("analyze", "Renew the planner's statistics"),
    "table-bloat": _database("vacuum", "Vacuum the tables"),
    "disk-full": _disk,
    "cpu-saturation": _by_hand("Run more tasks of {}, or find what takes the CPU", "high-latency"),
    "traffic-surge": _by_hand("Run more of what serves {}, or shed what does not belong there", "high-latency"),
    "table-throttled": _by_hand("Raise the capacity of {}, or let it be on demand", "dynamodb-throttling"),
    "hot-partition": _by_hand("Spread the keys of {}, or cache the hot one", "dynamodb-throttling"),
    "lambda-timeout": _by_hand("Raise the time-out or the memory of {} if it needs longer", "lambda-timeouts"),
    "lambda-throttled": _by_hand("Raise the concurrency of {}", "lambda-timeouts"),
    "dependency-failure": _by_hand("Tell the provider of {}, and switch off what depends on it", "high-error-rate"),
    "cache-eviction": _by_hand("Give {} more memory, or let keys expire sooner", "redis-health"),
    "cache-out-of-memory": _by_hand("Give {} more memory, or a policy that evicts", "redis-health"),
    "cache-slow-commands": _by_hand("Replace the slow commands that the log of {} names", "redis-health"),
    "dns-failure": _by_hand("Mend the name of {}", "no-traffic"),
    "certificate-expired": _by_hand("Renew the certificate of {}", "no-traffic"),
    "route-closed": _by_hand("Open the way to {} again: listener, route, security group", "no-traffic"),
    "clients-gone": _by_hand("Ask the clients of {} what changed on their side", "no-traffic"),
}
"""By cause; what is not here is looked at closer."""
