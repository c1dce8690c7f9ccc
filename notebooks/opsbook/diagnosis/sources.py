"""Where each sign is seen: the pieces of evidence without which its absence says nothing.

"Nothing wrong" may be said only where every sign that would be the symptom could have been seen. Which pieces that takes
follows from the signs; nobody has to remember it for each question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsbook.diagnosis.causes import CACHES, DATABASES, ENTRANCES
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.service_map import Component, ServiceMap
from opsbook.evidence.metric_table import MEASURES, published_as
from opsbook.evidence.pieces import Piece

LINES, SERVICES, SESSIONS, CACHE = "lines of trouble", "ECS services", "database sessions", "cache"
SLOW_COMMANDS = "slow commands of the cache"

SEEN_IN: Mapping[str, tuple[str, ...]] = {
    "tasks-missing": (SERVICES,), "tasks-killed-for-memory": (SERVICES,), "tasks-exit": (SERVICES,),
    "tasks-do-not-start": (SERVICES,), "deployment-unfinished": (SERVICES,),
    "targets-unhealthy": ("targets",), "health-check-times-out": ("targets",), "port-closed": ("load balancers",),
    "name-wrong": ("names",), "certificate-bad": ("certificates",),
    "not-answering": ("endpoints", SESSIONS, CACHE, "providers"), "scheduler-stopped": ("endpoints",),
    "connections-high": (SESSIONS,), "sessions-blocked": (SESSIONS,), "idle-in-transaction": (SESSIONS,),
    "slow-statements": ("statements lately",), "tables-bloated": ("database statistics",),
    "refuses-writes": (CACHE,), "evicting": (CACHE,), "slow-commands": (SLOW_COMMANDS,),
    "at-timeout": ("functions",), "at-concurrency-limit": ("functions",),
    **dict.fromkeys((
        "new-errors", "blames-others", "blamed", "says-timed-out", "says-killed", "says-denied", "says-connections-out",
        "says-refused-connection", "says-lock", "says-no-memory", "pool-exhausted",
    ), (LINES,)),
}  # fmt: skip
"""Pieces by sign, by the names that `collect` gives them. What metrics show is asked of each component (`measured`)."""

ABOUT: Mapping[str, tuple[str, ...]] = {
    SERVICES: ("ecs_service",), "targets": ("ecs_service",), "load balancers": ("load_balancer",), SESSIONS: DATABASES,
    "statements lately": DATABASES, "database statistics": DATABASES, CACHE: CACHES, SLOW_COMMANDS: CACHES,
    "functions": ("lambda_function",), "providers": ("external",), "endpoints": ENTRANCES,
}
"""The kinds of components that a piece is about: where a system has none of them, the piece is not needed."""

OPTIONAL = frozenset({"certificates", "names", "providers", "targets"})
"""What a system may leave out of its inventory: a service inside needs no name, one behind a proxy no certificate."""

STAND_IN: Mapping[str, str] = {"errors": "error_percent"}
"""What is measured instead where a kind of component has no such metric."""


def lacking(scene: Scene, signs: frozenset[str], kinds: frozenset[str], pieces: Mapping[str, Piece[Any]]) -> dict[str, str]:
    """What could not be seen of the pieces that these signs are seen in, with why.

    :param kinds: of the components that the signs count at
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(piece for sign in sorted(signs) for piece in SEEN_IN.get(sign, ())):
        if not _is_needed(name, kinds, scene.service_map):
            continue
        if name not in pieces:
            found[name] = "it was not collected"
            continue
        found.update({gap.resource: gap.reason for gap in pieces[name].coverage.missing})
        if name not in OPTIONAL:
            found.update({gap.resource: gap.reason for gap in pieces[name].coverage.left_out
                          if gap.reason.startswith("not declared")})
        if pieces[name].span is None and not scene.is_about_now:
            found[name] = f"it shows the present only, and the window ended at {scene.window.end:%Y-%m-%d %H:%M} UTC"
    return found


def measurable(component: Component, metric: str) -> tuple[str, ...]:
    """The metrics that will do for one that a question needs of a component; none where its kind has no such metric."""
    if component.kind not in MEASURES:
        return (metric,)
    known = {measure.metric for measure in MEASURES[published_as(component)]}
    return tuple(one for one in (metric, STAND_IN.get(metric, metric)) if one in known)


def _is_needed(name: str, kinds: frozenset[str], service_map: ServiceMap) -> bool:
    about = ABOUT.get(name)
    return about is None or bool(set(about) & kinds and service_map.of_kind(*about))
