"""Metrics that are evaluated when read: deterministic, right by every statistic, and less than what is put."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.estate.connection import Aws, Connector

from .conftest import AwsLab, start_aws

# A whole hour some hours ago, so that periods begin where the tests expect them and nothing of them is in the future.
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
HOUR = timedelta(hours=1)
DIMENSIONS = [{"Name": "Service", "Value": "api"}]
REQUESTS = {
    "namespace": "App", "name": "Requests", "dimensions": {"Service": "api"}, "unit": "Count", "level": 90.0,
    "daily": 0.4, "weekly": 0.3, "noise": 0.1, "whole": True,
}  # fmt: skip


@pytest.fixture
def account(clean_aws: AwsLab) -> Aws:
    """An empty account with one signal."""
    connected = Connector("us-east-1", ()).connect(clean_aws.endpoint, "123456789012", "us-east-1")
    connected.control("metrics/signals", signals=[REQUESTS])
    return connected


def points(account: Aws, start: datetime = START, end: datetime | None = None, period: int = 60, **asked: Any) -> list[Any]:
    """GetMetricStatistics, oldest first."""
    found = account.clients["cloudwatch"].get_metric_statistics(
        Namespace="App", MetricName="Requests", Dimensions=DIMENSIONS, StartTime=start, EndTime=end or start + HOUR,
        Period=period, **{"Statistics": ["Sum"], **asked},
    )["Datapoints"]  # fmt: skip
    return sorted(found, key=lambda point: point["Timestamp"])


def sums(account: Aws, **asked: Any) -> list[float]:
    return [point["Sum"] for point in points(account, **asked)]


def test_there_is_a_value_a_minute(account: Aws) -> None:
    found = points(account)
    assert [point["Timestamp"] for point in found] == [START + timedelta(minutes=minute) for minute in range(60)]
    assert {point["Unit"] for point in found} == {"Count"}
    assert all(point["Sum"] == int(point["Sum"]) for point in found), "counts are whole"
    assert len({point["Sum"] for point in found}) > 10, "there is noise"


def test_every_statistic_is_that_of_the_values(account: Aws) -> None:
    values = sorted(sums(account))
    simple = ["Sum", "Average", "Minimum", "Maximum", "SampleCount"]
    (hour,) = points(account, period=3600, Statistics=simple)
    assert [hour[name] for name in simple] == [
        sum(values), pytest.approx(sum(values) / 60), values[0], values[-1], 60,
    ]  # fmt: skip
    (percentiles,) = (
        account.clients["cloudwatch"].get_metric_statistics(
            Namespace="App", MetricName="Requests", Dimensions=DIMENSIONS, StartTime=START, EndTime=START + HOUR,
            Period=3600, ExtendedStatistics=["p50", "p95"],
        )["Datapoints"]
    )  # fmt: skip
    assert percentiles["ExtendedStatistics"] == {"p50": values[29], "p95": values[56]}


@pytest.mark.parametrize(("start", "period"), [(START + timedelta(minutes=7), 300), (START + timedelta(seconds=90), 60)])
def test_periods_begin_where_the_request_does(account: Aws, start: datetime, period: int) -> None:
    minutes = sums(account, start=start.replace(second=0))
    length = period // 60
    expected = [sum(minutes[number : number + length]) for number in range(0, 60, length)]
    assert sums(account, start=start.replace(second=0), period=period) == expected
    assert points(account, start=start, period=period)[0]["Timestamp"] == start.replace(second=0)


def test_a_value_that_was_put_wins(account: Aws) -> None:
    before = sums(account)
    account.clients["cloudwatch"].put_metric_data(
        Namespace="App",
        MetricData=[
            {"MetricName": "Requests", "Dimensions": DIMENSIONS, "Value": value, "Unit": "Count",
             "Timestamp": START + timedelta(minutes=10, seconds=seconds)}
            for seconds, value in ((0, 1000), (30, 2000))
        ],
    )  # fmt: skip
    assert sums(account) == [*before[:10], 3000, *before[11:]]
    (hour,) = points(account, period=3600, Statistics=["Sum", "SampleCount", "Maximum"])
    assert (hour["Sum"], hour["SampleCount"], hour["Maximum"]) == (sum(before) - before[10] + 3000, 61, 2000)


def test_nothing_is_from_the_future_or_older_than_fifteen_days(account: Aws) -> None:
    now = datetime.now(UTC)
    assert all(point["Timestamp"] <= now for point in points(account, now - HOUR, now + HOUR))
    assert points(account, now + timedelta(minutes=1), now + HOUR) == []
    (oldest, *_) = points(account, now - timedelta(days=20), now - timedelta(days=14), period=3600)
    assert timedelta(days=14, hours=22) < now - oldest["Timestamp"] < timedelta(days=15, hours=1)


def test_only_its_own_unit_and_dimensions_find_it(account: Aws) -> None:
    assert len(points(account, Unit="Count")) == 60
    assert points(account, Unit="Bytes") == []
    listed = account.clients["cloudwatch"].list_metrics()["Metrics"]
    assert listed == [{"Namespace": "App", "MetricName": "Requests", "Dimensions": DIMENSIONS}]


def test_metric_math_reads_it(account: Aws) -> None:
    account.control("metrics/signals", signals=[{**REQUESTS, "name": "Errors", "level": 9.0}])

    def query(name: str) -> dict[str, Any]:
        metric = {"Namespace": "App", "MetricName": name, "Dimensions": DIMENSIONS}
        return {"Id": name.lower(), "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"}}

    queries = [query("Errors"), query("Requests"), {"Id": "rate", "Expression": "100 * errors / requests"}]
    results = account.clients["cloudwatch"].get_metric_data(
        MetricDataQueries=queries, StartTime=START, EndTime=START + HOUR
    )["MetricDataResults"]
    errors, requests, rates = (result["Values"] for result in results)
    assert rates == [pytest.approx(100 * error / request) for error, request in zip(errors, requests, strict=True)]


def test_each_account_region_and_series_moves_by_itself(clean_aws: AwsLab, account: Aws) -> None:
    connector = Connector("us-east-1", ())
    places = [("123456789012", "eu-west-1"), ("345678901234", "us-east-1")]
    others = [connector.connect(clean_aws.endpoint, *place) for place in places]
    for other in others:
        assert sums(other) == []
        other.control("metrics/signals", signals=[REQUESTS])
    assert len({tuple(sums(any_of_them)) for any_of_them in (account, *others)}) == 3


def test_the_seed_decides_and_nothing_else(account: Aws, tmp_path: Path) -> None:
    expected = sums(account)
    for seed, same in ((1, True), (2, False)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        (folder / "settings.json").write_text(f'{{"seed": {seed}}}')
        process, lab = start_aws(folder)
        try:
            another = Connector("us-east-1", ()).connect(lab.endpoint, "123456789012", "us-east-1")
            another.control("metrics/signals", signals=[REQUESTS])
            assert (sums(another) == expected) is same
        finally:
            process.terminate()
            process.wait(10)


def test_two_weeks_are_read_quickly(account: Aws) -> None:
    now = datetime.now(UTC)
    points(account)
    begun = time.perf_counter()
    fortnight = points(account, now - timedelta(days=14), now, period=3600)
    assert len(fortnight) in (336, 337)
    # 25 ms on the slowest machine that was tried, with the request around it; a stored fortnight took seconds.
    assert time.perf_counter() - begun < 0.5


def test_what_is_no_signal_is_refused(clean_aws: AwsLab) -> None:
    for item in ({"name": "x"}, {"namespace": "x", "name": "y", "level": "high"}, "x"):
        assert "signals is a list" in clean_aws.control("metrics/signals", signals=[item])["error"]
    assert "signals is a list" in clean_aws.control("metrics/signals")["error"]
