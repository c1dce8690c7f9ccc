"""Seed what computes: ECS services and Lambda functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.estate.balancing import seed_target_groups
from lab.estate.connection import Aws
from lab.estate.model import Estate, Function, Service


def seed_services(aws: Aws, estate: Estate) -> None:
    """Create the cluster and its services, steady and with their last deployment completed, behind their balancers."""
    groups = seed_target_groups(aws, estate)
    if estate.services:
        aws.clients["ecs"].create_cluster(clusterName=estate.cluster)
    for service in estate.services:
        _seed_service(aws, estate.cluster, service, groups)


def _seed_service(aws: Aws, cluster: str, service: Service, groups: Mapping[str, str]) -> None:
    aws.control(
        "bulk/task-definitions", family=service.family, revisions=service.revisions, containers=[_container(service)]
    )  # fmt: skip
    aws.clients["ecs"].create_service(
        cluster=cluster,
        serviceName=service.name,
        taskDefinition=f"{service.family}:{service.revisions}",
        desiredCount=service.desired,
        loadBalancers=[
            {"targetGroupArn": groups[name], "containerName": service.name, "containerPort": service.port}
            for name in (service.target_group,)
            if name in groups
        ],
        deploymentConfiguration={
            "deploymentCircuitBreaker": {"enable": service.circuit_breaker, "rollback": service.circuit_breaker},
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
        },
    )
    aws.control("ecs/settle", cluster=cluster, service=service.name, age_days=service.deployed)


def _container(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "image": service.image,
        "cpu": 256,
        "memory": 512,
        "essential": True,
        "portMappings": [{"containerPort": service.port}],
        "environment": [{"name": "REVISION", "value": "{revision}"}],
    }


def seed_functions(aws: Aws, estate: Estate) -> None:
    """Create the functions with their versions, aliases, provisioned concurrency and event sources; after the queues."""
    if estate.functions:
        aws.control("bulk/lambda", functions=[_described(function) for function in estate.functions])
    for function in estate.functions:
        if function.queue:
            queue, version = function.queue
            aws.clients["lambda"].create_event_source_mapping(
                EventSourceArn=f"arn:aws:sqs:{aws.region}:{aws.account}:{queue}",
                FunctionName=f"{function.name}:{version}",
                BatchSize=10,
            )


def _described(function: Function) -> dict[str, Any]:
    aliases = [
        {"name": alias.name, "version": alias.version, **({"weights": dict(alias.weights)} if alias.weights else {})}
        for alias in function.aliases
    ]
    provisioned = {"provisioned": function.provisioned} if function.provisioned else {}
    return {
        "name": function.name, "versions": function.versions, "timeout": 60, "memory": 512, "aliases": aliases, **provisioned
    }  # fmt: skip
