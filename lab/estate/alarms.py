"""The alarms that several systems have, each on one metric of one part."""

from __future__ import annotations

from dataclasses import replace

from lab.estate.dimensions import of_api, of_balancer, of_cache, of_database, of_function, of_service, of_target_group
from lab.estate.model import Alarm, Cache, Database, LoadBalancer, Service

_GIBIBYTE = 2**30


def renamed(alarm: Alarm, name: str) -> Alarm:
    """The same alarm under another name."""
    return replace(alarm, name=name)


def service_cpu(name: str, cluster: str, service: Service, threshold: float = 80) -> Alarm:
    """`<name>-high-cpu`: the tasks of a service are busy."""
    return Alarm(f"{name}-high-cpu", "AWS/ECS", "CPUUtilization", of_service(cluster, service.name), "Average", threshold)


def service_memory(name: str, cluster: str, service: Service, threshold: float = 85) -> Alarm:
    """`<name>-high-memory`: the tasks of a service are full."""
    dimensions = of_service(cluster, service.name)
    return Alarm(f"{name}-high-memory", "AWS/ECS", "MemoryUtilization", dimensions, "Average", threshold)


def balancer_errors(balancer: LoadBalancer, threshold: float) -> Alarm:
    """`<load balancer>-5xx`: targets answer with errors."""
    dimensions = of_balancer(balancer.name)
    return Alarm(f"{balancer.name}-5xx", "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", dimensions, "Sum", threshold)


def balancer_latency(name: str, balancer: LoadBalancer, seconds: float) -> Alarm:
    """Targets answer late."""
    return Alarm(name, "AWS/ApplicationELB", "TargetResponseTime", of_balancer(balancer.name), "Average", seconds)


def balancer_silence(name: str, balancer: LoadBalancer, requests: float) -> Alarm:
    """Fewer requests come than ever should."""
    dimensions = of_balancer(balancer.name)
    return Alarm(name, "AWS/ApplicationELB", "RequestCount", dimensions, "Sum", requests, "LessThanThreshold")


def unhealthy_hosts(name: str, balancer: LoadBalancer, target_group: str) -> Alarm:
    """A target of a target group fails its health check."""
    dimensions = of_target_group(balancer.name, target_group)
    return Alarm(name, "AWS/ApplicationELB", "UnHealthyHostCount", dimensions, "Maximum", 0)


def database(prefix: str, instance: Database) -> tuple[Alarm, ...]:
    """`<prefix>-high-cpu`, `-low-storage` and `-connections` of an RDS instance."""
    dimensions = of_database(instance.name)
    free = instance.storage * _GIBIBYTE / 10
    return (
        Alarm(f"{prefix}-high-cpu", "AWS/RDS", "CPUUtilization", dimensions, "Average", 80),
        Alarm(f"{prefix}-low-storage", "AWS/RDS", "FreeStorageSpace", dimensions, "Minimum", free, "LessThanThreshold"),
        Alarm(f"{prefix}-connections", "AWS/RDS", "DatabaseConnections", dimensions, "Maximum", 180),
    )


def evictions(name: str, cache: Cache) -> Alarm:
    """A cache throws out what has not expired."""
    return Alarm(name, "AWS/ElastiCache", "Evictions", of_cache(cache.name), "Sum", 1000)


def function_errors(name: str, function: str, threshold: float = 10) -> Alarm:
    """Calls of a function fail."""
    return Alarm(name, "AWS/Lambda", "Errors", of_function(function), "Sum", threshold)


def function_duration(name: str, function: str, milliseconds: float) -> Alarm:
    """Calls of a function take long."""
    return Alarm(name, "AWS/Lambda", "Duration", of_function(function), "Average", milliseconds)


def throttles(name: str, table: str) -> Alarm:
    """Requests to a table are throttled."""
    return Alarm(name, "AWS/DynamoDB", "ThrottledRequests", {"TableName": table}, "Sum", 1)


def queue_depth(name: str, queue: str, messages: float) -> Alarm:
    """A queue fills up."""
    metric = "ApproximateNumberOfMessagesVisible"
    return Alarm(name, "AWS/SQS", metric, {"QueueName": queue}, "Maximum", messages)


def api_errors(name: str, api: str, threshold: float = 20) -> Alarm:
    """An HTTP API answers with errors of its own."""
    return Alarm(name, "AWS/ApiGateway", "5xx", of_api(api), "Sum", threshold)
