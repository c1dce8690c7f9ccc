"""What the state of a Redis server means: tables over the pure functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.server_health import (
    clients_of,
    databases_of,
    describe_server,
    evaluate_server,
    memory_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.server_state import (
    Limits,
    Observed,
    Rate,
    limits_of,
    rate_between,
    rate_since_start,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)
INFO: dict[str, Any] = {
    "role": "master", "used_memory": 600, "used_memory_rss": 900, "maxmemory": 1000, "total_system_memory": 90_000,
    "connected_clients": 5, "maxclients": 10, "rdb_last_bgsave_status": "ok", "aof_last_write_status": "ok"}
EVERYTHING = Limits(90, 80, 80, 2, 50)
RATE = Rate(90, 10, 10, 10.0, "interval")
SEEN = Observed("cache:6379", "", INFO, RATE, RATE, True, 0.3)


def answers(observed: Observed, limits: Limits = EVERYTHING) -> dict[str, bool | None]:
    return {item.check: item.ok for item in evaluate_server(Collected(observed, NOW), limits)}


def test_a_server_within_all_limits_is_right() -> None:
    assert set(answers(SEEN).values()) == {True}
    assert list(answers(SEEN)) == ["connection", "latency", "memory", "clients", "hit rate", "evictions", "persistence"]


def test_what_is_not_limited_is_not_judged() -> None:
    assert list(answers(SEEN, Limits())) == ["connection", "memory", "clients", "persistence"]


@pytest.mark.parametrize(
    ("check", "change", "right"),
    [
        ("memory", {"used_memory": 900}, True), ("memory", {"used_memory": 901}, False),
        ("memory", {"maxmemory": 0}, True), ("memory", {"maxmemory": 0, "used_memory_rss": 89_000}, False),
        ("memory", {"maxmemory": 0, "total_system_memory": 0}, None),
        ("clients", {"connected_clients": 8}, True), ("clients", {"connected_clients": 9}, False),
        pytest.param("clients", {"maxclients": 0}, None, id="maxclients_is_not_told_and_asked_for"),
        ("persistence", {"rdb_last_bgsave_status": "err"}, False), ("persistence", {"aof_last_write_status": "err"}, False),
        ("replication link", {"master_link_status": "up"}, True),
        ("replication link", {"master_link_status": "down"}, False),
    ],
)
def test_each_part_of_the_state(check: str, change: dict[str, Any], right: bool | None) -> None:
    assert answers(replace(SEEN, info={**INFO, **change}))[check] is right


@pytest.mark.parametrize(("maximum", "connected", "right"), [(10, 8, True), (10, 9, False), (0, 9, None)])
def test_a_limit_on_clients_that_nobody_gave_is_for_servers_that_tell(
    maximum: int, connected: int, right: bool | None
) -> None:
    seen = replace(SEEN, info={**INFO, "maxclients": maximum, "connected_clients": connected})

    assert answers(seen, Limits()).get("clients") is right
    assert ("clients" in answers(seen, Limits())) is (maximum > 0)


@pytest.mark.parametrize(
    ("check", "rate", "right"),
    [
        ("hit rate", replace(RATE, hits=80, misses=20), True), ("hit rate", replace(RATE, hits=79, misses=21), False),
        pytest.param("hit rate", replace(RATE, hits=0, misses=0), None, id="no_requests_no_rate"),
        pytest.param("hit rate", replace(RATE, seconds=None), None, id="counters_reset"),
        ("evictions", replace(RATE, evicted=20), True), ("evictions", replace(RATE, evicted=21), False),
        ("evictions", replace(RATE, evicted=0), True), ("evictions", replace(RATE, seconds=None), None),
    ],
)
def test_rates(check: str, rate: Rate, right: bool | None) -> None:
    assert answers(replace(SEEN, lately=rate))[check] is right


def test_the_second_taken_for_evictions_says_nothing_of_hits() -> None:
    seen = replace(SEEN, interval_asked=False, since_start=replace(RATE, hits=1, misses=9, basis="since start"))

    assert (answers(seen)["hit rate"], answers(seen)["evictions"]) == (False, True)


def test_latency() -> None:
    assert answers(replace(SEEN, latency_ms=50.1))["latency"] is False
    assert "latency" not in answers(replace(SEEN, latency_ms=None))


def test_a_server_that_takes_no_connection_is_wrong_and_tells_nothing() -> None:
    seen = Observed("cache:6379", "no answer")

    assert answers(seen) == {"connection": False}
    told = describe_server(Collected(seen, NOW))
    assert (told["memory"], told["server"], told["databases"]) == (None, None, [])


BEFORE = {"keyspace_hits": 10, "keyspace_misses": 4, "evicted_keys": 2, "run_id": "a", "looked_at": 5.0}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"keyspace_hits": 15, "evicted_keys": 3, "looked_at": 7.0}, Rate(5, 0, 1, 2.0, "interval")),
        ({"keyspace_hits": 3, "looked_at": 7.0}, Rate(0, 0, 0, None, "interval")),
        ({"keyspace_hits": 15, "run_id": "b", "looked_at": 7.0}, Rate(0, 0, 0, None, "interval")),
        ({"keyspace_hits": 15}, Rate(0, 0, 0, None, "interval")),
    ],
    ids=["grown", "reset", "restarted", "no_time"],
)
def test_how_counters_grew_between_two_looks(after: dict[str, Any], expected: Rate) -> None:
    assert rate_between(BEFORE, {**BEFORE, **after}) == expected


def test_rates_since_the_start_are_over_all_that_time() -> None:
    rate = rate_since_start({**BEFORE, "uptime_in_seconds": 4})

    assert (rate.hit_rate_percent, rate.evictions_per_second, rate.basis) == (1000 / 14, 0.5, "since start")
    assert rate_since_start({}).hit_rate_percent is None


def test_what_bounds_memory_and_clients_is_named() -> None:
    assert memory_of(INFO)["limit"] == "maxmemory"
    assert memory_of({**INFO, "maxmemory": 0})["limit"] == "machine"
    assert clients_of({})["maximum"] is None


def test_databases_are_told_in_the_order_of_their_numbers() -> None:
    part = {"keys": 3, "expires": 1}

    assert [entry["database"] for entry in databases_of({"db10": part, "db2": part, "dbx": part, "db": 1})] == [2, 10]


@pytest.mark.parametrize("percent", [101, -0.1])
def test_a_hit_rate_is_a_part_of_a_hundred(percent: float) -> None:
    with pytest.raises(Refused, match="minimum_hit_rate_percent"):
        limits_of({"maximum_memory_percent": 90, "minimum_hit_rate_percent": percent})
