"""What numbers mean: bounds, rates, and compared with before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metric_rates import (
    Rate,
    baseline_of,
    describe_metrics,
    evaluate_metrics,
    rates_of,
    read_rates,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metrics import (
    Bounds,
    Measurements,
    Metric,
    Reading,
    Window,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(minutes=15), NOW, 60)


def metric(name: str, bounds: Bounds | None = None, stat: str = "Sum") -> Metric:
    return Metric(name, "AWS/ApplicationELB", name, {"LoadBalancer": "app/shop/1"}, stat, bounds=bounds or Bounds())


def collected(missing: tuple[Gap, ...] = (), **values: float | None) -> Collected[Measurements]:
    readings = tuple(Reading(metric(name), value, 0 if value is None else 15) for name, value in values.items())
    return Collected(Measurements(WINDOW, readings), NOW, Coverage(missing=missing))


def judged(bounds: Bounds, value: float | None, before: Any = None) -> list[bool | None]:
    state = Measurements(WINDOW, (Reading(metric("m", bounds), value, 15),))
    return [item.ok for item in evaluate_metrics(Collected(state, NOW), (), before)]


@pytest.mark.parametrize(
    ("bounds", "value", "ok"),
    [
        pytest.param(Bounds(maximum=80), 80, [True], id="at_the_maximum"),
        pytest.param(Bounds(maximum=80), 80.1, [False], id="above_the_maximum"),
        pytest.param(Bounds(minimum=1), 0, [False], id="below_the_minimum"),
        pytest.param(Bounds(maximum=80, minimum=1), 0, [True, False], id="each_bound_on_its_own"),
        pytest.param(Bounds(maximum=80), None, [None], id="no_number_is_unknown"),
        pytest.param(Bounds(), 5, [True], id="no_bound_wants_a_number"),
        pytest.param(Bounds(), None, [None], id="no_bound_and_no_number"),
        pytest.param(Bounds(at_most_times=1.5), 5, [True], id="without_a_baseline_nothing_is_compared"),
    ],
)
def test_judges_a_number(bounds: Bounds, value: float | None, ok: list[bool | None]) -> None:
    assert judged(bounds, value) == ok


@pytest.mark.parametrize(
    ("bounds", "before", "value", "ok"),
    [
        pytest.param(Bounds(at_most_times=1.5), 40, 60, True, id="within_times"),
        pytest.param(Bounds(at_most_times=1.5), 40, 60.1, False, id="beyond_times"),
        pytest.param(Bounds(at_most_times=1.5, plus=5), 40, 65, True, id="times_and_plus"),
        pytest.param(Bounds(plus=5), 40, 45.1, False, id="only_plus"),
        pytest.param(Bounds(at_most_times=2), 0, 1, False, id="before_was_nothing"),
        pytest.param(Bounds(plus=5), None, 4, True, id="no_value_before_and_within_plus"),
        pytest.param(Bounds(plus=5), None, 6, None, id="no_value_before_and_beyond_plus"),
        pytest.param(Bounds(plus=5), 40, None, None, id="no_value_now"),
    ],
)
def test_compares_with_before(bounds: Bounds, before: float | None, value: float | None, ok: bool | None) -> None:
    assert judged(bounds, value, {"m": before}) == [ok]


def test_a_number_that_the_baseline_lacks_is_unknown() -> None:
    assert judged(Bounds(at_most_times=2), 3, {}) == [None]


@pytest.mark.parametrize(
    ("errors", "requests", "idle", "value", "ok"),
    [
        pytest.param(5, 100, "unknown", 0.05, True, id="a_rate"),
        pytest.param(6, 100, "unknown", 0.06, False, id="a_rate_too_high"),
        pytest.param(0, 0, "unknown", None, None, id="no_requests_means_no_rate"),
        pytest.param(0, 0, "healthy", None, True, id="idle_declared_healthy"),
        pytest.param(3, 0, "healthy", None, None, id="errors_without_requests_are_not_idle"),
        pytest.param(None, 100, "healthy", None, None, id="no_numerator"),
        pytest.param(5, None, "healthy", None, None, id="no_denominator"),
    ],
)
def test_a_rate(
    errors: float | None, requests: float | None, idle: str, value: float | None, ok: bool | None
) -> None:
    state = collected(errors=errors, requests=requests)
    rate = Rate("error rate", "errors", "requests", idle, Bounds(maximum=0.05))

    assert read_rates(state.state, [rate])[0].value == value
    assert [item.ok for item in evaluate_metrics(state, [rate]) if item.resource == "rate:error rate"] == [ok]


def test_evidence_has_query_window_and_number_of_points() -> None:
    assert evaluate_metrics(collected(requests=7))[0].actual == {
        "value": 7, "points": 15, "query": "Sum of AWS/ApplicationELB requests {LoadBalancer=app/shop/1}",
        "window": "2026-11-21T01:45:00+00:00/2026-11-21T02:00:00+00:00"}


def test_says_why_there_is_no_number() -> None:
    rate = Rate("error rate", "errors", "requests")
    said = [item.actual.get("reason", "") for item in evaluate_metrics(collected(errors=0, requests=0), [rate])]
    assert said[-1] == "no rate: requests is 0 (errors is 0)"
    assert "dimensions are not the exact set" in evaluate_metrics(collected(requests=None))[0].actual["reason"]


def test_measured_names_everything_also_what_could_not_be_read() -> None:
    state = collected((Gap("cloudwatch-metric:cpu", "denied"),), errors=1, requests=10)

    assert describe_metrics(state, [Rate("error rate", "errors", "requests")])["measured"] == {
        "cpu": None, "errors": 1, "requests": 10, "error rate": 0.1}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param([{"name": "r", "numerator": "errors", "denominator": "nothing"}], "'nothing' is not", id="not_read"),
        pytest.param([{"name": "r", "numerator": "errors", "denominator": "cpu"}], "'cpu' is not", id="not_a_count"),
        pytest.param([{"name": "cpu", "numerator": "errors", "denominator": "errors"}], "more than once", id="same_name"),
    ],
)
def test_refuses_a_rate_of_what_is_no_count(given: list[dict[str, str]], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        rates_of(given, [metric("errors"), metric("cpu", stat="Average")])


@pytest.mark.parametrize(
    ("given", "baseline"),
    [
        pytest.param(None, None, id="none"),
        pytest.param({"cpu": "41.5", "errors": None}, {"cpu": 41.5, "errors": None}, id="numbers"),
        pytest.param({"changed": False, "measured": {"cpu": 41.5}, "evidence": []}, {"cpu": 41.5}, id="a_whole_result"),
    ],
)
def test_reads_a_baseline(given: dict[str, Any] | None, baseline: dict[str, float | None] | None) -> None:
    assert baseline_of(given, timedelta(minutes=15)) == baseline


@pytest.mark.parametrize("given", [{"cpu": "high"}, {"changed": False, "skipped": True}, {"measured": []}])
def test_refuses_what_is_no_earlier_result(given: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="no earlier result"):
        baseline_of(given, timedelta(minutes=15))


def test_numbers_of_a_window_of_another_length_do_not_compare() -> None:
    """150 errors in 15 minutes before and 100 in 5 minutes after would pass as fewer."""
    window = {"start": "2026-11-21T02:00:00+00:00", "end": "2026-11-21T02:15:00+00:00", "period": 60}
    earlier = {"measured": {"errors": 150.0}, "window": window}

    assert baseline_of(earlier, timedelta(minutes=15)) == {"errors": 150.0}
    with pytest.raises(Refused, match="it is of 15 m, and the window is of 5 m"):
        baseline_of(earlier, timedelta(minutes=5))
