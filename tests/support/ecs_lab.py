"""The lab's ECS over HTTP, for tests: a server with this extension alone, and the calls that tests make often."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.waiting import eventually

# Seconds that a task takes to start: for tests that await an end, and for those that must meet the way there.
QUICK, SLOW = 0.2, 2.0
CLUSTER = "shop"
FAMILY = "shop-api"
IMAGE = "registry.example/shop-api"
CANNOT_PULL = "CannotPullContainerError: pull image manifest has been retried 5 time(s): not found"
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
_ordinals = count(1)


class EcsLab:
    """A running `lab.aws` with one cluster; every test makes services of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.ecs: Any = boto3.client(
            "ecs",
            endpoint_url=address,
            region_name="us-east-1",
            aws_access_key_id="LABSEEDER",
            aws_secret_access_key="lab",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def control(self, route: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Ask a control route; returns the status and the answer."""
        request = urllib.request.Request(f"{self._address}/lab/{route}", data=json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def pace(self, task_seconds: float) -> None:
        """Set how long tasks take to start from now."""
        assert self.control("ecs/settings", {"task_seconds": task_seconds})[0] == 200

    def register(self, family: str = FAMILY, image: str = f"{IMAGE}:stable") -> str:
        """Register a revision; returns its ARN."""
        definition = {"name": "app", "image": image, "memory": 128, "essential": True}
        reply = self.ecs.register_task_definition(family=family, containerDefinitions=[definition], cpu="256", memory="512")
        return str(reply["taskDefinition"]["taskDefinitionArn"])

    def create(self, desired: int = 2, **more: Any) -> str:
        """Create a service with a name and image of its own; returns the name."""
        name = f"api-{next(_ordinals)}"
        self.register(name, f"{IMAGE}:{name}")
        self.ecs.create_service(cluster=CLUSTER, serviceName=name, taskDefinition=name, desiredCount=desired, **more)
        return name

    def steady(self, desired: int = 2, age_days: float = 0, **more: Any) -> str:
        """Like create, and steady at once."""
        name = self.create(desired, **more)
        status, _ = self.control("ecs/settle", {"cluster": CLUSTER, "service": name, "age_days": age_days})
        assert status == 200
        return name

    def update(self, name: str, **changes: Any) -> dict[str, Any]:
        """UpdateService."""
        return dict(self.ecs.update_service(cluster=CLUSTER, service=name, **changes)["service"])

    def service(self, name: str) -> dict[str, Any]:
        """DescribeServices of one."""
        return dict(self.ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0])

    def deployments(self, name: str) -> list[dict[str, Any]]:
        """All service deployments, described, newest first."""
        briefs = self.ecs.list_service_deployments(cluster=CLUSTER, service=name)["serviceDeployments"]
        arns = [brief["serviceDeploymentArn"] for brief in briefs]
        return list(self.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"])

    def revision(self, arn: str) -> dict[str, Any]:
        """DescribeServiceRevisions of one."""
        return dict(self.ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"][0])

    def tasks(self, name: str, status: str = "RUNNING") -> list[dict[str, Any]]:
        """The service's tasks, described."""
        arns = self.ecs.list_tasks(cluster=CLUSTER, serviceName=name, desiredStatus=status)["taskArns"]
        return list(self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]) if arns else []

    def wait(self, name: str, waiter: str = "services_stable") -> None:
        """Use one of boto3's own waiters."""
        config = {"Delay": 0.05, "MaxAttempts": 200}
        self.ecs.get_waiter(waiter).wait(cluster=CLUSTER, services=[name], WaiterConfig=config)

    def fail(self, name: str, reason: str | None) -> None:
        """Let the image of a service of this module fail, or heal it."""
        assert self.control("ecs/failing-images", {"image": f"{IMAGE}:{name}", "reason": reason})[0] == 200


def messages(service: dict[str, Any]) -> list[str]:
    """Events, oldest first, without the service's name."""
    return [event["message"].partition(") ")[2] for event in reversed(service["events"])]


def code_of(call: Callable[..., Any], **arguments: Any) -> str:
    """The error code that a call ends with."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return str(raised.value.response["Error"]["Code"])


@contextmanager
def running_ecs_lab(folder: Path) -> Iterator[EcsLab]:
    """A lab's AWS of its own, whose tasks start fast, with one cluster."""
    (folder / "settings.json").write_text(json.dumps({"task_seconds": QUICK}))
    command = [sys.executable, "-m", "lab.aws", "--folder", str(folder), "--extensions", "backdate,ecs"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: (folder / "aws.json").exists() or process.poll() is not None, 30)
        port = json.loads((folder / "aws.json").read_text())["port"]
        started = EcsLab(f"http://127.0.0.1:{port}")
        started.ecs.create_cluster(clusterName=CLUSTER)
        yield started
    finally:
        process.kill()
        process.wait()
