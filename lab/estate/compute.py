"""Seed what computes: ECS services, Lambda functions, and the secrets that a function rotates."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Mapping

from lab.estate.connection import Aws
from lab.estate.model import Estate, Function, Secret, Service
from lab.folders import LabError

_ROLE = "lab-function"
_ROTATION_SECONDS = 10.0
_POLL_SECONDS = 0.05
_SOURCE = """# {name}, build {version}
def handler(event, context):
    return {version}
"""
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}  # fmt: skip


def seed_services(aws: Aws, estate: Estate) -> None:
    """Create the clusters and services, steady and with their last deployment completed."""
    ecs = aws.clients["ecs"]
    for cluster in sorted({service.cluster for service in estate.services}):
        ecs.create_cluster(clusterName=cluster)
    for service in estate.services:
        _seed_service(aws, service)


def _seed_service(aws: Aws, service: Service) -> None:
    ecs = aws.clients["ecs"]
    for revision in range(1, service.revisions + 1):
        ecs.register_task_definition(
            family=service.family,
            networkMode="bridge",
            containerDefinitions=[
                {
                    "name": service.name,
                    "image": service.image,
                    "cpu": 256,
                    "memory": 512,
                    "essential": True,
                    "environment": [{"name": "REVISION", "value": str(revision)}],
                }
            ],
        )
    ecs.create_service(
        cluster=service.cluster,
        serviceName=service.name,
        taskDefinition=f"{service.family}:{service.revisions}",
        desiredCount=service.desired,
        deploymentConfiguration={
            "deploymentCircuitBreaker": {"enable": service.circuit_breaker, "rollback": service.circuit_breaker},
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
        },
    )
    aws.control("ecs/settle", cluster=service.cluster, service=service.name, age_days=service.deployed)


def seed_functions(aws: Aws, estate: Estate) -> None:
    """Create the functions with their versions, aliases, provisioned concurrency and event sources."""
    role = aws.clients["iam"].create_role(RoleName=_ROLE, AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]["Arn"]
    for function in estate.functions:
        _publish(aws, function, role)
        _route(aws, function)


def _publish(aws: Aws, function: Function, role: str) -> None:
    """Create a function and publish its versions, each from code of its own: equal code makes no new version."""
    functions = aws.clients["lambda"]
    functions.create_function(
        FunctionName=function.name,
        Runtime="python3.12",
        Handler="main.handler",
        Role=role,
        Timeout=60,
        MemorySize=512,
        Code={"ZipFile": _code(function.name, 1)},
        Publish=function.versions > 0,
    )
    for version in range(2, function.versions + 1):
        functions.update_function_code(
            FunctionName=function.name, ZipFile=_code(function.name, version), Publish=True
        )  # fmt: skip


def _route(aws: Aws, function: Function) -> None:
    """Point aliases, provisioned concurrency and event sources at versions."""
    functions = aws.clients["lambda"]
    for alias in function.aliases:
        routing = {"RoutingConfig": {"AdditionalVersionWeights": dict(alias.weights)}} if alias.weights else {}
        functions.create_alias(
            FunctionName=function.name, Name=alias.name, FunctionVersion=str(alias.version), **routing
        )  # fmt: skip
    if function.provisioned:
        functions.put_provisioned_concurrency_config(
            FunctionName=function.name, Qualifier=str(function.provisioned), ProvisionedConcurrentExecutions=1
        )
    if function.queue:
        queue, version = function.queue
        aws.clients["sqs"].create_queue(QueueName=queue)
        functions.create_event_source_mapping(
            EventSourceArn=f"arn:aws:sqs:{aws.region}:{aws.account}:{queue}",
            FunctionName=f"{function.name}:{version}",
            BatchSize=10,
        )


def _code(name: str, version: int) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("main.py"), _SOURCE.format(name=name, version=version))
    return archive.getvalue()


def seed_secrets(aws: Aws, estate: Estate, values: Mapping[str, Mapping[str, str]]) -> None:
    """Create the secrets; those that rotate know their function and when they last did. After the functions."""
    rotating = [secret for secret in estate.secrets if secret.rotated is not None]
    for secret in estate.secrets:
        aws.clients["secretsmanager"].create_secret(Name=secret.name, SecretString=json.dumps(values[secret.name]))
    for secret in rotating:
        _rotate(aws, secret, estate.rotation_function)
    for secret in rotating:
        _wait_for_rotation(aws, secret.name)
        aws.backdate("secret", secret.name, secret.rotated or 0.0)


def _rotate(aws: Aws, secret: Secret, function: str) -> None:
    aws.clients["secretsmanager"].rotate_secret(
        SecretId=secret.name,
        RotationLambdaARN=f"arn:aws:lambda:{aws.region}:{aws.account}:function:{function}",
        RotationRules={"AutomaticallyAfterDays": secret.rotation_days},
    )


def _wait_for_rotation(aws: Aws, name: str) -> None:
    deadline = time.monotonic() + _ROTATION_SECONDS
    while "LastRotatedDate" not in aws.clients["secretsmanager"].describe_secret(SecretId=name):
        if time.monotonic() > deadline:
            raise LabError(f"the first rotation of {name} did not end within {_ROTATION_SECONDS:g} seconds")
        time.sleep(_POLL_SECONDS)
