"""From which value on something is wrong: what the procedures say, and what a system's inventory says instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.durations import parse_duration


@dataclass(frozen=True)
class InvestigationLimits:
    """The thresholds that a verdict rests on. The numbers are those of the procedures named, unless they say none.

    :param error_rate_percent: of requests that end in a 5xx (000-07, 002-02 and 004-06: more than 5 %)
    :param latency_p95_ms: of an entry, 95th percentile (002-03: more than 1 s; 001-02 and 000-11 say 2 s: their
        inventories do)
    :param slow_request_ms: from which on one request is called slow (002-10)
    :param cpu_percent: of tasks and hosts (002-03, 003-13)
    :param memory_percent: of tasks (002-03; 003-13 says 90 for its host: its inventory does)
    :param connections_percent: of a database's usable connections (001-03 and 003-10 give none: the value of their
        inventories' `postgres_limits`, which is used where it is declared)
    :param capacity_percent: of a table's provisioned throughput (000-01 gives none: the default of `dynamodb_limits`)
    :param disk_percent: of a file system (001-04 and 003-11 give none: at 85 the lab's alarm rings)
    :param idle_connection: how long a session may do nothing (003-10: 5 min, 001-03: 15 min; the longer one)
    :param idle_in_transaction: how long a transaction may be left open (001-03, 003-10: the default of `postgres_limits`)
    :param queue_depth: messages waiting (003-13; 000-11 says 100: `maximum_depth` of `sqs_queues` where it is declared)
    :param queue_age: of the oldest message waiting (no procedure gives one; `maximum_age` where it is declared)
    :param slow_query_ms: mean time of a statement (003-05)
    :param dead_rows: dead rows from which on a table is looked at (003-07)
    :param certificate_days: before a certificate ends (003-08 gives none: two weeks, as http_check does)
    :param timeout_percent: of a function's time-out that its calls may take (004-08 gives none: above 90 % a slower
        day is a time-out)
    :param log_scan_gb: what an investigation's log queries may scan (no procedure gives one: 100 GB are half a dollar where
        a gigabyte costs 0.005)
    :param hit_rate_percent: of a cache's reads that find their key, at least (001-07 gives none: below one in two the
        cache costs more than it saves)
    """

    error_rate_percent: float = 5.0
    latency_p95_ms: float = 1000.0
    slow_request_ms: float = 500.0
    cpu_percent: float = 80.0
    memory_percent: float = 85.0
    connections_percent: float = 80.0
    capacity_percent: float = 80.0
    disk_percent: float = 85.0
    idle_connection: timedelta = timedelta(minutes=15)
    idle_in_transaction: timedelta = timedelta(minutes=5)
    queue_depth: int = 1000
    queue_age: timedelta = timedelta(minutes=15)
    slow_query_ms: float = 100.0
    dead_rows: int = 1000
    certificate_days: int = 14
    timeout_percent: float = 90.0
    hit_rate_percent: float = 50.0
    log_scan_gb: float = 100.0

    def as_dict(self) -> dict[str, Any]:
        """The limits as plain data, lengths of time in seconds."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value.total_seconds() if isinstance(value, timedelta) else value for name, value in values.items()}


# Where a procedure's own limit says the same, it is said once.
_ELSEWHERE = {
    "connections_percent": ("postgres_limits", "maximum_connections_percent"),
    "idle_in_transaction": ("postgres_limits", "idle_in_transaction"),
    "idle_connection": ("postgres_idle_limits", "idle"),
    "capacity_percent": ("dynamodb_limits", "maximum_used"),
    "hit_rate_percent": ("redis_limits", "minimum_hit_rate_percent"),
}


def limits_of(declared: Mapping[str, Any]) -> InvestigationLimits:
    """The limits of a system: its `investigation_limits`, else what its procedures' limits say, else the defaults.

    :param declared: what the inventory declares for the system
    :raises Refused: for a length of time that is none
    """
    given = {name: declared[key][part] for name, (key, part) in _ELSEWHERE.items() if part in (declared.get(key) or {})}
    given.update(declared.get("investigation_limits") or {})
    return InvestigationLimits(**{name: _typed(name, value) for name, value in given.items()})


def queue_limits_of(declared: Mapping[str, Any]) -> Mapping[str, Mapping[str, float]]:
    """What may wait in the queues that declare it: by queue and by metric, messages and seconds.

    :raises Refused: for a length of time that is none
    """
    found: dict[str, dict[str, float]] = {}
    for entry in declared.get("sqs_queues") or ():
        mine = found.setdefault(str(entry["name"]), {})
        if entry.get("maximum_depth") is not None:
            mine["queue_depth"] = float(entry["maximum_depth"])
        if entry.get("maximum_age"):
            mine["age_of_oldest"] = parse_duration(entry["maximum_age"]).total_seconds()
    return found


def _typed(name: str, value: Any) -> Any:
    return parse_duration(value) if isinstance(getattr(InvestigationLimits, name), timedelta) else value
