"""The estate as data: as large as promised, the same for the same seed, consistent between its parts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from lab.accounts import SYSTEMS
from lab.estate.data import objects_of
from lab.estate.growth import indexed
from lab.estate.metrics import metrics_of
from lab.estate.model import Estate, Function
from lab.estate.secrets import canaries, new_secrets
from lab.estate.systems import ESTATES, estates

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
COMMERCE = ESTATES["commerce"]
EVERY = pytest.mark.parametrize("estate", ESTATES.values(), ids=ESTATES)


def totals(size: int) -> dict[str, int]:
    built = estates(SYSTEMS, size)
    kinds = ("services", "functions", "tables", "log_groups", "secrets", "alarms")
    return {kind: sum(len(getattr(estate, kind)) for estate in built) for kind in kinds}


def used_versions(function: Function) -> set[int]:
    used = {alias.version for alias in function.aliases}
    used |= {int(version) for alias in function.aliases for version in alias.weights or {}}
    used |= {function.provisioned} if function.provisioned else set()
    return used | ({function.queue[1]} if function.queue else set())


def test_all_systems_have_an_estate() -> None:
    assert tuple(ESTATES) == SYSTEMS
    assert all(estate.system == system for system, estate in ESTATES.items())


def test_the_five_systems_are_as_large_as_promised() -> None:
    least = {"services": 12, "functions": 40, "tables": 20, "log_groups": 120, "secrets": 15, "alarms": 40}
    assert {kind: number for kind, number in totals(1).items() if number < least[kind]} == {}
    versions = [function.versions for estate in ESTATES.values() for function in estate.functions]
    assert max(versions) == 25
    assert sum(bool(function.aliases) for estate in ESTATES.values() for function in estate.functions) >= 30


def test_size_multiplies_what_there_are_many_of() -> None:
    large = totals(16)
    assert large["functions"] == pytest.approx(500, rel=0.1)
    assert large["log_groups"] == pytest.approx(2000, rel=0.1)
    assert large["services"] == pytest.approx(200, rel=0.1)
    assert large["tables"] == 16 * totals(1)["tables"]
    assert large["secrets"] == totals(1)["secrets"]
    versions = [function.versions for estate in estates(SYSTEMS, 16) for function in estate.functions if function.versions]
    assert sum(versions) / len(versions) == pytest.approx(20, rel=0.1)


def test_the_first_of_a_kind_has_no_index() -> None:
    assert indexed("orders", 1) == ["orders"]
    assert indexed("orders", 3) == ["orders", "orders-2", "orders-3"]


@pytest.mark.parametrize("size", [1, 4])
def test_the_same_seed_gives_the_same_estate_and_another_seed_another(size: int) -> None:
    assert estates(SYSTEMS, size, seed=3) == estates(SYSTEMS, size, seed=3)
    assert estates(["reviews"], size, seed=3) != estates(["reviews"], size, seed=4)


def test_what_is_named_does_not_depend_on_size_or_seed() -> None:
    for small, large in zip(estates(SYSTEMS, 1, seed=1), estates(SYSTEMS, 4, seed=9), strict=True):
        for kind in ("services", "functions", "tables", "log_groups", "queues", "alarms"):
            names = {part.name for part in getattr(large, kind)}
            assert {part.name for part in getattr(small, kind)} <= names, (small.system, kind)


@pytest.mark.parametrize("size", [1, 4])
def test_no_name_is_used_twice(size: int) -> None:
    for estate in estates(SYSTEMS, size):
        for kind in ("services", "functions", "secrets", "tables", "log_groups", "alarms", "queues", "buckets"):
            twice = [name for name, times in Counter(part.name for part in getattr(estate, kind)).items() if times > 1]
            assert twice == [], (estate.system, kind)


def test_each_lab_has_secrets_of_its_own_and_all_are_canaries() -> None:
    first, second = new_secrets([COMMERCE]), new_secrets([COMMERCE])
    assert set(canaries(first)).isdisjoint(canaries(second))
    assert {value for fields in first["values"].values() for value in fields.values()} <= set(canaries(first))
    assert set(first["values"]) == {secret.name for secret in COMMERCE.secrets}


@EVERY
def test_aliases_provisioned_versions_and_sources_name_versions_and_queues_that_exist(estate: Estate) -> None:
    queues = {queue.name for queue in estate.queues}
    for function in estate.functions:
        assert used_versions(function) <= set(range(1, function.versions + 1)), function.name
        assert function.queue is None or function.queue[0] in queues


@EVERY
def test_every_function_and_every_service_has_its_log_group(estate: Estate) -> None:
    groups = {group.name for group in estate.log_groups}
    assert {f"/aws/lambda/{function.name}" for function in estate.functions} <= groups
    assert sum(name.startswith("/ecs/") for name in groups) >= len(estate.services)


@EVERY
def test_what_rotates_has_a_function_to_rotate_it(estate: Estate) -> None:
    if any(secret.rotated is not None for secret in estate.secrets):
        assert estate.rotation_function in {function.name for function in estate.functions}


@EVERY
def test_every_alarm_watches_a_metric_that_is_published(estate: Estate) -> None:
    published = {(metric.namespace, metric.name, *sorted(metric.dimensions.items())) for metric in metrics_of(estate)}
    # DynamoDB publishes it when something is throttled, and with the operation besides.
    silent = {alarm.name for alarm in estate.alarms if alarm.metric == "ThrottledRequests"}
    for alarm in estate.alarms:
        if alarm.name not in silent:
            assert (alarm.namespace, alarm.metric, *sorted(alarm.dimensions.items())) in published, alarm.name


@EVERY
def test_no_metric_crosses_an_alarm_at_its_height(estate: Estate) -> None:
    levels = {(metric.name, *sorted(metric.dimensions.items())): metric for metric in metrics_of(estate)}
    for alarm in estate.alarms:
        metric = levels.get((alarm.metric, *sorted(alarm.dimensions.items())))
        if metric is None:
            continue
        highest = metric.level * (1 + metric.daily + 4 * metric.noise)
        lowest = metric.level * (1 - metric.daily - metric.weekly - 4 * metric.noise)
        rises = alarm.comparison == "GreaterThanThreshold"
        assert highest <= alarm.threshold if rises else lowest > alarm.threshold, alarm.name


@EVERY
def test_consumption_stays_below_four_fifths_of_what_is_provisioned(estate: Estate) -> None:
    for table in estate.tables:
        for used, provisioned in zip((table.reads, table.writes), table.capacity or (0, 0), strict=True):
            assert not table.capacity or used * 1.35 * 1.1 <= 0.8 * provisioned, table.name


@EVERY
def test_every_system_leaves_work_for_the_weekly_maintenance(estate: Estate) -> None:
    assert all(service.deployed > 20 / 24 for service in estate.services)
    assert sum(group.retention is None for group in estate.log_groups) >= 5
    assert [secret for secret in estate.secrets if secret.rotated is not None and secret.rotated > 20 / 24]
    assert [group for group in estate.log_groups if (group.created or 0) > 30]


def test_dumps_are_as_many_as_promised_and_the_newest_is_the_largest() -> None:
    bucket = next(bucket for bucket in ESTATES["media"].buckets if bucket.dumps)
    objects = [one for one in objects_of(bucket, NOW) if one["key"].startswith("postgres/")]
    ages = [timedelta(days=one["age_days"]) for one in objects]
    assert len({one["key"] for one in objects}) == len(objects) == 140
    assert {round((later - earlier) / timedelta(hours=1), 6) for earlier, later in pairwise(ages)} == {6}
    assert ages[0] == timedelta(hours=2)
    assert ages[-1] > timedelta(days=34)
    assert objects[0]["key"] == "postgres/media-20260301-1000.dump"
    assert [one["bytes"] for one in objects] == sorted((one["bytes"] for one in objects), reverse=True)


def test_metrics_of_every_kind_are_published() -> None:
    published = {(metric.namespace, metric.name) for estate in ESTATES.values() for metric in metrics_of(estate)}
    assert published >= {
        ("AWS/ECS", "CPUUtilization"), ("AWS/ECS", "MemoryUtilization"), ("AWS/Lambda", "Throttles"),
        ("AWS/DynamoDB", "ConsumedReadCapacityUnits"), ("AWS/DynamoDB", "WriteThrottleEvents"),
        ("AWS/ApplicationELB", "RequestCount"), ("AWS/RDS", "FreeStorageSpace"), ("AWS/ElastiCache", "Evictions"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage"), ("AWS/ApiGateway", "5xx"), ("AWS/CloudFront", "5xxErrorRate"),
    }  # fmt: skip


@EVERY
def test_what_is_not_used_has_no_data_point(estate: Estate) -> None:
    published = {(metric.name, *sorted(metric.dimensions.values())) for metric in metrics_of(estate)}
    for queue in estate.queues:
        assert (("ApproximateAgeOfOldestMessage", queue.name) in published) is (queue.messages > 0), queue.name
    for table in estate.tables:
        for index in table.indexes:
            for kind, used in (("Read", index.reads), ("Write", index.writes)):
                name = (f"Consumed{kind}CapacityUnits", *sorted((table.name, index.name)))
                assert (name in published) is (used > 0), index.name


def test_there_is_something_that_nobody_uses() -> None:
    indexes = [index for estate in ESTATES.values() for table in estate.tables for index in table.indexes]
    assert {(index.reads > 0, index.writes > 0) for index in indexes} >= {(False, False), (False, True)}
    assert [queue for estate in ESTATES.values() for queue in estate.queues if not queue.messages]


def test_cloudfront_publishes_in_its_own_region() -> None:
    regions = {metric.region for metric in metrics_of(ESTATES["reviews"]) if metric.namespace == "AWS/CloudFront"}
    assert regions == {"us-east-1"}
