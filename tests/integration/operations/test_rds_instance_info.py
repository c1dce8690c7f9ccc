"""rds_instance_info against the lab's AWS: full, stopped, missing, denied, many pages, another region and account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing
from tests.support.elsewhere import Elsewhere

GIBIBYTE = 2**30


def make(rds: Any, name: str) -> None:
    """An instance of 100 GiB."""
    rds.create_db_instance(
        DBInstanceIdentifier=name, Engine="postgres", DBInstanceClass="db.t3.micro", AllocatedStorage=100,
        MasterUsername="opsbook", MasterUserPassword="canary-of-the-database")


def publish(cloudwatch: Any, name: str, free: float, connections: float | None = None, minutes: float = 2) -> None:
    """Free GiB, and connections, of some minutes ago."""
    values = {"FreeStorageSpace": free * GIBIBYTE, **({} if connections is None else {"DatabaseConnections": connections})}
    cloudwatch.put_metric_data(Namespace="AWS/RDS", MetricData=[
        {"MetricName": metric, "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": name}], "Value": value,
         "Timestamp": datetime.now(UTC) - timedelta(minutes=minutes)} for metric, value in values.items()])


@pytest.fixture
def instance(aws: Aws, unique: str) -> str:
    """An instance of which 46 % are free, with 41 connections."""
    make(aws.client("rds"), unique)
    publish(aws.client("cloudwatch"), unique, 46, 41)
    return unique


def faults(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(item["check"], item["resource"].partition(":")[2], item["actual"])
            for item in result["evidence"] if item["ok"] is not True]


def test_reads_an_instance_also_in_check_mode(aws: Aws, operate: Operate, instance: str) -> None:
    with aws.calls() as calls:
        checked = operate("rds_instance_info", check_mode=True, instances=[instance])
    result = operate("rds_instance_info", instances=[instance.upper()])

    assert changing(calls) == []
    assert calls.names() == ["rds:DescribeDBInstances", "cloudwatch:GetMetricData"]
    assert result == checked
    assert (result["verdict"], result["changed"]) == ("healthy", False)
    [seen] = result["instances"]
    assert (seen["name"], seen["status"], seen["engine"], seen["storage_gib"]) == (instance, "available", "postgres", 100)
    assert (seen["free_storage_percent"], seen["free_storage_bytes"], seen["connections"]) == (46, 46 * GIBIBYTE, 41)
    assert [item["actual"] for item in result["evidence"]] == ["available", "46 % (46.0 GiB)"]
    assert "canary" not in str(result)


def test_little_free_storage_is_unhealthy(operate: Operate, instance: str) -> None:
    result = operate("rds_instance_info", instances=[instance], minimum_free_storage=50)
    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("free storage", instance, "46 % (46.0 GiB)")]


def test_an_old_data_point_is_unknown(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws.client("rds"), unique)
    publish(aws.client("cloudwatch"), unique, 46, minutes=30)
    result = operate("rds_instance_info", instances=[unique])

    assert result["verdict"] == "unknown"
    assert faults(result) == [("free storage", unique, "no data point in 15 m")]
    assert result["instances"][0]["connections"] is None


def test_a_stopped_instance_is_unhealthy(aws: Aws, operate: Operate, instance: str) -> None:
    aws.client("rds").stop_db_instance(DBInstanceIdentifier=instance)
    assert faults(operate("rds_instance_info", instances=[instance])) == [("status", instance, "stopped")]


def test_a_missing_instance_is_unhealthy_and_a_pattern_without_any_is_unknown(operate: Operate, instance: str) -> None:
    result = operate("rds_instance_info", instances=[f"{instance}*", f"no-{instance}"])
    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("existence", f"no-{instance}", "does not exist")]
    assert [seen["name"] for seen in result["instances"]] == [instance]

    assert operate("rds_instance_info", instances=[f"no-{instance}-*"])["verdict"] == "unknown"


@pytest.mark.parametrize(("service", "action"), [("rds", "DescribeDBInstances"), ("cloudwatch", "GetMetricData")])
def test_denied_is_unknown_and_named(aws: Aws, operate: Operate, instance: str, service: str, action: str) -> None:
    aws.control("faults", {"faults": [{"service": service, "action": action, "kind": "deny"}]})
    result = operate("rds_instance_info", instances=[instance])

    assert result["verdict"] == "unknown"
    assert "AccessDenied" in result["coverage"]["missing"][0]["reason"]
    assert instance in result["coverage"]["missing"][0]["resource"]
    assert aws.connection["secret_key"] not in str(result)


def test_sees_the_same_under_throttling(aws: Aws, operate: Operate, instance: str) -> None:
    aws.control("faults", {"seed": 3, "faults": [{"service": "*", "action": "*", "kind": "throttle", "probability": 0.3}]})
    assert operate("rds_instance_info", instances=[instance])["verdict"] == "healthy"


def test_reads_all_pages_and_their_metrics_in_one_call(aws: Aws, operate: Operate, unique: str) -> None:
    names = [f"{unique}-{number:03}" for number in range(104)]
    for name in names:
        make(aws.client("rds"), name)
    with aws.calls() as calls:
        result = operate("rds_instance_info", instances=[f"{unique}-*"])

    assert [instance["name"] for instance in result["instances"]] == names
    assert calls.names().count("rds:DescribeDBInstances") >= 2
    assert calls.names().count("cloudwatch:GetMetricData") == 1


def test_reads_the_account_and_region_of_its_role(aws: Aws, operate: Operate, unique: str) -> None:
    place = Elsewhere(aws.endpoint)
    make(place.client("rds"), unique)
    publish(place.client("cloudwatch"), unique, 46)

    assert operate("rds_instance_info", instances=[unique], **place.options)["verdict"] == "healthy"
    assert operate("rds_instance_info", instances=[unique])["verdict"] == "unhealthy"
