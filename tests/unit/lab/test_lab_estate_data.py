"""The estate as data: series that repeat, secrets that do not, and consistency between the parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from lab.estate.commerce import COMMERCE
from lab.estate.model import Metric
from lab.estate.secrets import canaries, new_secrets
from lab.estate.signals import points

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
CPU = Metric("AWS/ECS", "CPUUtilization", {"ServiceName": "a"}, "Percent", 40, 8)


def test_a_series_has_a_point_a_minute_from_three_hours_ago_to_twelve_hours_ahead() -> None:
    times = [time for time, _ in points(CPU, NOW)]
    assert times[0] == NOW.replace(second=0) - timedelta(hours=3)
    assert times[-1] == NOW.replace(second=0) + timedelta(hours=12)
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(minutes=1)}


def test_a_series_repeats_for_its_seed_and_differs_between_metrics_and_seeds() -> None:
    other = Metric("AWS/ECS", "CPUUtilization", {"ServiceName": "b"}, "Percent", 40, 8)
    values = [value for _, value in points(CPU, NOW)]
    assert values == [value for _, value in points(CPU, NOW + timedelta(days=9))]
    assert values != [value for _, value in points(other, NOW)]
    assert values != [value for _, value in points(CPU, NOW, seed=2)]


def test_rare_counts_are_whole_and_do_not_vanish() -> None:
    errors = Metric("AWS/Lambda", "Errors", {}, "Count", 0.3, 0, whole=True)
    values = [value for _, value in points(errors, NOW)]
    assert set(values) <= {0.0, 1.0}
    assert sum(values) / len(values) == pytest.approx(0.3, abs=0.06)


def test_each_lab_has_secrets_of_its_own_and_all_are_canaries() -> None:
    first, second = new_secrets([COMMERCE]), new_secrets([COMMERCE])
    assert set(canaries(first)).isdisjoint(canaries(second))
    assert len(set(canaries(first))) == 1 + 3 + sum(len(secret.fields) for secret in COMMERCE.secrets)


def test_aliases_provisioned_versions_and_sources_name_versions_that_exist() -> None:
    for function in COMMERCE.functions:
        used = [alias.version for alias in function.aliases]
        used += [int(version) for alias in function.aliases for version in alias.weights or {}]
        used += [function.provisioned] if function.provisioned else []
        used += [function.queue[1]] if function.queue else []
        assert all(1 <= version <= function.versions for version in used), function.name


def test_every_function_has_its_log_group() -> None:
    groups = {group.name for group in COMMERCE.log_groups}
    assert {f"/aws/lambda/{function.name}" for function in COMMERCE.functions} <= groups
    assert len(groups) == len(COMMERCE.log_groups) == 24
