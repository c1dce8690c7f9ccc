"""cloudwatch_metric_info against the lab's AWS: windows, percentiles, exact dimensions, rates, before and after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing

END = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
WINDOW = {"end": END.isoformat(), "window": "10m"}


def put(aws: Aws, load_balancer: str, metric: str, values: dict[float, list[float]]) -> None:
    """Values by minutes before the window's end."""
    aws.client("cloudwatch").put_metric_data(Namespace="AWS/ApplicationELB", MetricData=[
        {"MetricName": metric, "Timestamp": END - timedelta(minutes=minutes), "Values": those,
         "Counts": [1.0] * len(those), "Dimensions": [{"Name": "LoadBalancer", "Value": load_balancer},
                                                      {"Name": "Zone", "Value": "a"}]}
        for minutes, those in values.items()])


def number(load_balancer: str, metric: str, stat: str, name: str = "m", **rest: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "AWS/ApplicationELB", "metric": metric, "stat": stat,
            "dimensions": {"LoadBalancer": load_balancer, "Zone": "a"}, **rest}


@pytest.fixture
def balancer(aws: Aws, unique: str) -> str:
    """In the window: 100 requests in ten minutes, of which 4 failed; 99 took 0.1 s and one, alone in its minute, 5 s."""
    put(aws, unique, "RequestCount", {minutes: [10.0] for minutes in range(1, 11)})
    put(aws, unique, "RequestCount", {0: [1000.0], 10.5: [1000.0]})
    put(aws, unique, "HTTPCode_Target_5XX_Count", {3: [4.0]})
    put(aws, unique, "TargetResponseTime", {1: [5.0], **{minutes: [0.1] * 11 for minutes in range(2, 11)}})
    return unique


def read(operate: Operate, *metrics: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return operate("cloudwatch_metric_info", metrics=list(metrics), **{**WINDOW, **rest})


@pytest.mark.parametrize(
    ("metric", "stat", "value"),
    [
        pytest.param("RequestCount", "Sum", 100, id="sum_of_the_window_only"),
        pytest.param("RequestCount", "SampleCount", 10, id="number_of_samples"),
        pytest.param("TargetResponseTime", "Maximum", 5, id="maximum"),
        pytest.param("TargetResponseTime", "Minimum", 0.1, id="minimum"),
        # The average of the minutes' averages would be 0.59.
        pytest.param("TargetResponseTime", "Average", (5 + 99 * 0.1) / 100, id="average_of_the_window"),
        # The minutes' own 95th percentiles average 0.59, and their maximum is 5.
        pytest.param("TargetResponseTime", "p95", 0.1, id="an_average_is_not_p95"),
        pytest.param("TargetResponseTime", "p100", 5, id="p100_is_the_maximum"),
    ],
)
def test_reads_one_number_for_the_window(
    operate: Operate, balancer: str, metric: str, stat: str, value: float
) -> None:
    assert read(operate, number(balancer, metric, stat))["measured"]["m"] == pytest.approx(value)


def test_changes_nothing_and_says_what_it_read(aws: Aws, operate: Operate, balancer: str) -> None:
    with aws.calls() as calls:
        result = operate("cloudwatch_metric_info", check_mode=True, **WINDOW, metrics=[
            number(balancer, "RequestCount", "Sum", maximum=1000)])

    assert calls.names() == ["cloudwatch:GetMetricData"]
    assert changing(calls) == []
    assert result["verdict"] == "healthy"
    assert result["window"] == {"start": (END - timedelta(minutes=10)).isoformat(), "end": END.isoformat(), "period": 60}
    [seen] = result["evidence"]
    assert seen["expected"] == "at most 1000"
    assert seen["actual"]["points"] == 10
    assert seen["actual"]["query"] == f"Sum of AWS/ApplicationELB RequestCount {{LoadBalancer={balancer}, Zone=a}}"


def test_missing_dimensions_are_no_data_and_unknown_not_healthy(operate: Operate, balancer: str) -> None:
    wanted = number(balancer, "RequestCount", "Sum", maximum=1000)
    wanted["dimensions"].pop("Zone")
    result = read(operate, wanted)

    assert result["measured"]["m"] is None
    assert result["verdict"] == "unknown"
    assert "dimensions are not the exact set" in result["evidence"][0]["actual"]["reason"]


@pytest.mark.parametrize(("missing", "value", "verdict"), [("unknown", None, "unknown"), ("zero", 0.0, "unhealthy")])
def test_no_request_count_means_no_requests_where_said_so(
    operate: Operate, unique: str, missing: str, value: float | None, verdict: str
) -> None:
    result = read(operate, number(unique, "RequestCount", "Sum", missing=missing, minimum=1))

    assert (result["measured"]["m"], result["verdict"]) == (value, verdict)


def counts(balancer: str) -> list[dict[str, Any]]:
    return [number(balancer, "HTTPCode_Target_5XX_Count", "Sum", "errors", missing="zero"),
            number(balancer, "RequestCount", "Sum", "requests", missing="zero")]


@pytest.mark.parametrize(("maximum", "verdict"), [(0.05, "healthy"), (0.03, "unhealthy")])
def test_a_rate_has_both_numbers_of_one_window(
    operate: Operate, balancer: str, maximum: float, verdict: str
) -> None:
    result = read(operate, *counts(balancer), rates=[
        {"name": "error rate", "numerator": "errors", "denominator": "requests", "maximum": maximum}])

    assert result["measured"] == {"errors": 4.0, "requests": 100.0, "error rate": 0.04}
    assert result["verdict"] == verdict


@pytest.mark.parametrize(("idle", "verdict"), [("unknown", "unknown"), ("healthy", "healthy")])
def test_no_requests_means_no_rate(operate: Operate, unique: str, idle: str, verdict: str) -> None:
    result = read(operate, *counts(unique), rates=[
        {"name": "error rate", "numerator": "errors", "denominator": "requests", "maximum": 0.05, "idle": idle}])

    assert result["measured"]["error rate"] is None
    assert result["rates"][0]["reason"].startswith("no rate: requests is 0")
    assert result["verdict"] == verdict


def test_compares_after_with_before(aws: Aws, operate: Operate, unique: str) -> None:
    put(aws, unique, "RequestCount", {15: [100.0], 5: [140.0]})
    wanted = number(unique, "RequestCount", "Sum", at_most_times=1.2, plus=10)
    before = read(operate, wanted, end=(END - timedelta(minutes=10)).isoformat())
    after = read(operate, wanted, baseline=before)

    assert before["verdict"] == "healthy"
    assert before["measured"] == {"m": 100.0}
    assert after["verdict"] == "unhealthy"
    assert after["evidence"][0]["expected"] == "at most 130 (100 before, times 1.2, plus 10)"
    assert read(operate, {**wanted, "plus": 20}, baseline=before["measured"])["verdict"] == "healthy"


def test_denied_is_a_gap_for_each_metric(aws: Aws, operate: Operate, balancer: str) -> None:
    aws.control("faults", {"faults": [{"service": "cloudwatch", "action": "GetMetricData", "kind": "deny"}]})
    result = read(operate, *counts(balancer))

    assert result["verdict"] == "unknown"
    assert result["measured"] == {"errors": None, "requests": None}
    assert [gap["resource"] for gap in result["coverage"]["missing"]] == [
        "cloudwatch-metric:errors", "cloudwatch-metric:requests"]
    assert all("AccessDenied" in gap["reason"] for gap in result["coverage"]["missing"])
    assert aws.connection["secret_key"] not in str(result)


def test_sees_the_same_under_throttling(aws: Aws, operate: Operate, balancer: str) -> None:
    aws.control("faults", {"seed": 7, "faults": [
        {"service": "cloudwatch", "action": "*", "kind": "throttle", "probability": 0.3}]})

    assert read(operate, *counts(balancer))["measured"] == {"errors": 4.0, "requests": 100.0}


def test_refuses_a_rate_of_averages(operate: Operate, balancer: str) -> None:
    result = read(operate, number(balancer, "TargetResponseTime", "Average", "latency"), rates=[
        {"name": "r", "numerator": "latency", "denominator": "latency"}])

    assert result["failed"] is True
    assert "not one of the metrics that count something" in result["msg"]
