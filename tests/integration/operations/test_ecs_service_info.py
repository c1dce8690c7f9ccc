"""ecs_service_info against the lab's AWS: what it tells of healthy and failing services, and what it could not read."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing

OUT_OF_MEMORY = "OutOfMemoryError: container killed due to memory usage"


@pytest.fixture
def cluster(aws: Aws, unique: str) -> str:
    aws.client("ecs").create_cluster(clusterName=unique)
    aws.control("ecs/settings", {"task_seconds": 0.15})
    return unique


def service(aws: Aws, cluster: str, name: str, desired: int = 2) -> str:
    ecs = aws.client("ecs")
    ecs.register_task_definition(family=f"{cluster}-{name}", containerDefinitions=[
        {"name": "app", "image": f"registry.example/{cluster}-{name}:stable", "memory": 128, "essential": True}])
    ecs.create_service(cluster=cluster, serviceName=name, taskDefinition=f"{cluster}-{name}", desiredCount=desired)
    aws.control("ecs/settle", {"cluster": cluster, "service": name, "age_days": 1})
    return name


def answers(result: dict[str, Any]) -> list[tuple[str, bool | None]]:
    return [(item["check"], item["ok"]) for item in result["evidence"]]


def test_reads_healthy_services_all_pages(aws: Aws, operate: Operate, cluster: str) -> None:
    expected = sorted(service(aws, cluster, f"s{number}", 1) for number in range(12))
    with aws.calls() as calls:
        result = operate("ecs_service_info", cluster=cluster)
    assert result["verdict"] == "healthy"
    assert result["changed"] is False
    assert [entry["name"] for entry in result["services"]] == expected
    assert changing(calls) == []
    first = result["services"][0]
    assert (first["running"], first["desired"], first["stopped_tasks"]) == (1, 1, [])
    assert first["deployments"][0]["rollout_state"] == "COMPLETED"
    assert first["deployments"][0]["service_revision"].startswith("arn:aws:ecs:")
    assert len(first["events"]) == 5


def test_names_without_a_pattern_list_nothing(aws: Aws, operate: Operate, cluster: str) -> None:
    name = service(aws, cluster, "orders")
    service(aws, cluster, "stock")
    with aws.calls() as calls:
        result = operate("ecs_service_info", cluster=cluster, services=[name], events=1)
    assert [entry["name"] for entry in result["services"]] == [name]
    assert len(result["services"][0]["events"]) == 1
    assert "ecs:ListServices" not in calls.names()


def test_a_failing_deployment_is_unhealthy_although_the_numbers_are_right(
    aws: Aws, operate: Operate, cluster: str
) -> None:
    name = service(aws, cluster, "orders")
    aws.control("ecs/failing-images", {"image": f"registry.example/{cluster}-*", "reason": OUT_OF_MEMORY})
    aws.client("ecs").update_service(cluster=cluster, service=name, forceNewDeployment=True)
    deadline = time.monotonic() + 10
    while not (result := operate("ecs_service_info", cluster=cluster, services=[name]))["services"][0]["why_stopped"]:
        assert time.monotonic() < deadline
    seen = result["services"][0]
    assert result["verdict"] == "unhealthy"
    assert answers(result) == [("running tasks", True), ("deployments", False)]
    assert result["evidence"][1]["actual"] == ["PRIMARY IN_PROGRESS", "ACTIVE COMPLETED"]
    assert OUT_OF_MEMORY in seen["why_stopped"][0]
    stopped = seen["stopped_tasks"][0]
    assert stopped["stop_code"] == "EssentialContainerExited"
    assert stopped["deployment"] == seen["deployments"][0]["id"]
    assert stopped["containers"] == [{"name": "app", "exit_code": 137, "reason": OUT_OF_MEMORY}]


def test_a_missing_service_is_a_gap_not_an_absence_of_faults(aws: Aws, operate: Operate, cluster: str) -> None:
    service(aws, cluster, "orders")
    result = operate("ecs_service_info", cluster=cluster, services=["orders", "ghost"])
    assert result["verdict"] == "unknown"
    assert result["coverage"]["missing"] == [
        {"resource": f"ecs-service:{cluster}/ghost", "reason": "does not exist"}]


@pytest.mark.parametrize("action", ["DescribeServices", "ListTasks"])
def test_a_denied_read_is_a_gap_and_never_healthy(aws: Aws, operate: Operate, cluster: str, action: str) -> None:
    service(aws, cluster, "orders")
    aws.control("faults", {"faults": [{"service": "ecs", "action": action, "kind": "deny"}]})
    result = operate("ecs_service_info", cluster=cluster)
    assert result["verdict"] == "unknown"
    assert f"ecs:{action}" in str(result["coverage"]["missing"])


def test_a_missing_cluster_is_named(operate: Operate) -> None:
    result = operate("ecs_service_info", cluster="no-such-cluster")
    assert result["failed"] is True
    assert "no-such-cluster" in result["msg"]


def test_reads_everything_under_throttling(aws: Aws, operate: Operate, cluster: str) -> None:
    service(aws, cluster, "orders")
    aws.control("faults", {"seed": 5, "faults": [
        {"service": "ecs", "action": "*", "kind": "throttle", "probability": 0.3}]})
    assert operate("ecs_service_info", cluster=cluster)["verdict"] == "healthy"
