"""Incidents that began long before anybody looks, and systems of which not everything may be read, in a whole lab."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lab.accounts import place_of
from lab.folders import DEFAULT_SETTINGS
from lab.scenario.components import SystemParts
from lab.scenario.injection import clear, inject
from lab.scenario.model import load_scenario
from tests.support.labs import Lab, running_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of all systems."""
    systems = ("commerce", "analytics", "metering", "media", "reviews")
    with running_lab(tmp_path_factory.mktemp("long") / "lab", systems=systems) as running:
        yield running


@pytest.fixture
def calm(lab: Lab) -> Iterator[Lab]:
    """The lab, in no incident afterwards."""
    yield lab
    clear(lab.folder)


def level(lab: Lab, system: str, of: str, metric: str, stat: str, ago: tuple[int, int]) -> float:
    """The mean of a metric's five-minute values, between two ages in minutes."""
    series = SystemParts(system, place_of(system, DEFAULT_SETTINGS)).series(of, metric)
    now = datetime.now(UTC)
    points = lab.client("cloudwatch", system).get_metric_statistics(
        Namespace=series.namespace, MetricName=series.name, Period=300, Statistics=[stat],
        Dimensions=[{"Name": name, "Value": value} for name, value in series.dimensions],
        StartTime=now - timedelta(minutes=ago[0]), EndTime=now - timedelta(minutes=ago[1]))["Datapoints"]
    assert points, f"nothing is published of {metric} of {of}"
    return float(sum(point[stat] for point in points) / len(points))


HOUR, FIRST_HALF, SECOND_HALF = (55, 0), (55, 30), (25, 0)


@pytest.mark.parametrize(("name", "of", "metric", "stat", "before", "times"), [
    ("metering-usage-refused-since-release", "delivery-standard-prod", "HTTPCode_Target_5XX_Count", "Sum", (200, 100), 100),
    ("media-embeddings-provider-slow", "media-host-1", "HttpRequestDuration", "Average", (300, 140), 12),
    ("commerce-creators-import-throttled", "tiktok-commerce-creator-sync", "Errors", "Sum", (300, 190), 50),
    ("analytics-index-dropped", "postgres", "CPUUtilization", "Average", (420, 310), 1.8),
])
def test_an_hour_of_a_long_incident_is_far_above_the_time_before_it_and_alike_in_itself(
    calm: Lab, name: str, of: str, metric: str, stat: str, before: tuple[int, int], times: float
) -> None:
    scenario = load_scenario(name)
    inject(calm.folder, scenario)

    usual, first, second = (level(calm, scenario.system, of, metric, stat, ago) for ago in (before, FIRST_HALF, SECOND_HALF))
    assert min(first, second) > times * usual
    assert max(first, second) < 1.4 * min(first, second)


def test_errors_that_creep_are_no_step_in_any_hour(calm: Lab) -> None:
    inject(calm.folder, load_scenario("commerce-errors-creep"))

    hours = [level(calm, "commerce", "commerce", "HTTPCode_Target_5XX_Count", "Sum", (60 * hour, 60 * hour - 55))
             for hour in (5, 4, 3, 2, 1)]
    assert hours == sorted(hours)
    assert hours[-1] > 20 * hours[0]
    assert hours[-1] < 2 * hours[-2]


def test_a_queue_that_nobody_works_off_grows_older_with_the_clock(calm: Lab) -> None:
    inject(calm.folder, load_scenario("reviews-moderation-switched-off"))

    age = ("reviews", "reviews-moderation", "ApproximateAgeOfOldestMessage", "Maximum")
    assert level(calm, *age, ago=(300, 110)) < 60
    assert 900 < level(calm, *age, ago=(60, 50)) < level(calm, *age, ago=(12, 0))
    assert level(calm, "reviews", "reviews-moderate", "Invocations", "Sum", HOUR) == 0
    assert level(calm, "reviews", "reviews-api", "Count", "Sum", HOUR) > 0


def test_a_database_that_is_busy_as_every_day_was_as_busy_yesterday(calm: Lab) -> None:
    inject(calm.folder, load_scenario("control-analytics-busy-as-every-day"))

    def rise(days: int) -> float:
        """How much more it is than two hours before it rose; the daily and the weekly wave move it a little."""
        busy, quiet = (level(calm, "analytics", "postgres", "CPUUtilization", "Average", (ago + 55, ago))
                       for ago in (1440 * days, 1440 * days + 140))  # fmt: skip
        return busy / quiet

    assert rise(0) > 1.2
    assert 0.7 < rise(0) / rise(1) < 1.4


# --- what may not be read --------------------------------------------------------------------------------------------


def reader(lab: Lab, service: str, system: str) -> Any:
    """A client of whoever investigates."""
    place, operator, url = lab.status["accounts"][system], lab.status["credentials"], lab.status["endpoints"]["aws"]
    session = boto3.Session(operator["access_key"], operator["secret_key"], region_name=place["region"])
    if place["role_arn"]:
        given = session.client("sts", endpoint_url=url).assume_role(
            RoleArn=place["role_arn"], RoleSessionName="test")["Credentials"]
        session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], place["region"])
    return session.client(service, endpoint_url=url)


def test_services_and_balancers_that_may_not_be_read_still_publish_metrics(calm: Lab) -> None:
    inject(calm.folder, load_scenario("control-commerce-services-denied"))

    with pytest.raises(ClientError, match="AccessDenied"):
        reader(calm, "ecs", "commerce").list_clusters()
    with pytest.raises(ClientError, match="AccessDenied"):
        reader(calm, "elbv2", "commerce").describe_load_balancers()
    assert reader(calm, "cloudwatch", "commerce").list_metrics()["Metrics"]
    assert level(calm, "commerce", "commerce", "RequestCount", "Sum", HOUR) > 0


def test_functions_that_may_not_be_read_still_write_logs(calm: Lab) -> None:
    inject(calm.folder, load_scenario("control-reviews-functions-denied"))

    with pytest.raises(ClientError, match="AccessDenied"):
        reader(calm, "lambda", "reviews").list_functions()
    groups = reader(calm, "logs", "reviews").describe_log_groups(logGroupNamePrefix="/aws/lambda/reviews-list")
    assert [group["logGroupName"] for group in groups["logGroups"]] == ["/aws/lambda/reviews-list"]
