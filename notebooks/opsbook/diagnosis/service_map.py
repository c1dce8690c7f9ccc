"""Who calls whom in a system, as its inventory declares it (`service_map`) or a tracer drew it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KINDS = (
    "distribution", "dynamodb_table", "ecs_service", "elasticache_cluster", "external", "host", "http_api",
    "lambda_function", "load_balancer", "postgres", "rds_instance", "redis", "sqs_queue",
)  # fmt: skip


@dataclass(frozen=True)
class Component:
    """A node of the map.

    :param name: unique within the system
    :param kind: one of KINDS
    :param id: what its service calls it, by default the name (a load balancer's "app/name/0123", an API's id)
    :param calls: names of the components it calls
    :param entry: users come in here
    :param owned: ours to mend; what is not owned can be a cause (a provider is down) and cannot be looked into
    :param log_group: where it writes its logs; empty where it writes none
    :param target_group: of an ECS service behind a load balancer
    :param url: of an external one, what tells whether it is reachable
    """

    name: str
    kind: str
    id: str = ""
    calls: tuple[str, ...] = ()
    entry: bool = False
    owned: bool = True
    log_group: str = ""
    target_group: str = ""
    url: str = ""


@dataclass(frozen=True)
class ServiceMap:
    """A system's components and their calls."""

    components: tuple[Component, ...] = ()

    def __getitem__(self, name: str) -> Component:
        return next(component for component in self.components if component.name == name)

    def __contains__(self, name: str) -> bool:
        return any(component.name == name for component in self.components)

    def of_kind(self, *kinds: str) -> tuple[Component, ...]:
        """The components of these kinds, in their order."""
        return tuple(component for component in self.components if component.kind in kinds)

    def reachable(self, name: str) -> tuple[str, ...]:
        """Everything that a component calls, directly or not, without itself; nearest first, each once."""
        found: dict[str, None] = {}
        wave = [name]
        while wave:
            called = [callee for caller in wave if caller in self for callee in self[caller].calls if callee in self]
            wave = [callee for callee in dict.fromkeys(called) if callee not in found and callee != name]
            found.update(dict.fromkeys(wave))
        return tuple(found)


def service_map_of(declared: Iterable[Mapping[str, Any]]) -> ServiceMap:
    """The map that an inventory declares.

    :param declared: a mapping a component, with the fields of `Component`; the inventory's schema has checked them
    :raises ValueError: for a name that is there twice, or a call of a component that is not there
    """
    components = tuple(
        Component(**{**given, "id": given.get("id") or given["name"], "calls": tuple(given.get("calls") or ()),
                     "owned": given.get("owned", given["kind"] != "external")})
        for given in declared)
    names = [component.name for component in components]
    twice = sorted({name for name in names if names.count(name) > 1})
    unknown = sorted({callee for component in components for callee in component.calls} - set(names))
    if twice or unknown:
        raise ValueError(f"service_map: declared twice: {', '.join(twice) or 'none'}; "
                         f"called and not there: {', '.join(unknown) or 'none'}")
    return ServiceMap(components)


def attributes_of(component: Component) -> dict[str, Any]:
    """A component in OpenTelemetry's attribute names."""
    key = {
        "ecs_service": "service.name", "lambda_function": "faas.name", "dynamodb_table": "aws.dynamodb.table_names",
        "postgres": "db.system.name", "redis": "db.system.name", "sqs_queue": "messaging.destination.name",
    }.get(component.kind, "peer.service" if not component.owned else "service.name")
    value: Any = {"postgres": "postgresql", "redis": "redis"}.get(component.kind, component.id)
    named = {key: [value] if key.endswith("names") else value}
    return {**named, "aws.log.group.names": [component.log_group]} if component.log_group else named
