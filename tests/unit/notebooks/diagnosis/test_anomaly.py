"""Anomalies: how unusual a metric is, without being fooled by constant baselines, long tails, or a few requests."""

from __future__ import annotations

import pytest

from opsbook.diagnosis.anomaly import anomalies_of, anomaly_of, share_anomaly
from opsbook.diagnosis.metrics import ERRORS, LATENCY, RESOURCES, TRAFFIC, direction_of, family_of
from opsbook.diagnosis.robust import BOTH, DOWN, UP, quantile
from tests.unit.notebooks.diagnosis.making import BASELINE, WINDOW, at, counts, from_minute, noisy, series, with_window

USUAL = noisy(100, 5)
TAILED = [500.0 if number % 12 == 0 else 100.0 for number in range(240)]


@pytest.mark.parametrize(("values", "unusual"), [
    pytest.param(USUAL, False, id="as always"),
    pytest.param(with_window(USUAL, from_minute(20, 300.0)), True, id="three times as slow"),
    pytest.param(with_window(USUAL, from_minute(20, 300.0, 22)), True, id="for two of three minutes"),
    pytest.param(with_window(USUAL, {20: 3000.0}), False, id="one spike"),
    pytest.param(with_window([100.0] * 240, from_minute(20, 101.0)), False, id="a wrinkle on a constant baseline"),
    pytest.param(with_window([0.2] * 240, from_minute(20, 0.9)), False, id="less than a millisecond more"),
    pytest.param(with_window([100.0] * 240, from_minute(20, 150.0)), True, id="half more than a constant baseline"),
    pytest.param(with_window(USUAL, from_minute(20, 10.0)), False, id="ten times as fast"),
    pytest.param(TAILED, False, id="a tail that was always there"),
    pytest.param(with_window(TAILED, from_minute(20, 500.0)), False, id="within its own long tail"),
    pytest.param(with_window(TAILED, from_minute(20, 1500.0)), True, id="far beyond its own long tail"),
])
def test_latency_is_unusual_only_where_it_is_worse_for_some_minutes(values: list[float], unusual: bool) -> None:
    found = anomaly_of(series(values), WINDOW, BASELINE)
    assert found is not None
    assert found.unusual is unusual


def test_no_baseline_and_no_window_are_not_seen_rather_than_usual() -> None:
    assert anomaly_of(series([100.0] * 4), WINDOW, BASELINE) is None
    assert anomaly_of(series([100.0] * 181), WINDOW, BASELINE) is None
    assert anomaly_of(series([]), WINDOW, BASELINE) is None


@pytest.mark.parametrize(("metric", "direction", "family"), [
    ("errors", UP, ERRORS), ("throttles", UP, ERRORS), ("unhealthy_hosts", UP, ERRORS), ("healthy_hosts", DOWN, ERRORS),
    ("availability", DOWN, ERRORS), ("client_errors", BOTH, TRAFFIC), ("latency_p95", UP, LATENCY),
    ("integration_latency_p95", UP, LATENCY), ("oldest_age", UP, LATENCY), ("requests", BOTH, TRAFFIC),
    ("cpu_percent", UP, RESOURCES), ("free_storage", DOWN, RESOURCES), ("consumed_read", BOTH, RESOURCES),
    ("connections", UP, RESOURCES), ("evictions", UP, RESOURCES),
])
def test_a_metrics_name_says_which_way_is_worse(metric: str, direction: int, family: str) -> None:
    assert (direction_of(metric), family_of(metric)) == (direction, family)


@pytest.mark.parametrize(("metric", "value", "unusual"), [
    ("healthy_hosts", 0.0, True), ("healthy_hosts", 8.0, False), ("requests", 0.0, True), ("requests", 40.0, True)])
def test_direction_matters_by_metric(metric: str, value: float, unusual: bool) -> None:
    found = anomaly_of(series(with_window([4.0] * 240, from_minute(20, value)), metric, "hosts"), WINDOW, BASELINE)
    assert found is not None
    assert found.unusual is unusual


@pytest.mark.parametrize(("requests", "before", "after", "unusual"), [
    pytest.param(1000.0, 1.0, 60.0, True, id="many of many"),
    pytest.param(1000.0, 0.0, 1.0, False, id="one of a thousand"),
    pytest.param(2.0, 0.0, 0.4, False, id="one of six in three minutes"),
    pytest.param(20.0, 0.0, 10.0, True, id="half of twenty"),
    pytest.param(1000.0, 60.0, 60.0, False, id="as many as ever"),
    pytest.param(1000.0, 60.0, 0.0, False, id="none any more"),
])
def test_failures_count_as_a_share_of_requests(requests: float, before: float, after: float, unusual: bool) -> None:
    failed = counts(with_window([before] * 240, from_minute(20, after)), "errors")
    found = share_anomaly(failed, counts([requests] * 240), WINDOW, BASELINE)
    assert found is not None
    assert found.unusual is unusual


def test_more_traffic_with_the_same_share_of_failures_is_no_anomaly_of_errors() -> None:
    requests = counts(with_window([1000.0] * 240, from_minute(20, 5000.0)))
    errors = counts(with_window([10.0] * 240, from_minute(20, 50.0)), "errors")
    found = {one.metric: one.unusual for one in anomalies_of([requests, errors], WINDOW, BASELINE)}
    assert found == {"requests": True, "errors": False}


def test_no_requests_leave_no_share_to_judge() -> None:
    errors, requests = counts([0.0] * 240, "errors"), counts([10.0] * 180 + [0.0] * 60)
    assert share_anomaly(errors, requests, WINDOW, BASELINE) is None


def test_what_was_as_bad_before_the_symptom_began_does_not_explain_it() -> None:
    drifted = series(with_window(USUAL, from_minute(0, 300.0)))
    assert anomaly_of(drifted, WINDOW, BASELINE).unusual  # type: ignore[union-attr]
    found = anomaly_of(drifted, WINDOW, BASELINE, onset=at(30))
    assert found is not None
    assert not found.unusual


def test_the_worst_comes_first_and_ties_go_by_name() -> None:
    bad, worse = with_window(USUAL, from_minute(20, 200.0)), with_window(USUAL, from_minute(20, 400.0))
    given = [series(bad, component="b"), series(bad, component="a"), series(worse, component="c")]
    found = anomalies_of(given, WINDOW, BASELINE)
    assert [one.component for one in found] == ["c", "a", "b"]


@pytest.mark.parametrize(("share", "expected"), [(0, 1.0), (0.5, 2.5), (1, 4.0), (0.25, 1.75)])
def test_quantiles_lie_between_the_nearest_values(share: float, expected: float) -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], share) == pytest.approx(expected)
