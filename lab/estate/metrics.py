"""The metrics that AWS would publish of each part of an estate, in the shapes that real ones have.

Traffic rises by day and falls at night and at the weekend; what follows from traffic follows a part of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lab.estate.dimensions import (
    of_api,
    of_balancer,
    of_cache,
    of_database,
    of_distribution,
    of_function,
    of_index,
    of_operation,
    of_queue,
    of_service,
    of_table,
    of_target_group,
)
from lab.estate.model import (
    Api,
    Cache,
    Database,
    Distribution,
    Estate,
    Function,
    LoadBalancer,
    Metric,
    Queue,
    Service,
    Table,
)

GIBIBYTE = 2**30
# Parts of a metric's level: by how much traffic, and what merely follows it, moves within a day and within a week.
_TRAFFIC = (0.35, 0.15)
_LOAD = (0.2, 0.08)
_CALM = (0.05, 0.02)
# How single requests spread around a minute's mean: the 95th percentile is about three times the median.
_SPREAD = 0.7
# Milliseconds: every function of the estate is ended after a minute.
_LONGEST_CALL = 60_000
# CloudFront publishes in one region only, wherever the system is.
_CLOUDFRONT_REGION = "us-east-1"


def metrics_of(estate: Estate) -> list[Metric]:
    """Every metric of an estate."""
    return [
        *(metric for service in estate.services for metric in _of_service(estate, service)),
        *(metric for function in estate.functions for metric in _of_function(function)),
        *(metric for table in estate.tables for metric in _of_table(table)),
        *(metric for balancer in estate.load_balancers for metric in _of_balancer(balancer)),
        *(metric for database in estate.databases for metric in _of_database(database)),
        *(metric for cache in estate.caches for metric in _of_cache(cache)),
        *(metric for queue in estate.queues for metric in _of_queue(queue)),
        *(metric for api in estate.apis for metric in _of_api(api)),
        *(metric for distribution in estate.distributions for metric in _of_distribution(distribution)),
        *estate.metrics,
    ]


def counted(namespace: str, name: str, dimensions: dict[str, str], level: float, region: str = "") -> Metric:
    """Events a minute that come with the traffic, in whole numbers."""
    return Metric(namespace, name, dimensions, "Count", level, *_TRAFFIC, whole=True, region=region)


def _of_service(estate: Estate, service: Service) -> Iterator[Metric]:
    dimensions = of_service(estate.cluster, service.name)
    yield Metric("AWS/ECS", "CPUUtilization", dimensions, "Percent", service.cpu, *_LOAD)
    yield Metric("AWS/ECS", "MemoryUtilization", dimensions, "Percent", service.memory, *_CALM)
    for balancer in estate.load_balancers:
        if service.target_group:
            hosts = of_target_group(balancer.name, service.target_group)
            yield _constant("AWS/ApplicationELB", "HealthyHostCount", hosts, "Count", service.desired)
            yield _constant("AWS/ApplicationELB", "UnHealthyHostCount", hosts, "Count", 0)
            yield from _of_target_group(balancer, service, hosts)


def _of_target_group(balancer: LoadBalancer, service: Service, dimensions: dict[str, str]) -> Iterator[Metric]:
    """What a load balancer says of each group: its part of all requests. Errors are published where there are any."""
    requests, errors = balancer.requests * service.part, balancer.errors * service.part
    yield counted("AWS/ApplicationELB", "RequestCount", dimensions, requests)
    yield replace(counted("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", dimensions, errors), sparse=True)
    yield Metric("AWS/ApplicationELB", "TargetResponseTime", dimensions, "Seconds", service.seconds, *_LOAD,
                 spread=_SPREAD, samples=requests)  # fmt: skip


def _of_function(function: Function) -> Iterator[Metric]:
    dimensions = of_function(function.name)
    yield counted("AWS/Lambda", "Invocations", dimensions, function.calls)
    yield counted("AWS/Lambda", "Errors", dimensions, function.calls / 1000)
    yield Metric("AWS/Lambda", "Duration", dimensions, "Milliseconds", function.milliseconds, *_CALM, noise=0.1,
                 spread=0.45, samples=max(1.0, function.calls), most=_LONGEST_CALL)  # fmt: skip
    if function.calls:
        # The most at once in a minute; by Little's law the mean is calls a second times seconds a call.
        level = 1 + 2 * function.calls / 60 * function.milliseconds / 1000
        yield Metric("AWS/Lambda", "ConcurrentExecutions", dimensions, "Count", level, *_LOAD, noise=0.2, whole=True)
    yield _constant("AWS/Lambda", "Throttles", dimensions, "Count", 0)


def _of_table(table: Table) -> Iterator[Metric]:
    dimensions = of_table(table.name)
    # Consumption is published as a sum a minute; capacity is in units a second.
    for kind, per_second in (("Read", table.reads), ("Write", table.writes)):
        yield counted("AWS/DynamoDB", f"Consumed{kind}CapacityUnits", dimensions, per_second * 60)
        yield _constant("AWS/DynamoDB", f"{kind}ThrottleEvents", dimensions, "Count", 0)
    if table.capacity:
        read, write = table.capacity
        yield _constant("AWS/DynamoDB", "ProvisionedReadCapacityUnits", dimensions, "Count", read)
        yield _constant("AWS/DynamoDB", "ProvisionedWriteCapacityUnits", dimensions, "Count", write)
    for operation, milliseconds in (("GetItem", 3.4), ("PutItem", 5.8)):
        latency = "SuccessfulRequestLatency"
        yield Metric("AWS/DynamoDB", latency, of_operation(table.name, operation), "Milliseconds", milliseconds, *_CALM,
                     spread=0.5, samples=max(1.0, 60 * table.reads))  # fmt: skip
    for index in table.indexes:
        for kind, per_second in (("Read", index.reads), ("Write", index.writes)):
            if per_second:
                consumed = f"Consumed{kind}CapacityUnits"
                yield counted("AWS/DynamoDB", consumed, of_index(table.name, index.name), per_second * 60)


def _of_balancer(balancer: LoadBalancer) -> Iterator[Metric]:
    dimensions = of_balancer(balancer.name)
    yield counted("AWS/ApplicationELB", "RequestCount", dimensions, balancer.requests)
    yield counted("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", dimensions, balancer.errors)
    yield counted("AWS/ApplicationELB", "HTTPCode_Target_4XX_Count", dimensions, balancer.requests * 0.02)
    yield Metric("AWS/ApplicationELB", "TargetResponseTime", dimensions, "Seconds", balancer.seconds, *_LOAD,
                 spread=_SPREAD, samples=balancer.requests)  # fmt: skip
    yield counted("AWS/ApplicationELB", "NewConnectionCount", dimensions, balancer.requests / 20)
    yield counted("AWS/ApplicationELB", "ActiveConnectionCount", dimensions, balancer.requests / 12)


def _of_database(database: Database) -> Iterator[Metric]:
    dimensions = of_database(database.name)
    yield Metric("AWS/RDS", "CPUUtilization", dimensions, "Percent", database.cpu, *_LOAD)
    yield Metric("AWS/RDS", "FreeStorageSpace", dimensions, "Bytes", database.free * GIBIBYTE, 0.002, 0.004, noise=0.001)
    yield Metric("AWS/RDS", "DatabaseConnections", dimensions, "Count", database.connections, *_LOAD, whole=True)
    yield Metric("AWS/RDS", "FreeableMemory", dimensions, "Bytes", 2.6 * GIBIBYTE, *_CALM, noise=0.01)
    for name, unit, level in (
        ("ReadLatency", "Seconds", 0.0008), ("WriteLatency", "Seconds", 0.0021), ("ReadIOPS", "Count/Second", 140),
        ("WriteIOPS", "Count/Second", 95), ("DiskQueueDepth", "Count", 0.4),
    ):  # fmt: skip
        yield Metric("AWS/RDS", name, dimensions, unit, level, *_LOAD, noise=0.12)


def _of_cache(cache: Cache) -> Iterator[Metric]:
    dimensions = of_cache(cache.name)
    yield _constant("AWS/ElastiCache", "Evictions", dimensions, "Count", 0)
    yield Metric("AWS/ElastiCache", "CurrConnections", dimensions, "Count", cache.connections, *_LOAD, whole=True)
    yield Metric("AWS/ElastiCache", "EngineCPUUtilization", dimensions, "Percent", 11, *_LOAD, noise=0.1)
    yield Metric("AWS/ElastiCache", "DatabaseMemoryUsagePercentage", dimensions, "Percent", 100 * cache.used / 3.09, *_CALM)
    yield counted("AWS/ElastiCache", "CacheHits", dimensions, cache.connections * 220)
    yield counted("AWS/ElastiCache", "CacheMisses", dimensions, cache.connections * 17)
    yield Metric("AWS/ElastiCache", "BytesUsedForCache", dimensions, "Bytes", cache.used * GIBIBYTE, *_CALM, noise=0.01)


def _of_queue(queue: Queue) -> Iterator[Metric]:
    dimensions = of_queue(queue.name)
    yield counted("AWS/SQS", "ApproximateNumberOfMessagesVisible", dimensions, queue.messages)
    for name in ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted"):
        yield counted("AWS/SQS", name, dimensions, 6 * queue.messages + 2)
    # Without a message there is no oldest.
    if queue.messages:
        yield Metric("AWS/SQS", "ApproximateAgeOfOldestMessage", dimensions, "Seconds", 12, *_LOAD, noise=0.2, whole=True)


def _of_api(api: Api) -> Iterator[Metric]:
    dimensions = of_api(api.name)
    yield counted("AWS/ApiGateway", "Count", dimensions, api.requests)
    yield counted("AWS/ApiGateway", "4xx", dimensions, api.requests / 50)
    yield counted("AWS/ApiGateway", "5xx", dimensions, api.requests / 1000)
    for name, milliseconds in (("Latency", 95), ("IntegrationLatency", 84)):
        yield Metric("AWS/ApiGateway", name, dimensions, "Milliseconds", milliseconds, *_LOAD, noise=0.1,
                     spread=_SPREAD, samples=api.requests)  # fmt: skip


def _of_distribution(distribution: Distribution) -> Iterator[Metric]:
    dimensions = of_distribution(distribution.alias)
    yield counted("AWS/CloudFront", "Requests", dimensions, distribution.requests, _CLOUDFRONT_REGION)
    yield Metric(
        "AWS/CloudFront", "5xxErrorRate", dimensions, "Percent", 0.05, *_CALM, noise=0.2, region=_CLOUDFRONT_REGION
    )


def _constant(namespace: str, name: str, dimensions: dict[str, str], unit: str, level: float) -> Metric:
    return Metric(namespace, name, dimensions, unit, level, noise=0, whole=True)
