"""When an instance is right: its status, and how much of its storage is free."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.listings import Found
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metrics import Metric, Reading
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.rds_instances import (
    CONNECTIONS,
    FREE_STORAGE,
    Instance,
    Instances,
    describe_instances,
    evaluate_instances,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
GIBIBYTE = 2**30


def instance(status: str = "available", engine: str = "postgres", storage: int = 100) -> Instance:
    return Instance("orders", status, engine, "16.3", "db.t3.micro", storage, None, False, "orders.example", 5432, "")


def readings(metric: str, *values: float) -> dict[tuple[str, str], Reading]:
    """Values a minute apart, the newest last."""
    series = {NOW - timedelta(minutes=len(values) - place): value for place, value in enumerate(values)}
    asked = Metric(f"{metric} of orders", "AWS/RDS", metric, {"DBInstanceIdentifier": "orders"}, "Minimum")
    return {(metric, "orders"): Reading(asked, min(values, default=None), len(values), series)}


def answers(one: Instance, seen: dict[tuple[str, str], Reading] | None = None, minimum: int = 15) -> list[bool | None]:
    collected = Collected(Instances(Found((one,)), seen or {}), NOW)
    return [item.ok for item in evaluate_instances(collected, minimum)]


@pytest.mark.parametrize(
    ("status", "ok"),
    [("available", True), ("backing-up", True), ("storage-optimization", True), ("storage-full", False), ("stopped", False),
     ("modifying", False), ("rebooting", False), ("failed", False), ("not told", False)],
)
def test_judges_the_status(status: str, ok: bool) -> None:
    assert answers(instance(status)) == [ok]


@pytest.mark.parametrize(
    ("gibibytes", "ok", "percent"),
    [
        pytest.param([15], True, 15, id="as_little_as_may_be"),
        pytest.param([14.9], False, 14.9, id="too_little"),
        pytest.param([5, 40], True, 40, id="the_newest_point_counts"),
        pytest.param([0], False, 0, id="full"),
        pytest.param([], None, None, id="no_data_point_is_unknown"),
    ],
)
def test_judges_the_free_storage(gibibytes: list[float], ok: bool | None, percent: float | None) -> None:
    seen = readings(FREE_STORAGE, *(value * GIBIBYTE for value in gibibytes))

    assert answers(instance(), seen) == [True, ok]
    [described] = describe_instances(Collected(Instances(Found((instance(),)), seen), NOW))["instances"]
    assert described["free_storage_percent"] == percent


def test_says_how_much_is_free() -> None:
    state = Instances(Found((instance(),)), readings(FREE_STORAGE, 14.5 * GIBIBYTE))
    said = evaluate_instances(Collected(state, NOW), 15)[1]

    assert (said.resource, said.expected, said.actual) == (
        "rds-instance:orders", "at least 15 % of 100 GiB", "14.5 % (14.5 GiB)")


def test_a_gauge_that_could_not_be_read_is_no_evidence() -> None:
    """The coverage says that it is missing."""
    assert answers(instance(), readings(CONNECTIONS, 40)) == [True]


def test_storage_that_grows_by_itself_is_not_judged() -> None:
    assert not instance(engine="aurora-postgresql", storage=1).has_own_storage
    assert instance().has_own_storage


def test_tells_the_connections_of_now() -> None:
    state = Instances(Found((instance(),)), readings(CONNECTIONS, 80, 41))
    [described] = describe_instances(Collected(state, NOW))["instances"]

    assert (described["connections"], described["free_storage_bytes"]) == (41, None)
