"""The dimensions under which AWS publishes the metrics of each kind of part: the exact set, any other has no data."""

from __future__ import annotations

from lab.identifiers import api_id, balancer_path, distribution_id, target_group_path

Dimensions = dict[str, str]


def of_service(cluster: str, name: str) -> Dimensions:
    """An ECS service."""
    return {"ClusterName": cluster, "ServiceName": name}


def of_function(name: str) -> Dimensions:
    """A Lambda function, all its versions together."""
    return {"FunctionName": name}


def of_table(name: str) -> Dimensions:
    """A DynamoDB table."""
    return {"TableName": name}


def of_index(table: str, name: str) -> Dimensions:
    """A global secondary index."""
    return {"GlobalSecondaryIndexName": name, **of_table(table)}


def of_operation(table: str, operation: str) -> Dimensions:
    """Calls of one operation on a table: so DynamoDB publishes latency, and requests that it throttled."""
    return {"Operation": operation, **of_table(table)}


def of_balancer(name: str) -> Dimensions:
    """A load balancer, all its target groups together."""
    return {"LoadBalancer": balancer_path(name)}


def of_target_group(balancer: str, name: str) -> Dimensions:
    """A target group behind a load balancer."""
    return {"TargetGroup": target_group_path(name), **of_balancer(balancer)}


def of_database(name: str) -> Dimensions:
    """An RDS instance."""
    return {"DBInstanceIdentifier": name}


def of_cache(name: str) -> Dimensions:
    """An ElastiCache cluster of one node."""
    return {"CacheClusterId": name, "CacheNodeId": "0001"}


def of_queue(name: str) -> Dimensions:
    """An SQS queue."""
    return {"QueueName": name}


def of_api(name: str) -> Dimensions:
    """An HTTP API of API Gateway."""
    return {"ApiId": api_id(name)}


def of_distribution(alias: str) -> Dimensions:
    """A CloudFront distribution."""
    return {"DistributionId": distribution_id(alias), "Region": "Global"}
