# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the state of a Redis or Valkey server means, and how it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..core.coverage import Collected
from ..core.evidence import Evidence
from .server_state import CLIENTS_PERCENT, Limits, Observed, Rate, number

TOLD = ("server", "role", "ops_per_second", "hit_rate", "evictions", "memory", "clients", "replication", "persistence")


def evaluate_server(collected: Collected[Observed], limits: Limits) -> list[Evidence]:
    """A server is right when it takes connections, keeps within its limits, and can write and replicate as it is told to."""
    seen = collected.state
    accepted = Evidence("connection", seen.resource, "accepted", seen.trouble or "accepted", not seen.trouble)
    if seen.trouble:
        return [accepted]
    evidence = [accepted]
    if limits.latency_ms is not None and seen.latency_ms is not None:
        evidence.append(Evidence("latency", seen.resource, f"at most {limits.latency_ms:g} ms", f"{seen.latency_ms:g} ms",
                                 seen.latency_ms <= limits.latency_ms))
    if seen.info:
        evidence += [_memory(seen, limits), *_clients(seen, limits), *_rates(seen, limits), *_durability(seen)]
    return evidence


def describe_server(collected: Collected[Observed]) -> Mapping[str, Any]:
    """The server as plain data; what could not be read is null."""
    seen = collected.state
    info = seen.info
    if not info:
        return {**dict.fromkeys(TOLD), "latency_ms": seen.latency_ms, "databases": []}
    return {
        "server": {"software": str(info.get("server_name") or "redis"),
                   "version": str(info.get("valkey_version") or info.get("redis_version") or ""),
                   "uptime_seconds": number(info, "uptime_in_seconds")},
        "role": str(info.get("role") or ""),
        "latency_ms": seen.latency_ms,
        "ops_per_second": number(info, "instantaneous_ops_per_sec"),
        "hit_rate": _told_hit_rate(_hit_rate_of(seen)),
        "evictions": _told_evictions(seen),
        "memory": memory_of(info),
        "clients": clients_of(info),
        "databases": databases_of(info),
        "replication": _replication_of(info),
        "persistence": _persistence_of(info),
    }


def memory_of(info: Mapping[str, Any]) -> dict[str, Any]:
    """Memory used and what bounds it: `maxmemory`, or the machine's own memory where none is set."""
    limited = number(info, "maxmemory")
    limit = limited or number(info, "total_system_memory")
    # Against the machine counts what the process really holds, with fragmentation.
    used = number(info, "used_memory" if limited else "used_memory_rss")
    return {"used_bytes": number(info, "used_memory"), "limit_bytes": limit or None,
            "limit": "maxmemory" if limited else "machine", "percent": round(used * 100 / limit, 1) if limit else None,
            "policy": str(info.get("maxmemory_policy") or "")}


def clients_of(info: Mapping[str, Any]) -> dict[str, Any]:
    """Clients connected and how many there may be; null where the server does not tell."""
    connected, maximum = number(info, "connected_clients"), number(info, "maxclients")
    return {"connected": connected, "maximum": maximum or None, "blocked": number(info, "blocked_clients"),
            "rejected": number(info, "rejected_connections"),
            "percent": round(connected * 100 / maximum, 1) if maximum else None}


def databases_of(info: Mapping[str, Any]) -> list[dict[str, int]]:
    """Keys of each database that has any."""
    numbered = sorted((int(name[2:]), part) for name, part in info.items() if re.fullmatch(r"db\d+", name))
    return [{"database": database, "keys": int(part["keys"]), "expiring": int(part["expires"])}
            for database, part in numbered]


def _memory(seen: Observed, limits: Limits) -> Evidence:
    memory = memory_of(seen.info)
    percent = memory["percent"]
    return Evidence("memory", seen.resource, f"at most {limits.memory_percent:g} % of {memory['limit']}",
                    {"percent": percent, "policy": memory["policy"]},
                    None if percent is None else percent <= limits.memory_percent)


def _clients(seen: Observed, limits: Limits) -> list[Evidence]:
    clients = clients_of(seen.info)
    percent = clients["percent"]
    if percent is None and limits.clients_percent is None:
        return []
    most = CLIENTS_PERCENT if limits.clients_percent is None else limits.clients_percent
    actual = {name: clients[name] for name in ("connected", "maximum")}
    return [Evidence("clients", seen.resource, f"at most {most:g} % of maxclients", actual,
                     None if percent is None else percent <= most)]


def _rates(seen: Observed, limits: Limits) -> list[Evidence]:
    evidence = []
    if limits.hit_rate_percent is not None:
        told = _told_hit_rate(_hit_rate_of(seen))
        percent = told["percent"]
        evidence.append(Evidence("hit rate", seen.resource, f"at least {limits.hit_rate_percent:g} %", told,
                                 None if percent is None else percent >= limits.hit_rate_percent))
    if limits.evictions_per_second is not None:
        evictions = _told_evictions(seen)
        speed = evictions["per_second"]
        evidence.append(Evidence("evictions", seen.resource, f"at most {limits.evictions_per_second:g} per second",
                                 evictions, None if speed is None else speed <= limits.evictions_per_second))
    return evidence


def _durability(seen: Observed) -> list[Evidence]:
    """Writing to disk, and for a replica the link to its primary. A failed save makes a server refuse writes."""
    persistence = _persistence_of(seen.info)
    failed = [name for name in ("last_save", "last_write") if persistence[name] not in ("ok", "")]
    evidence = [Evidence("persistence", seen.resource, "no failed save or write",
                         [f"{name.replace('_', ' ')}: {persistence[name]}" for name in failed], not failed)]
    replication = _replication_of(seen.info)
    if replication["link"] is not None:
        evidence.append(Evidence("replication link", seen.resource, "up", replication["link"], replication["link"] == "up"))
    return evidence


def _hit_rate_of(seen: Observed) -> Rate | None:
    """Over the interval where one was asked for by itself; the second taken for evictions is too short for it."""
    return seen.lately if seen.interval_asked else seen.since_start


def _told_hit_rate(rate: Rate | None) -> dict[str, Any]:
    if rate is None:
        return {"percent": None, "hits": 0, "misses": 0, "seconds": None, "basis": ""}
    known = rate.hit_rate_percent
    return {"percent": None if known is None else round(known, 2), "hits": rate.hits, "misses": rate.misses,
            "seconds": rate.seconds, "basis": rate.basis}


def _told_evictions(seen: Observed) -> dict[str, Any]:
    rate = seen.lately or seen.since_start
    speed = rate.evictions_per_second if rate else None
    return {"total": number(seen.info, "evicted_keys"), "per_second": None if speed is None else round(speed, 3),
            "seconds": rate.seconds if rate else None, "basis": rate.basis if rate else ""}


def _replication_of(info: Mapping[str, Any]) -> dict[str, Any]:
    return {"replicas": number(info, "connected_slaves"),
            "link": str(info["master_link_status"]) if "master_link_status" in info else None}


def _persistence_of(info: Mapping[str, Any]) -> dict[str, Any]:
    return {"loading": bool(number(info, "loading")), "last_save": str(info.get("rdb_last_bgsave_status") or ""),
            "append_only": bool(number(info, "aof_enabled")), "last_write": str(info.get("aof_last_write_status") or ""),
            "unsaved_changes": number(info, "rdb_changes_since_last_save")}
