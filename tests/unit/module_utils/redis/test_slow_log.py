"""Which commands cost a server its time."""

from __future__ import annotations

from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.slow_log import stats_of


def test_those_that_took_most_time_come_first() -> None:
    info = {"cmdstat_get": {"calls": 1000, "usec": 5000}, "cmdstat_keys": {"calls": 2, "usec": 900_000},
            "cmdstat_config|get": {"calls": 0, "usec": 0}, "other": {"calls": 1, "usec": 1}, "cmdstat_odd": "text"}
    commands = stats_of(info)
    assert [command.command for command in commands] == ["KEYS", "GET", "CONFIG GET"]
    assert [round(command.mean_ms, 3) for command in commands] == [450.0, 0.005, 0.0]
