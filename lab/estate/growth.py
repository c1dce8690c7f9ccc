"""From what a system's file lists to what a lab of some size holds: copies with an index, versions drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace

from lab.estate.model import Alias, Function, LogGroup, Queue, Service, Table

# How many versions functions have: those that a system's file names, and their copies in a larger lab, which are there
# to give benches something to do.
_VERSIONS = (3, 25)
_VERSIONS_OF_COPIES = (16, 24)
_RETENTION = 14
_ORDINARY_EVENTS = 48


def indexed(name: str, size: int) -> list[str]:
    """A name as often as the size says: `orders`, `orders-2`, `orders-3`."""
    return [name, *(f"{name}-{number}" for number in range(2, size + 1))]


def services(described: Iterable[Service], size: int) -> tuple[Service, ...]:
    """Each service, and its copies with families and target groups of their own."""
    return tuple(
        replace(
            service,
            name=name,
            family=service.family + name.removeprefix(service.name),
            target_group=service.target_group and service.target_group + name.removeprefix(service.name),
        )
        for service in described
        for name in indexed(service.name, size)
    )


def tables(described: Iterable[Table], size: int) -> tuple[Table, ...]:
    """Each table, and its copies."""
    return tuple(replace(table, name=name) for table in described for name in indexed(table.name, size))


def queues(described: Iterable[Queue], size: int) -> tuple[Queue, ...]:
    """Each queue, and its copies."""
    return tuple(replace(queue, name=name) for queue in described for name in indexed(queue.name, size))


def functions(
    described: Iterable[Function], prefix: str, workloads: Mapping[str, tuple[float, float]], size: int, seed: int
) -> tuple[Function, ...]:
    """The functions described one by one, then one a workload: its calls a minute and milliseconds a call, by name.

    A function of a workload has as many versions as the seed gives it, the newest of them behind the alias `live`.
    """
    drawn = (
        _function(prefix + name, calls, milliseconds, copy=place > 0, seed=seed)
        for workload, (calls, milliseconds) in workloads.items()
        for place, name in enumerate(indexed(workload, size))
    )
    return (*described, *drawn)


def _function(name: str, calls: float, milliseconds: float, copy: bool, seed: int) -> Function:
    draw = random.Random(f"{seed}:{name}")
    versions = draw.randint(*(_VERSIONS_OF_COPIES if copy else _VERSIONS))
    aliases = [Alias("live", versions, {str(versions - 1): 0.05} if draw.random() < 0.1 else None)]
    if draw.random() < 0.4:
        aliases.append(Alias("previous", max(1, versions - draw.randint(2, 6))))
    pinned = draw.randint(1, versions) if draw.random() < 0.1 else None
    return Function(name, versions, tuple(aliases), pinned, calls=calls, milliseconds=milliseconds)


def function_groups(of: Iterable[Function], seed: int, retention: Mapping[str, int | None]) -> tuple[LogGroup, ...]:
    """The log group of each function; a third of them have a retention policy, those named have the one given."""
    return tuple(
        LogGroup(
            f"/aws/lambda/{function.name}",
            retention[function.name] if function.name in retention else _drawn_retention(function.name, seed),
            events=min(400, 20 + int(function.calls)),
        )
        for function in of
    )


def _drawn_retention(name: str, seed: int) -> int | None:
    return _RETENTION if random.Random(f"{seed}:retention:{name}").random() < 1 / 3 else None


def groups(prefix: str, names: Iterable[str], size: int) -> tuple[LogGroup, ...]:
    """Ordinary log groups below a prefix: written to, without a retention policy."""
    return tuple(LogGroup(f"{prefix}{each}", events=_ORDINARY_EVENTS) for name in names for each in indexed(name, size))
