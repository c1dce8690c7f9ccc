"""Which CloudWatch metrics each kind of component has, under the exact dimensions that AWS publishes them with.

Sources: the services' own pages of CloudWatch metrics and dimensions (Application and Network Load Balancer, Amazon ECS,
Lambda, DynamoDB, API Gateway HTTP APIs, SQS, RDS, ElastiCache, CloudFront). Any other set of dimensions answers with
nothing, not with an error: DynamoDB's ThrottledRequests and latency also need Operation, ECS both names, a target group
its load balancer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsbook.diagnosis.series import COUNT, GAUGE
from opsbook.diagnosis.service_map import Component


@dataclass(frozen=True)
class Measure:
    """One of our metrics and the CloudWatch metrics that it is made of: counts are added up, of gauges the greatest counts.

    :param metric: in our words, the same for every kind of component
    :param unit: ours
    :param kind: COUNT or GAUGE
    :param names: CloudWatch's metrics
    :param stat: CloudWatch's statistic
    :param scale: from CloudWatch's unit to ours
    :param by_operation: whether they are published by Operation (DynamoDB)
    """

    metric: str
    unit: str
    kind: str
    names: tuple[str, ...]
    stat: str = "Sum"
    scale: float = 1.0
    by_operation: bool = False


def _count(metric: str, unit: str, *names: str, by_operation: bool = False) -> Measure:
    return Measure(metric, unit, COUNT, names, by_operation=by_operation)


def _gauge(metric: str, unit: str, name: str, stat: str, scale: float = 1.0, by_operation: bool = False) -> Measure:
    return Measure(metric, unit, GAUGE, (name,), stat, scale, by_operation)


_SECONDS, _MILLISECONDS = 1000.0, 1.0


def _latencies(name: str, scale: float) -> tuple[Measure, ...]:
    """Average and maximum are not p95 (PROCEDURES, wrong answers): each is read as what it is."""
    return (_gauge("latency_p95", "ms", name, "p95", scale), _gauge("latency_p50", "ms", name, "p50", scale),
            _gauge("latency_max", "ms", name, "Maximum", scale))


OPERATIONS = ("GetItem", "Query", "Scan", "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
"""DynamoDB's operations that have metrics of their own, transactions left out."""

_HOSTS = (
    _gauge("healthy_hosts", "hosts", "HealthyHostCount", "Minimum"),
    _gauge("unhealthy_hosts", "hosts", "UnHealthyHostCount", "Maximum"),
)

NAMESPACES: Mapping[str, str] = {
    "load_balancer": "AWS/ApplicationELB", "target_group": "AWS/ApplicationELB", "ecs_service": "AWS/ECS",
    "network_load_balancer": "AWS/NetworkELB", "network_target_group": "AWS/NetworkELB",
    "lambda_function": "AWS/Lambda", "dynamodb_table": "AWS/DynamoDB", "http_api": "AWS/ApiGateway", "sqs_queue": "AWS/SQS",
    "rds_instance": "AWS/RDS", "elasticache_cluster": "AWS/ElastiCache", "distribution": "AWS/CloudFront",
}

MEASURES: Mapping[str, tuple[Measure, ...]] = {
    "load_balancer": (
        _count("requests", "requests", "RequestCount"),
        # Those of the targets and those that the balancer answers by itself, as 503 without a healthy target.
        _count("errors", "requests", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"),
        _count("balancer_errors", "requests", "HTTPCode_ELB_5XX_Count"),
        _count("client_errors", "requests", "HTTPCode_Target_4XX_Count"),
        _count("connection_errors", "connections", "TargetConnectionErrorCount"),
        _count("rejected_connections", "connections", "RejectedConnectionCount"),
        _count("connections", "connections", "ActiveConnectionCount"),
        *_latencies("TargetResponseTime", _SECONDS),
    ),
    # Of a target group, under TargetGroup and LoadBalancer.
    "target_group": (
        _count("requests", "requests", "RequestCount"),
        _count("errors", "requests", "HTTPCode_Target_5XX_Count"),
        _count("connection_errors", "connections", "TargetConnectionErrorCount"),
        *_latencies("TargetResponseTime", _SECONDS),
        *_HOSTS,
    ),
    # It knows connections ("flows"), neither requests nor their outcome.
    "network_load_balancer": (
        _count("requests", "flows", "NewFlowCount"),
        _count("target_resets", "packets", "TCP_Target_Reset_Count"),
        _gauge("connections", "flows", "ActiveFlowCount", "Average"),
    ),
    "network_target_group": _HOSTS,
    "ecs_service": (
        _gauge("cpu_percent", "percent", "CPUUtilization", "Average"),
        _gauge("cpu_percent_max", "percent", "CPUUtilization", "Maximum"),
        _gauge("memory_percent", "percent", "MemoryUtilization", "Average"),
        _gauge("memory_percent_max", "percent", "MemoryUtilization", "Maximum"),
    ),
    "lambda_function": (
        _count("requests", "calls", "Invocations"),
        _count("errors", "calls", "Errors"),
        _count("throttles", "calls", "Throttles"),
        *_latencies("Duration", _MILLISECONDS),
        _gauge("concurrency", "calls", "ConcurrentExecutions", "Maximum"),
    ),
    "dynamodb_table": (
        _count("consumed_read", "units", "ConsumedReadCapacityUnits"),
        _count("consumed_write", "units", "ConsumedWriteCapacityUnits"),
        _gauge("provisioned_read", "units per second", "ProvisionedReadCapacityUnits", "Average"),
        _gauge("provisioned_write", "units per second", "ProvisionedWriteCapacityUnits", "Average"),
        _count("throttles", "events", "ReadThrottleEvents", "WriteThrottleEvents"),
        _count("read_throttles", "events", "ReadThrottleEvents"),
        _count("write_throttles", "events", "WriteThrottleEvents"),
        _count("throttled_requests", "requests", "ThrottledRequests", by_operation=True),
        _count("errors", "requests", "SystemErrors", by_operation=True),
        _gauge("latency_p95", "ms", "SuccessfulRequestLatency", "p95", by_operation=True),
    ),
    "http_api": (
        _count("requests", "requests", "Count"),
        _count("errors", "requests", "5xx"),
        _count("client_errors", "requests", "4xx"),
        *_latencies("Latency", _MILLISECONDS),
        _gauge("integration_latency_p95", "ms", "IntegrationLatency", "p95"),
    ),
    "sqs_queue": (
        _gauge("queue_depth", "messages", "ApproximateNumberOfMessagesVisible", "Maximum"),
        _gauge("age_of_oldest", "seconds", "ApproximateAgeOfOldestMessage", "Maximum"),
        _count("sent", "messages", "NumberOfMessagesSent"),
        _count("deleted", "messages", "NumberOfMessagesDeleted"),
    ),
    "rds_instance": (
        _gauge("cpu_percent", "percent", "CPUUtilization", "Average"),
        _gauge("connections", "connections", "DatabaseConnections", "Maximum"),
        _gauge("free_storage", "bytes", "FreeStorageSpace", "Minimum"),
        _gauge("free_memory", "bytes", "FreeableMemory", "Minimum"),
        _gauge("read_latency", "ms", "ReadLatency", "Average", _SECONDS),
        _gauge("write_latency", "ms", "WriteLatency", "Average", _SECONDS),
        _gauge("disk_queue", "requests", "DiskQueueDepth", "Average"),
    ),
    "elasticache_cluster": (
        _count("evictions", "keys", "Evictions"),
        _gauge("connections", "connections", "CurrConnections", "Maximum"),
        _gauge("memory_bytes", "bytes", "BytesUsedForCache", "Maximum"),
        _gauge("memory_percent", "percent", "DatabaseMemoryUsagePercentage", "Maximum"),
        _gauge("cpu_percent", "percent", "EngineCPUUtilization", "Average"),
        _count("hits", "reads", "CacheHits"),
        _count("misses", "reads", "CacheMisses"),
    ),
    "distribution": (
        _count("requests", "requests", "Requests"),
        _gauge("error_percent", "percent", "5xxErrorRate", "Average"),
    ),
}

TARGETS_OF: Mapping[str, str] = {"load_balancer": "target_group", "network_load_balancer": "network_target_group"}
"""Under which key the metrics of targets are that stand behind a load balancer."""


def published_as(component: Component) -> str:
    """The key of `NAMESPACES` and `MEASURES` for a component: its kind, and of load balancers which of the two."""
    network = component.kind == "load_balancer" and component.id.startswith("net/")
    return "network_load_balancer" if network else component.kind


HOST_WORDS: Mapping[str, tuple[str, str]] = {
    "cpuutilization": ("cpu_percent", "percent"), "cpu_usage_active": ("cpu_percent", "percent"),
    "memoryutilization": ("memory_percent", "percent"), "mem_used_percent": ("memory_percent", "percent"),
    "diskutilization": ("disk_percent", "percent"), "disk_used_percent": ("disk_percent", "percent"),
    "httprequests": ("requests", "requests"), "httperrors": ("errors", "requests"),
}
"""What agents on hosts call things (the CloudWatch agent's names, and the common ones); what is in no such list keeps the
name that the inventory gives it."""
