"""Trends of gauges: the slope a clean-up does not turn, and when nothing will be left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metrics import Measurements, Reading, Window, metric_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.trends import (
    Target,
    describe_trends,
    evaluate_trends,
    targets_of,
    trend_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused

START = datetime(2026, 11, 1, tzinfo=UTC)
GAUGE = {"name": "free", "namespace": "AWS/RDS", "metric": "FreeStorageSpace", "dimensions": {}, "stat": "Minimum",
         "full": 0.0, "minimum_days": 7.0, "minimum_left": 100.0}
FREE_BYTES = Target("Minimum", 0.0, 7.0, 100.0)


def hours(*values: float) -> dict[datetime, float]:
    return {START + timedelta(hours=number): value for number, value in enumerate(values)}


def falling(a_day: float, first: float = 1000.0, number: int = 240) -> dict[datetime, float]:
    return hours(*(first - a_day * hour / 24 for hour in range(number)))


@pytest.mark.parametrize(("series", "stat", "full", "a_day", "days_left"), [
    pytest.param(falling(24), "Minimum", 0, -24, 1000 / 24 - 239 / 24, id="free storage falls to nothing"),
    pytest.param(falling(-24), "Minimum", 0, 24, None, id="free storage grows"),
    pytest.param(falling(0), "Minimum", 0, 0, None, id="does not move"),
    pytest.param(falling(-1, 50), "Maximum", 100, 1, 50 - 239 / 24, id="used per cent rises to 100"),
    pytest.param(falling(1, 50), "Maximum", 100, -1, None, id="used per cent falls"),
    pytest.param(hours(*[0.0] * 30), "Minimum", 0, 0, 0, id="nothing left already"),
    pytest.param(falling(-1, 90), "Maximum", 90, 1, 0, id="past full and still rising"),
    pytest.param(falling(1, 120), "Maximum", 90, -1, 0, id="past full and falling"),
])
def test_the_slope_and_the_days_left(
    series: dict[datetime, float], stat: str, full: float, a_day: float, days_left: float | None
) -> None:
    trend = trend_of(series, Target(stat, full, 7.0))
    assert trend is not None
    assert trend.a_day == pytest.approx(a_day)
    assert trend.days_left == (None if days_left is None else pytest.approx(days_left))


def test_one_clean_up_does_not_turn_the_trend() -> None:
    series = falling(24)
    cleaned = {moment: value + (60 if moment > START + timedelta(days=9) else 0) for moment, value in series.items()}
    trend = trend_of(cleaned, FREE_BYTES)
    assert trend is not None
    assert -24 <= trend.a_day < -18


def measured(series: dict[datetime, float], later: timedelta = timedelta(hours=1)) -> Collected[Measurements]:
    window = Window(START, START + timedelta(days=14), 3600)
    reading = Reading(metric_of(GAUGE), min(series.values(), default=None), len(series), series)
    return Collected(Measurements(window, (reading,)), max(series, default=START) + later)


@pytest.mark.parametrize(("series", "ok"), [
    (falling(24), True), (falling(90), False), (falling(24, number=23), None), ({}, None), (falling(0, 100), False),
    (falling(0, 101), True),
])
def test_few_points_are_unknown_and_little_left_unhealthy(series: dict[datetime, float], ok: bool | None) -> None:
    collected, targets = measured(series), {"free": FREE_BYTES}
    assert [item.ok for item in evaluate_trends(collected, targets)] == [ok]
    few = len(series) < 24
    assert (describe_trends(collected, targets)["trends"][0]["a_day"] is None) == few


def test_a_gauge_that_nobody_reports_any_more_is_unknown() -> None:
    [found] = evaluate_trends(measured(falling(24), timedelta(hours=4)), {"free": FREE_BYTES})
    assert (found.ok, found.actual) == (None, "nothing was reported since 2026-11-10 23:00 UTC")


@pytest.mark.parametrize("given", [
    {**GAUGE, "stat": "Sum"}, {**GAUGE, "minimum_days": -1.0}, {**GAUGE, "minimum_left": -1.0},
])
def test_bad_targets_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        targets_of([given])
    with pytest.raises(Refused):
        targets_of([GAUGE, GAUGE])
