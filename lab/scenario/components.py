"""The components that scenarios speak of: under which names AWS publishes their metrics, and what their logs hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lab.accounts import Place
from lab.estate.metrics import metrics_of
from lab.estate.model import Metric
from lab.estate.systems import ESTATES
from lab.folders import CHECKOUT, LabError

_HOST_VARS = CHECKOUT / "inventory" / "lab" / "host_vars"
_TRAFFIC = CHECKOUT / "lab" / "traffic"
_CLOUDFRONT_REGION = "us-east-1"
_NAMESPACES = {
    "distribution": "AWS/CloudFront", "dynamodb_table": "AWS/DynamoDB", "ecs_service": "AWS/ECS",
    "elasticache_cluster": "AWS/ElastiCache", "host": "MediaSearch", "http_api": "AWS/ApiGateway",
    "lambda_function": "AWS/Lambda", "load_balancer": "AWS/ApplicationELB", "rds_instance": "AWS/RDS",
    "sqs_queue": "AWS/SQS",
}  # fmt: skip
# Of a service behind a load balancer, these are its target group's.
_TARGET_GROUP = frozenset({
    "HTTPCode_Target_4XX_Count", "HTTPCode_Target_5XX_Count", "HealthyHostCount", "RequestCount",
    "TargetConnectionErrorCount", "TargetResponseTime", "UnHealthyHostCount",
})  # fmt: skip
IN_TROUBLE: Mapping[tuple[str, str], str] = {
    ("AWS/ApplicationELB", "ClientTLSNegotiationErrorCount"): "Count",
    ("AWS/ApplicationELB", "HTTPCode_ELB_502_Count"): "Count",
    ("AWS/ApplicationELB", "HTTPCode_ELB_503_Count"): "Count",
    ("AWS/ApplicationELB", "HTTPCode_ELB_504_Count"): "Count",
    ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count"): "Count",
    ("AWS/ApplicationELB", "RejectedConnectionCount"): "Count",
    ("AWS/ApplicationELB", "TargetConnectionErrorCount"): "Count",
    ("AWS/DynamoDB", "SystemErrors"): "Count",
    ("AWS/DynamoDB", "ThrottledRequests"): "Count",
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): "Seconds",
    ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible"): "Count",
}
"""What AWS publishes in trouble only, with its unit (CloudWatch metrics of each service's user guide)."""
# The series that says how many requests a component of a kind has.
_REQUESTS = {"ecs_service": "RequestCount", "host": "HttpRequests", "http_api": "Count", "lambda_function": "Invocations"}


@dataclass(frozen=True)
class Series:
    """A metric with its exact dimensions; `region` where it is not the system's own."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    region: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As the lab's control routes take it."""
        return {"namespace": self.namespace, "name": self.name, "dimensions": dict(self.dimensions)}


class SystemParts:
    """The components of one system."""

    def __init__(self, system: str, place: Place) -> None:
        self.system = system
        self.place = place
        self.cluster = ESTATES[system].cluster
        self.components: dict[str, Mapping[str, Any]] = {each["name"]: each for each in service_map(system)}

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        if name not in self.components:
            raise LabError(f"{self.system} has no component {name!r}; it has {', '.join(self.components)}")
        return self.components[name]

    def series(self, name: str, metric: str, more: Mapping[str, str] | None = None) -> Series:
        """The series of a component's metric; `more` are dimensions such as Operation. Raises LabError."""
        component = self[name]
        kind, identity = component["kind"], str(component.get("id") or component["name"])
        if kind not in _NAMESPACES:
            raise LabError(f"{name} is of the kind {kind}, which publishes no metrics")
        if kind == "ecs_service" and metric in _TARGET_GROUP:
            dimensions = {"TargetGroup": self._target_group(component), "LoadBalancer": self._balancer(name)}
            return Series("AWS/ApplicationELB", metric, tuple(sorted({**dimensions, **(more or {})}.items())))
        dimensions = _dimensions(kind, identity, self.cluster)
        region = _CLOUDFRONT_REGION if kind == "distribution" else ""
        return Series(_NAMESPACES[kind], metric, tuple(sorted({**dimensions, **(more or {})}.items())), region)

    def requests(self, name: str) -> Series | None:
        """The series of how many requests a component has; None where nobody counts them."""
        component = self[name]
        counted = component["kind"] in _REQUESTS and (component["kind"] != "ecs_service" or component.get("target_group"))
        return self.series(name, _REQUESTS[component["kind"]]) if counted else None

    def level(self, series: Series) -> float:
        """How much a series of the estate usually is; 0 for one that it has not got."""
        return next((metric.level for metric in _metrics(self.system)
                     if (metric.namespace, metric.name) == (series.namespace, series.name)
                     and metric.dimensions == dict(series.dimensions)), 0.0)  # fmt: skip

    def _target_group(self, component: Mapping[str, Any]) -> str:
        if not component.get("target_group"):
            raise LabError(f"{component['name']} is behind no load balancer")
        return str(component["target_group"])

    def _balancer(self, name: str) -> str:
        return next(str(each["id"]) for each in self.components.values()
                    if each["kind"] == "load_balancer" and name in each.get("calls", ()))  # fmt: skip


def _dimensions(kind: str, identity: str, cluster: str) -> dict[str, str]:
    return {
        "distribution": {"DistributionId": identity, "Region": "Global"},
        "dynamodb_table": {"TableName": identity},
        "ecs_service": {"ClusterName": cluster, "ServiceName": identity},
        "elasticache_cluster": {"CacheClusterId": identity, "CacheNodeId": "0001"},
        "host": {"Host": identity},
        "http_api": {"ApiId": identity},
        "lambda_function": {"FunctionName": identity},
        "load_balancer": {"LoadBalancer": identity},
        "rds_instance": {"DBInstanceIdentifier": identity},
        "sqs_queue": {"QueueName": identity},
    }[kind]


@cache
def _metrics(system: str) -> tuple[Metric, ...]:
    return tuple(metrics_of(ESTATES[system]))


@cache
def service_map(system: str) -> tuple[Mapping[str, Any], ...]:
    """The components that the lab's inventory declares for a system."""
    return tuple(_read(_HOST_VARS / f"{system}.yml")["service_map"])


@cache
def traffic(system: str) -> Mapping[str, Mapping[str, Any]]:
    """What each component of a system writes to its log when nothing is wrong, by component."""
    described = _read(_TRAFFIC / f"{system}.yml")
    defaults = described["defaults"]
    return {name: {**defaults, **profile} for name, profile in described["components"].items()}


def _read(path: Path) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded
