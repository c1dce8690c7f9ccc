"""How a system's Redis or Valkey is: memory, evictions, clients, and what it found slow. No key and no argument is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elasticache_clusters import Cluster, collect_clusters
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.connection import REDIS, Connect, connector, place_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.server_state import Limits, Observed, collect_server
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.slow_log import Slowness, collect_slowness
from opsbook.diagnosis.service_map import Component
from opsbook.evidence.pieces import Piece
from opsbook.evidence.sources import Source, attempt, undeclared, without

Row = TypeVar("Row")
State = TypeVar("State")


def cache_component(case: Source) -> Component | None:
    """The component that `opsbook_redis` reaches: named `redis`, else the only cache there is."""
    caches = case.service_map.of_kind("redis", "elasticache_cluster")
    return next((one for one in caches if one.name == "redis"), caches[0] if len(caches) == 1 else None)


def cache_server(case: Source, interval: float = 3.0, name: str = "cache") -> Piece[Observed]:
    """INFO of the server, PING, and rates over an interval: one row, also for a server that takes no connection.

    :param interval: seconds between two looks; 0 takes rates since the server's start
    """
    query = f"PING, INFO twice in {interval:g} s" if interval else "PING, INFO"
    return _asked(case, Piece(name, "redis", query, None), lambda connect, place: collect_server(
        connect, case.run, place, Limits(), interval), lambda state: (state,))


def cache_slowness(case: Source, name: str = "slow commands of the cache") -> Piece[Slowness]:
    """The slow log and what each command cost since the counters began: one row."""
    return _asked(case, Piece(name, "redis", "SLOWLOG GET, INFO commandstats", None),
                  lambda connect, place: collect_slowness(connect, case.run, place), lambda state: (state,))


def cache_clusters(case: Source, name: str = "ElastiCache clusters") -> Piece[Cluster]:
    """The status of the system's clusters and replication groups."""
    wanted = list(case.declared.get("elasticache_clusters") or ())
    blank: Piece[Cluster] = Piece(name, "elasticache", f"DescribeCacheClusters {', '.join(wanted)}", None)
    if not wanted:
        return undeclared(blank, "elasticache_clusters")

    def read(piece: Piece[Cluster]) -> Piece[Cluster]:
        seen = collect_clusters(case.aws(), case.run, wanted)
        return without(replace(piece, rows=seen.state.items, coverage=seen.coverage), seen.state.absent)

    return attempt(blank, read)


def _asked(
    case: Source, blank: Piece[Row], collect: Callable[[Connect, str], Collected[State]],
    rows: Callable[[State], Sequence[Row]],
) -> Piece[Row]:
    """Ask the system's Redis."""
    declared = case.declared.get("opsbook_redis")
    if not declared:
        return undeclared(blank, "opsbook_redis")
    options = {**{key: spec.get("default") for key, spec in REDIS.items()}, **declared}

    def read(piece: Piece[Row]) -> Piece[Row]:
        collected = collect(connector(options), place_of(options))
        return replace(piece, rows=tuple(rows(collected.state)), coverage=collected.coverage)

    return attempt(blank, read)
