"""One number for one window: what is asked, and how it is reduced without averaging averages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metrics import (
    Metric,
    Reading,
    Series,
    Window,
    collect_metrics,
    join_pages,
    metric_of,
    reduce_metric,
    window_of,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

NOW = datetime(2026, 11, 21, 2, 7, 42, tzinfo=UTC)
START = datetime(2026, 11, 21, 1, 52, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=15), 60)


def metric(stat: str = "Sum", missing: str = "unknown", name: str = "m") -> Metric:
    return Metric(name, "AWS/ECS", "CPUUtilization", {"ServiceName": "api", "ClusterName": "shop"}, stat, missing)


def series(*values: float, status: str = "Complete", first: int = 0) -> Series:
    return Series({START + timedelta(minutes=first + number): value for number, value in enumerate(values)}, status)


@pytest.mark.parametrize(
    ("stat", "answers", "value", "points"),
    [
        pytest.param("Sum", [series(1, 2, 3)], 6, 3, id="sum_of_sums"),
        pytest.param("SampleCount", [series(1, 2)], 3, 2, id="sum_of_counts"),
        pytest.param("Maximum", [series(1, 5, 3)], 5, 3, id="greatest_maximum"),
        pytest.param("Minimum", [series(4, 2, 3)], 2, 3, id="least_minimum"),
        # One request of 1 s, then 99 of 0.1 s: the average of averages would be 0.55.
        pytest.param("Average", [series(1, 9.9), series(1, 99)], 0.109, 2, id="average_of_the_window_not_of_averages"),
        pytest.param("p95", [series(0.7)], 0.7, 1, id="percentile_of_the_window"),
    ],
)
def test_reduces_to_one_number(stat: str, answers: list[Series], value: float, points: int) -> None:
    reading = reduce_metric(metric(stat), answers, WINDOW)

    assert isinstance(reading, Reading)
    assert reading.value == pytest.approx(value)
    assert reading.points == points


@pytest.mark.parametrize(
    ("stat", "answers", "newest", "greatest"),
    [
        pytest.param("Sum", [series(1, 5, 3)], 3, 5, id="sums"),
        pytest.param("Minimum", [series(4, 2)], 2, 4, id="a_gauge"),
        pytest.param("p95", [series(0.7)], 0.7, 0.7, id="a_percentile"),
        pytest.param("Average", [series(1, 9.9), series(1, 99)], None, None, id="an_average_is_one_number_only"),
        pytest.param("Sum", [series()], None, None, id="no_data_point"),
    ],
)
def test_keeps_the_data_points(stat: str, answers: list[Series], newest: float | None, greatest: float | None) -> None:
    reading = reduce_metric(metric(stat), answers, WINDOW)

    assert isinstance(reading, Reading)
    assert (reading.newest, reading.greatest) == (newest, greatest)


@pytest.mark.parametrize(
    ("stat", "missing", "value"),
    [
        pytest.param("Sum", "unknown", None, id="no_data_is_no_number"),
        pytest.param("Sum", "zero", 0, id="no_data_means_zero_requests_where_said_so"),
        pytest.param("Average", "unknown", None, id="no_average_of_nothing"),
        pytest.param("p95", "unknown", None, id="no_percentile_of_nothing"),
    ],
)
def test_no_data_point(stat: str, missing: str, value: float | None) -> None:
    assert reduce_metric(metric(stat, missing), [series(), series()], WINDOW) == Reading(metric(stat, missing), value, 0)


@pytest.mark.parametrize("status", ["PartialData", "InternalError", "Forbidden", ""])
def test_an_incomplete_answer_is_no_number(status: str) -> None:
    assert "not complete" in str(reduce_metric(metric(), [series(1, 2, status=status)], WINDOW))
    assert "not complete" in str(reduce_metric(metric("Sum", "zero"), [series(status=status)], WINDOW))


@pytest.mark.parametrize("answer", [series(0.7, 0.8), series(0.7, first=3)])
def test_a_percentile_of_another_window_is_not_believed(answer: Series) -> None:
    assert "cut the window differently" in str(reduce_metric(metric("p95"), [answer], WINDOW))


def test_joins_pages_by_the_last_status_and_each_point_once() -> None:
    one, two = START, START + timedelta(minutes=1)
    joined = join_pages([
        {"MetricDataResults": [{"Id": "a", "Timestamps": [two], "Values": [2.0], "StatusCode": "PartialData"}]},
        {"MetricDataResults": [{"Id": "a", "Timestamps": [two, one], "Values": [2.0, 1.0], "StatusCode": "Complete"},
                               {"Id": "b", "Timestamps": [], "Values": [], "StatusCode": "InternalError"}]},
    ])

    assert joined["a"] == Series({one: 1.0, two: 2.0}, "Complete")
    assert joined["b"].status == "InternalError"


@pytest.mark.parametrize(
    ("end", "length", "period", "start", "stop", "used"),
    [
        pytest.param(None, 15, 60, "2026-11-21T01:52", "2026-11-21T02:07", 60, id="until_now_in_whole_minutes"),
        pytest.param("2026-11-21T02:00:00Z", 15, 60, "2026-11-21T01:45", "2026-11-21T02:00", 60, id="an_end_in_utc"),
        pytest.param("2026-11-21T03:00:00+01:00", 15, 60, "2026-11-21T01:45", "2026-11-21T02:00", 60, id="another_zone"),
        pytest.param("2026-11-21T02:00", 15, 60, "2026-11-21T01:45", "2026-11-21T02:00", 60, id="no_zone_is_utc"),
        pytest.param("2026-11-21T02:00", 14, 300, "2026-11-21T01:45", "2026-11-21T02:00", 300, id="whole_periods"),
        pytest.param("2026-10-21T02:03", 60, 60, "2026-10-21T01:00", "2026-10-21T02:00", 300, id="older_than_15_days"),
        pytest.param("2026-08-21T02:03", 90, 60, "2026-08-21T00:00", "2026-08-21T02:00", 3600, id="older_than_63_days"),
    ],
)
def test_a_window_is_what_cloudwatch_will_answer_for(
    end: str | None, length: int, period: int, start: str, stop: str, used: int
) -> None:
    window = window_of(NOW, end, timedelta(minutes=length), period)

    assert (window.start.isoformat()[:16], window.end.isoformat()[:16], window.period) == (start, stop, used)


@pytest.mark.parametrize(
    ("end", "length", "period"),
    [
        pytest.param("2026-11-21T02:08:00Z", 15, 60, id="an_end_to_come"),
        pytest.param("yesterday", 15, 60, id="no_time"),
        pytest.param(None, 0, 60, id="no_length"),
        pytest.param(None, 15, 90, id="no_whole_minutes"),
        pytest.param(None, 15, 0, id="no_period"),
    ],
)
def test_refuses_an_impossible_window(end: str | None, length: int, period: int) -> None:
    with pytest.raises(Refused, match="choose a window"):
        window_of(NOW, end, timedelta(minutes=length), period)


@pytest.mark.parametrize("stat", ["Sum", "Average", "p95", "p99.9", "p0", "p100"])
def test_knows_the_statistics(stat: str) -> None:
    assert metric_of({"name": "m", "namespace": "n", "metric": "m", "stat": stat}).stat == stat


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param({"stat": "Median"}, "no statistic 'Median'", id="unknown"),
        pytest.param({"stat": "p101"}, "no statistic 'p101'", id="beyond_100"),
        pytest.param({"stat": "Average", "missing": "zero"}, "not mean that its Average is zero", id="no_average_of_zero"),
    ],
)
def test_refuses_a_number_that_cannot_be(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        metric_of({"name": "m", "namespace": "n", "metric": "m", **given})


class CloudWatch:
    """GetMetricData that remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def __call__(self, service: str) -> CloudWatch:
        return self

    def get_paginator(self, operation: str) -> CloudWatch:
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        self.requests.append(request)
        yield {"MetricDataResults": [
            {"Id": query["Id"], "Timestamps": [request["StartTime"]], "Values": [1.0], "StatusCode": "Complete"}
            for query in request["MetricDataQueries"]]}


def test_asks_for_at_most_500_queries_a_call() -> None:
    cloudwatch = CloudWatch()
    many = [metric("Average", name=f"m{number}") for number in range(600)]
    collected = collect_metrics(cloudwatch, Run(), many, None, timedelta(minutes=15), 60)

    assert sorted(len(request["MetricDataQueries"]) for request in cloudwatch.requests) == [200, 500, 500]
    assert len(collected.state.readings) == 600
    assert collected.coverage.complete


def test_asks_for_a_percentile_with_one_period_and_for_an_average_with_its_parts() -> None:
    cloudwatch = CloudWatch()
    collect_metrics(cloudwatch, Run(), [metric("p95", name="a"), metric("Average", name="b")], None,
                    timedelta(minutes=15), 60)

    asked = [query["MetricStat"] for query in cloudwatch.requests[0]["MetricDataQueries"]]
    assert [(one["Stat"], one["Period"]) for one in asked] == [("p95", 900), ("Sum", 60), ("SampleCount", 60)]
    assert asked[0]["Metric"]["Dimensions"] == [
        {"Name": "ClusterName", "Value": "shop"}, {"Name": "ServiceName", "Value": "api"}]
