"""CloudWatch: exact series, right statistics, pages, and alarms by all filters together."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import AwsLab

# A whole hour in the past, so that periods begin where the tests expect them.
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
SERVICE = [{"Name": "ClusterName", "Value": "production"}, {"Name": "ServiceName", "Value": "api"}]
CLUSTER = SERVICE[:1]


def put(client: Any, *values: float, namespace: str = "AWS/ECS", name: str = "CPU", dimensions: Any = SERVICE) -> None:
    """One value a minute from START on."""
    client.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": name, "Dimensions": dimensions, "Value": value, "Timestamp": START + timedelta(minutes=minute)}
            for minute, value in enumerate(values)
        ],
    )


def query(query_id: str = "q", stat: str = "Sum", period: int = 300, **changes: Any) -> dict[str, Any]:
    """A MetricStat query of what `put` puts by default."""
    metric = {"Namespace": "AWS/ECS", "MetricName": "CPU", "Dimensions": SERVICE, **changes}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}


def data(client: Any, *queries: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    """GetMetricData for the hour after START, oldest first."""
    window = {"StartTime": START, "EndTime": START + timedelta(hours=1), "ScanBy": "TimestampAscending"}
    return dict(client.get_metric_data(MetricDataQueries=list(queries), **{**window, **arguments}))


def values(client: Any, *queries: dict[str, Any], **arguments: Any) -> list[list[float]]:
    """The values of each result."""
    return [result["Values"] for result in data(client, *queries, **arguments)["MetricDataResults"]]


def statistics(client: Any, **arguments: Any) -> list[dict[str, Any]]:
    """GetMetricStatistics for the hour after START, sorted by time."""
    asked = {"Namespace": "AWS/ECS", "MetricName": "CPU", "Dimensions": SERVICE, "Period": 3600}
    window = {"StartTime": START, "EndTime": START + timedelta(hours=1)}
    points = client.get_metric_statistics(**{**asked, **window, **arguments})["Datapoints"]
    return sorted(points, key=lambda point: point["Timestamp"])


@pytest.fixture
def client(clean_aws: AwsLab) -> Any:
    """A client of an empty CloudWatch."""
    return clean_aws.client("cloudwatch")


def test_only_the_exact_dimensions_are_found(client: Any) -> None:
    put(client, 1, 2)
    put(client, 100, dimensions=CLUSTER)
    put(client, 1000, dimensions=[])
    assert values(client, query(), query("c", Dimensions=CLUSTER), query("n", Dimensions=[])) == [[3], [100], [1000]]
    wrong = [{"Name": "ServiceName", "Value": "api"}]
    assert values(client, query(Dimensions=wrong)) == [[]]
    assert [point["Sum"] for point in statistics(client, Statistics=["Sum"])] == [3]
    assert statistics(client, Statistics=["Sum"], Dimensions=wrong) == []
    assert [point["Sum"] for point in statistics(client, Statistics=["Sum"], Dimensions=[])] == [1000]


def test_the_namespace_counts(client: Any) -> None:
    put(client, 5)
    put(client, 5000, namespace="Custom")
    assert values(client, query(), query("c", Namespace="Custom"), query("x", Namespace="Other")) == [[5], [5000], []]


@pytest.mark.parametrize(
    ("stat", "expected"),
    [
        ("SampleCount", 20), ("Sum", 210), ("Average", 10.5), ("Minimum", 1), ("Maximum", 20),
        ("p50", 10), ("p95", 19), ("p99", 20), ("p99.9", 20), ("p100", 20),
    ],
)  # fmt: skip
def test_statistics_are_right(client: Any, stat: str, expected: float) -> None:
    put(client, *reversed(range(1, 21)))
    assert values(client, query(stat=stat, period=3600)) == [[expected]]
    if stat.startswith("p"):
        (point,) = statistics(client, ExtendedStatistics=[stat])
        assert point["ExtendedStatistics"] == {stat: expected}
    else:
        (point,) = statistics(client, Statistics=[stat])
        assert point[stat] == expected


def test_counts_weigh_percentiles_and_statistic_sets_have_none(client: Any) -> None:
    at = {"MetricName": "CPU", "Dimensions": SERVICE, "Timestamp": START}
    client.put_metric_data(Namespace="AWS/ECS", MetricData=[{**at, "Values": [1, 9], "Counts": [98, 2]}])
    assert values(client, query(stat="p98"), query("q2", stat="p99")) == [[1], [9]]
    summary = {"SampleCount": 4, "Sum": 40, "Minimum": 4, "Maximum": 20}
    client.put_metric_data(
        Namespace="AWS/ECS",
        MetricData=[{**at, "Timestamp": START + timedelta(minutes=10), "StatisticValues": summary}],
    )
    window = {"StartTime": START + timedelta(minutes=10)}
    assert values(client, query(stat="Average"), query("q2", stat="p99"), **window) == [[10], []]


def test_unknown_statistics_are_refused(client: Any) -> None:
    with pytest.raises(ClientError) as error:
        data(client, query(stat="tm99"))
    assert error.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_periods_and_order(client: Any) -> None:
    put(client, *range(10))
    oldest_first, newest_first = (
        data(client, query(), ScanBy=order)["MetricDataResults"][0]
        for order in ("TimestampAscending", "TimestampDescending")
    )
    assert oldest_first["Values"] == [10, 35]
    assert newest_first["Values"] == [35, 10]
    assert oldest_first["Timestamps"] == [START, START + timedelta(minutes=5)]
    assert newest_first["StatusCode"] == "Complete"


def test_results_come_in_pages(client: Any) -> None:
    put(client, *range(6))
    put(client, *range(4), name="Memory")
    queries = [query("cpu", period=60), query("memory", period=60, MetricName="Memory"), query("none", Namespace="No")]
    collected: dict[str, list[float]] = {}
    states, token = [], {}
    while True:
        page = data(client, *queries, MaxDatapoints=5, **token)
        assert sum(len(result["Values"]) for result in page["MetricDataResults"]) <= 5
        for result in page["MetricDataResults"]:
            collected.setdefault(result["Id"], []).extend(result["Values"])
            states.append((result["Id"], result["StatusCode"]))
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert collected == {"cpu": [0, 1, 2, 3, 4, 5], "memory": [0, 1, 2, 3], "none": []}
    assert ("cpu", "PartialData") in states
    assert ("memory", "Complete") in states
    assert [state for identity, state in states if identity == "none"] == ["Complete"]


def test_expressions_compute_rates_and_refuse_the_rest(client: Any) -> None:
    put(client, 1, 2, 3, name="Errors")
    put(client, 10, 0, 30, name="Requests")
    parts = [query("e", period=60, MetricName="Errors"), query("r", period=60, MetricName="Requests")]
    hidden = [{**part, "ReturnData": False} for part in parts]
    assert values(client, *hidden, {"Id": "rate", "Expression": "e / r * 100"}) == [[10, 10]]
    assert values(client, *hidden, {"Id": "filled", "Expression": "FILL(e, 0) + 1"}) == [[2, 3, 4]]
    for expression in ("SEARCH('x', 'Sum', 300)", "e / ghost", "e +", "100"):
        with pytest.raises(ClientError) as error:
            data(client, *parts, {"Id": "x", "Expression": expression})
        assert error.value.response["Error"]["Code"] == "ValidationError"


def test_the_future_is_not_there_yet(client: Any) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    client.put_metric_data(
        Namespace="AWS/ECS",
        MetricData=[{"MetricName": "CPU", "Dimensions": SERVICE, "Value": 1, "Timestamp": soon}],
    )
    window = {"StartTime": soon - timedelta(minutes=5), "EndTime": soon + timedelta(hours=1)}
    assert values(client, query(), **window) == [[]]
    deadline = time.monotonic() + 10
    while values(client, query(), **window) == [[]]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert datetime.now(UTC) >= soon


def test_statistics_have_limits(client: Any) -> None:
    refused = [
        ({"Statistics": ["Sum"], "Period": 1, "EndTime": START + timedelta(hours=1)}, "InvalidParameterCombination"),
        ({"Statistics": ["Sum"], "ExtendedStatistics": ["p9"]}, "InvalidParameterCombination"),
        ({"Statistics": ["Sum"], "Period": 90}, "InvalidParameterValue"),
    ]
    for arguments, code in refused:
        with pytest.raises(ClientError) as error:
            statistics(client, **arguments)
        assert error.value.response["Error"]["Code"] == code


def test_metrics_are_listed_by_a_part_of_their_dimensions(client: Any) -> None:
    put(client, 1)
    put(client, 1, dimensions=CLUSTER)
    put(client, 1, namespace="Custom", dimensions=[])
    assert len(client.list_metrics()["Metrics"]) == 3
    (found,) = client.list_metrics(Dimensions=[{"Name": "ServiceName"}])["Metrics"]
    assert found == {"Namespace": "AWS/ECS", "MetricName": "CPU", "Dimensions": SERVICE}
    assert len(client.list_metrics(Namespace="AWS/ECS", Dimensions=CLUSTER)["Metrics"]) == 2


def alarm(client: Any, name: str, state: str = "OK", action: str = "arn:aws:sns:us-east-1:123456789012:pager") -> None:
    """An alarm in a state."""
    client.put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/ECS",
        MetricName="CPU",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[action],
    )
    client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="told so")


def described(client: Any, **arguments: Any) -> list[str]:
    """The names of the alarms described, over all pages."""
    pages = client.get_paginator("describe_alarms").paginate(**arguments)
    return [found["AlarmName"] for page in pages for found in page["MetricAlarms"]]


def test_alarm_filters_hold_together(client: Any) -> None:
    alarm(client, "api-cpu", "ALARM")
    alarm(client, "api-errors")
    alarm(client, "web-cpu", "ALARM", "arn:aws:lambda:us-east-1:123456789012:function:heal")
    assert described(client, AlarmNamePrefix="api", StateValue="ALARM") == ["api-cpu"]
    assert described(client, AlarmNames=["api-errors", "web-cpu"], StateValue="ALARM") == ["web-cpu"]
    assert described(client, StateValue="ALARM", ActionPrefix="arn:aws:sns") == ["api-cpu"]
    assert described(client, AlarmTypes=["CompositeAlarm"]) == []
    with pytest.raises(ClientError):
        described(client, AlarmNames=["a"], AlarmNamePrefix="a")


def test_alarms_come_in_pages(client: Any) -> None:
    for number in range(7):
        alarm(client, f"alarm-{number}")
    assert len(client.describe_alarms(MaxRecords=3)["MetricAlarms"]) == 3
    assert described(client, PaginationConfig={"PageSize": 3}) == [f"alarm-{number}" for number in range(7)]
    with pytest.raises(ClientError) as error:
        client.describe_alarms(NextToken="never given out")
    assert error.value.response["Error"]["Code"] == "InvalidNextToken"
