# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of a Redis or Valkey server, from its INFO (procedures 003-01, 001-06, 001-07, 001-14).

Counters run since the start, or since somebody reset them: a rate over all that time hides what happens now. So rates are
taken between two looks where an interval is asked for, and say over which seconds they are.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.coverage import Collected, Coverage, Gap
from ..core.errors import Denied, OperationError, Refused
from ..core.run import Run
from .connection import Connect
from .errors import ConnectionsExhausted, Unreachable, explaining

KIND = "redis"
PINGS = 3
EVICTION_INTERVAL = 1.0
"""Seconds between two looks where evictions are limited and no interval is asked for."""

CLIENTS_PERCENT = 80.0
"""The limit on clients where none is given, on servers that tell how many there may be."""

SINCE_START, INTERVAL = "since start", "interval"


@dataclass(frozen=True)
class Limits:
    """What a server must keep to; None: not looked at.

    :param clients_percent: None: CLIENTS_PERCENT where the server tells how many there may be
    :param hit_rate_percent: the least part of reads that found their key
    :param latency_ms: the most milliseconds that a PING may take
    """

    memory_percent: float = 90.0
    clients_percent: float | None = None
    hit_rate_percent: float | None = None
    evictions_per_second: float | None = None
    latency_ms: float | None = None


@dataclass(frozen=True)
class Rate:
    """How two counters grew.

    :param seconds: over how long; None where nothing can be said (they were reset in between)
    :param basis: `interval` or `since start`
    """

    hits: int
    misses: int
    evicted: int
    seconds: float | None
    basis: str

    @property
    def hit_rate_percent(self) -> float | None:
        """The part of reads that found their key; None where nothing was read: no requests means no rate."""
        asked = self.hits + self.misses
        return self.hits * 100 / asked if asked and self.seconds is not None else None

    @property
    def evictions_per_second(self) -> float | None:
        """Keys thrown out for lack of memory, a second."""
        return self.evicted / self.seconds if self.seconds else None


@dataclass(frozen=True)
class Observed:
    """What was seen of a server.

    :param place: its host and port
    :param trouble: why it takes no connection; empty where it does
    :param info: the reply to INFO; empty where it could not be read
    :param since_start: rates over the counters' whole life
    :param lately: rates of the measured interval; None where none was measured
    :param interval_asked: whether the interval was asked for, and not only taken to count evictions
    :param latency_ms: the median of a few PINGs; None where they are not allowed
    """

    place: str
    trouble: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    since_start: Rate | None = None
    lately: Rate | None = None
    interval_asked: bool = False
    latency_ms: float | None = None

    @property
    def resource(self) -> str:
        """The server's name in evidence and coverage."""
        return f"{KIND}:{self.place}"


def limits_of(given: Mapping[str, Any]) -> Limits:
    """Limits as a module gives them.

    :raises Refused: for a rate that is none
    """
    rate = given.get("minimum_hit_rate_percent")
    if rate is not None and not 0 <= rate <= 100:
        raise Refused("read the limits", "minimum_hit_rate_percent", f"{rate:g} is no part of 100", "Give 80 for 80 %.")
    return Limits(given["maximum_memory_percent"], given.get("maximum_clients_percent"), rate,
                  given.get("maximum_evictions_per_second"), given.get("maximum_latency_ms"))


def collect_server(
    connect: Connect, run: Run, place: str, limits: Limits, interval: float = 0.0
) -> Collected[Observed]:
    """Look at a server, twice where a rate over an interval is asked for.

    A server that cannot be reached is a finding; one whose answer is forbidden is a gap.

    :param interval: seconds between the two looks; 0: rates are since the start, but for limited evictions
    :raises OperationError: when the login is refused
    """
    resource = f"{KIND}:{place}"
    try:
        client = connect()
        try:
            return _looked_at(client, run, place, limits, interval)
        finally:
            client.close()
    except (Unreachable, ConnectionsExhausted) as error:
        return Collected(Observed(place, error.reason), run.now(), Coverage((resource,)))


def _looked_at(client: Any, run: Run, place: str, limits: Limits, interval: float) -> Collected[Observed]:
    resource, gaps = f"{KIND}:{place}", list[Gap]()
    try:
        latency = _latency_ms(client, run, resource)
    except Denied as error:
        latency = None
        if limits.latency_ms is not None:
            gaps.append(Gap(f"{resource} PING", error.reason))
    pause = interval or (EVICTION_INTERVAL if limits.evictions_per_second is not None else 0.0)
    try:
        samples = _samples(client, run, resource, pause)
    except Denied as error:
        gaps.append(Gap(f"{resource} INFO", error.reason))
        return Collected(Observed(place, latency_ms=latency), run.now(), Coverage(missing=tuple(gaps)))
    info, untold = _with_maximum(client, samples[-1], resource)
    asked = limits.clients_percent is not None
    observed = Observed(place, "", info, rate_since_start(info),
                        rate_between(samples[0], samples[-1]) if pause else None, bool(interval), latency)
    return Collected(observed, run.now(), Coverage(
        (f"{resource} INFO",), (*gaps, *(untold if asked else ())), () if asked else untold))


def _with_maximum(client: Any, info: Mapping[str, Any], resource: str) -> tuple[Mapping[str, Any], tuple[Gap, ...]]:
    """INFO with `maxclients`, which some servers tell by CONFIG GET only, and some, managed ones, do not tell at all."""
    if number(info, "maxclients"):
        return info, ()
    reason = "CONFIG GET knows none"
    try:
        with explaining("read maxclients of Redis", resource):
            maximum = number(client.config_get("maxclients"), "maxclients")
    except Unreachable:
        raise
    except OperationError as error:
        maximum, reason = 0, error.reason
    untold = (Gap(f"{resource} maxclients", f"INFO does not tell it ({reason})"),)
    return {**info, "maxclients": maximum}, () if maximum else untold


def _samples(client: Any, run: Run, resource: str, pause: float) -> list[Mapping[str, Any]]:
    samples: list[Mapping[str, Any]] = []

    def look() -> int:
        with explaining("read the state of Redis", resource):
            samples.append({**client.info(), "looked_at": run.clock.monotonic()})
        return len(samples)

    wanted = 2 if pause else 1
    run.poll(first_delay=pause).until(look, lambda seen: seen >= wanted, lambda seen: "")
    return samples


def _latency_ms(client: Any, run: Run, resource: str) -> float:
    taken: list[float] = []
    for _number in range(PINGS):
        begun = run.clock.monotonic()
        with explaining("ping Redis", resource):
            client.ping()
        taken.append((run.clock.monotonic() - begun) * 1000)
    return round(statistics.median(taken), 3)


def rate_since_start(info: Mapping[str, Any]) -> Rate:
    """The counters as they are, over the time that the server runs."""
    return Rate(number(info, "keyspace_hits"), number(info, "keyspace_misses"), number(info, "evicted_keys"),
                float(number(info, "uptime_in_seconds")), SINCE_START)


def rate_between(first: Mapping[str, Any], second: Mapping[str, Any]) -> Rate:
    """How the counters grew between two looks; of no length where the server restarted or they were reset."""
    grown = [number(second, name) - number(first, name) for name in ("keyspace_hits", "keyspace_misses", "evicted_keys")]
    seconds = second["looked_at"] - first["looked_at"]
    if first.get("run_id") != second.get("run_id") or min(grown) < 0 or seconds <= 0:
        return Rate(0, 0, 0, None, INTERVAL)
    return Rate(grown[0], grown[1], grown[2], round(seconds, 3), INTERVAL)


def number(info: Mapping[str, Any], name: str) -> int:
    """A counter of INFO; 0 where this version has none."""
    return int(info.get(name) or 0)
