"""CloudWatch's points as series of components: what a missing point means, and what nobody knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metric_series import MetricSeries
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.metrics import Window
from opsbook.diagnosis.series import Series
from opsbook.diagnosis.service_map import KINDS, ServiceMap, service_map_of
from opsbook.evidence.metric_table import MEASURES, NAMESPACES
from opsbook.evidence.metrics import Wanted, assembled, dimensions_of, wanted_of

START = datetime(2026, 11, 21, 20, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=3), 60)
MAP = service_map_of([
    {"name": "front", "kind": "load_balancer", "id": "app/front/0a", "entry": True, "calls": ["api", "table"]},
    {"name": "api", "kind": "ecs_service", "target_group": "targetgroup/api/0b", "calls": ["table"]},
    {"name": "table", "kind": "dynamodb_table"},
])
DECLARED = {"ecs_cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"}


def wanted(*components: str) -> list[Wanted]:
    return [one for name in components for one in wanted_of(MAP[name], MAP, DECLARED)]


def answered(asked: list[Wanted], points: dict[str, list[float]], troubles: dict[str, str] | None = None) -> Any:
    """The answers to all queries, points by CloudWatch's name of the metric."""
    return [[MetricSeries(metric, {START + timedelta(minutes=at): value for at, value in
                                   enumerate(points.get(metric.metric, []))}, (troubles or {}).get(metric.metric, ""))
             for metric in one.metrics] for one in asked]


def named(series: tuple[Series, ...], component: str, metric: str) -> list[Series]:
    return [one for one in series if (one.component, one.metric) == (component, metric)]


def test_counts_that_are_not_published_are_none_where_others_are() -> None:
    asked = wanted("front")
    series, coverage = assembled(asked, answered(asked, {"RequestCount": [100, 110, 120]}), WINDOW)
    [requests], [errors] = named(series, "front", "requests"), named(series, "front", "errors")
    assert [value for _at, value in requests.points] == [100, 110, 120]
    assert (errors.points, errors.zero_if_missing) == ((), True)
    assert named(series, "front", "latency_p95") == []
    assert coverage.complete


def test_errors_of_targets_and_of_the_balancer_itself_are_added_up() -> None:
    asked = wanted("front")
    seen = answered(asked, {"RequestCount": [9, 9], "HTTPCode_Target_5XX_Count": [1, 2], "HTTPCode_ELB_5XX_Count": [10]})
    series, _coverage = assembled(asked, seen, WINDOW)
    [errors] = named(series, "front", "errors")
    assert [value for _at, value in errors.points] == [11, 2]


def test_seconds_become_milliseconds() -> None:
    asked = wanted("front")
    series, _coverage = assembled(asked, answered(asked, {"TargetResponseTime": [0.25]}), WINDOW)
    [latency] = named(series, "front", "latency_p95")
    assert latency.points == ((START, 250.0),)


def test_nothing_published_at_all_is_no_zero() -> None:
    """It may be idle, or its id may be wrong: CloudWatch answers both alike."""
    asked = wanted("api", "table")
    series, coverage = assembled(asked, answered(asked, {"CPUUtilization": [40], "MemoryUtilization": [50]}), WINDOW)
    assert {one.component for one in series} == {"api"}
    assert {one.metric for one in series} == {"cpu_percent", "cpu_percent_max", "memory_percent", "memory_percent_max"}
    assert coverage.complete
    assert {gap.resource for gap in coverage.left_out} == {"metrics of api", "metrics of table"}
    assert "its id is another" in coverage.left_out[0].reason


def test_an_entry_without_any_point_is_a_gap() -> None:
    asked = wanted("front")
    series, coverage = assembled(asked, answered(asked, {}), WINDOW)
    assert [gap.resource for gap in coverage.missing] == ["metrics of front"]
    [requests] = named(series, "front", "requests")
    assert (requests.points, requests.zero_if_missing) == ((), True)


def test_what_came_incomplete_is_a_gap_and_no_series() -> None:
    asked = wanted("front")
    seen = answered(asked, {"RequestCount": [5], "HTTPCode_Target_5XX_Count": [1]},
                    {"HTTPCode_Target_5XX_Count": "PartialData"})
    series, coverage = assembled(asked, seen, WINDOW)
    assert named(series, "front", "errors") == []
    assert named(series, "front", "requests") != []
    assert [(gap.resource, gap.reason) for gap in coverage.missing] == [("metrics of front: errors", "PartialData")]


def test_one_reason_for_all_is_said_once() -> None:
    many = service_map_of([{"name": f"table-{number}", "kind": "dynamodb_table"} for number in range(5)])
    asked = [one for component in many.components for one in wanted_of(component, many, {})]
    denied = [[MetricSeries(metric, trouble="AccessDenied") for metric in one.metrics] for one in asked]
    series, coverage = assembled(asked, denied, WINDOW)
    assert series == ()
    [gap] = coverage.missing
    assert (gap.resource, gap.reason) == ("metrics of 5 components, table-0 first", "AccessDenied")


def test_a_service_has_its_own_metrics_and_those_of_its_target_group() -> None:
    dimensions = {tuple(sorted(metric.dimensions.items())) for one in wanted("api") for metric in one.metrics}
    assert dimensions == {
        (("ClusterName", "prod"), ("ServiceName", "api")),
        (("LoadBalancer", "app/front/0a"), ("TargetGroup", "targetgroup/api/0b")),
    }


def test_a_network_load_balancer_counts_flows_and_its_targets_health() -> None:
    behind = service_map_of([{"name": "front", "kind": "load_balancer", "id": "net/front/0a", "calls": ["api"]},
                             {"name": "api", "kind": "ecs_service", "target_group": "targetgroup/api/0b"}])
    asked = {(metric.namespace, metric.metric) for component in behind.components
             for one in wanted_of(component, behind, DECLARED) for metric in one.metrics}
    assert {("AWS/NetworkELB", "NewFlowCount"), ("AWS/NetworkELB", "UnHealthyHostCount")} <= asked
    assert {namespace for namespace, _metric in asked} == {"AWS/NetworkELB", "AWS/ECS"}


def test_throttled_requests_are_asked_by_operation() -> None:
    """Without Operation CloudWatch answers nothing, and no error (PROCEDURES, known errors)."""
    [throttled] = [one for one in wanted("table") if one.measure.metric == "throttled_requests"]
    assert {metric.dimensions["Operation"] for metric in throttled.metrics} >= {"GetItem", "PutItem", "Query", "UpdateItem"}


def test_a_host_is_measured_by_what_the_inventory_says_its_agent_publishes() -> None:
    declared = {
        "metric_checks": {
            "metrics": [
                {"name": "host CPU", "namespace": "Own", "metric": "CPUUtilization", "dimensions": {"Host": "h1"},
                 "stat": "Average"},
                {"name": "failures", "namespace": "Own", "metric": "Bad", "dimensions": {"Host": "h1"}, "stat": "Sum"},
                {"name": "all", "namespace": "Own", "metric": "Good", "dimensions": {"Host": "h1"}, "stat": "Sum"},
                {"name": "elsewhere", "namespace": "Own", "metric": "Good", "dimensions": {"Host": "h2"}, "stat": "Sum"},
            ],
            "rates": [{"name": "error rate", "numerator": "failures", "denominator": "all"}],
        },
        "storage_trends": [{"name": "disk", "namespace": "Own", "metric": "disk_used_percent", "dimensions": {"Host": "h1"},
                            "stat": "Maximum"}],
    }
    host = service_map_of([{"name": "machine", "kind": "host", "id": "h1"}])
    found = {one.measure.metric: one.measure.kind for one in wanted_of(host["machine"], host, declared)}
    assert found == {"cpu_percent": "gauge", "errors": "count", "requests": "count", "disk_percent": "gauge"}


@pytest.mark.parametrize("component", ["api", "machine"])
def test_a_component_may_publish_metrics_of_its_own(component: str) -> None:
    given = {"component": component, "metric": "latency_p95", "unit": "ms", "namespace": "Own", "name": "Took",
             "dimensions": {"Host": "h1"}, "stat": "p95", "scale": 1000}
    known = service_map_of([{"name": "api", "kind": "ecs_service"}, {"name": "machine", "kind": "host", "id": "h1"}])
    asked = [one for one in wanted_of(known[component], known, {**DECLARED, "component_metrics": [given]})
             if one.measure.metric == "latency_p95"]
    series, _coverage = assembled(asked, answered(asked, {"Took": [0.5]}), WINDOW)
    assert [(one.component, one.kind, one.points) for one in series] == [(component, "gauge", ((START, 500.0),))]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("external", "host", "postgres", "redis")])
def test_every_kind_that_cloudwatch_knows_has_dimensions_and_metrics(kind: str) -> None:
    component = service_map_of([{"name": "x", "kind": kind, "id": "app/x/1"}])["x"]
    assert dimensions_of(component, DECLARED)
    assert MEASURES[kind]
    assert NAMESPACES[kind].startswith("AWS/")


def test_what_cloudwatch_does_not_know_is_not_asked_for() -> None:
    others = service_map_of([{"name": kind, "kind": kind} for kind in ("external", "postgres", "redis")])
    assert [one for component in others.components for one in wanted_of(component, ServiceMap(), {})] == []
