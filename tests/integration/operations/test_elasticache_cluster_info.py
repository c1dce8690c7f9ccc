"""elasticache_cluster_info against the lab's AWS: clusters and groups, missing, denied, many pages, elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing
from tests.support.elsewhere import Elsewhere


def make(client: Any, name: str) -> None:
    client.create_cache_cluster(CacheClusterId=name, Engine="redis", CacheNodeType="cache.t3.micro", NumCacheNodes=1)


@pytest.fixture
def cluster(aws: Aws, unique: str) -> str:
    """A cluster of one node."""
    make(aws.client("elasticache"), unique)
    return unique


def faults(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(item["check"], item["resource"].partition(":")[2], item["actual"])
            for item in result["evidence"] if item["ok"] is not True]


def test_reads_a_cluster_and_a_group_also_in_check_mode(aws: Aws, operate: Operate, cluster: str) -> None:
    aws.client("elasticache").create_replication_group(
        ReplicationGroupId=f"{cluster}-group", ReplicationGroupDescription="test", Engine="redis",
        CacheNodeType="cache.t3.micro", AuthToken="canary-of-the-cache-token", TransitEncryptionEnabled=True)
    with aws.calls() as calls:
        checked = operate("elasticache_cluster_info", check_mode=True, clusters=[f"{cluster}*"])
    result = operate("elasticache_cluster_info", clusters=[f"{cluster}*"])

    assert changing(calls) == []
    assert calls.names() == ["elasticache:DescribeCacheClusters", "elasticache:DescribeReplicationGroups"]
    assert result == checked
    assert (result["verdict"], result["changed"]) == ("healthy", False)
    assert [(one["name"], one["type"], one["status"], one["engine"]) for one in result["clusters"]] == [
        (cluster, "cluster", "available", "redis"), (f"{cluster}-group", "replication_group", "available", "redis")]
    assert result["clusters"][0]["nodes"] == [{"name": "0001", "status": "available"}]
    assert [item["actual"] for item in result["evidence"][:2]] == ["available", "1 of 1 available"]
    assert "canary" not in str(result)


def test_a_missing_cluster_is_unhealthy_and_a_pattern_without_any_is_unknown(operate: Operate, cluster: str) -> None:
    result = operate("elasticache_cluster_info", clusters=[cluster, f"no-{cluster}"])
    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("existence", f"no-{cluster}", "does not exist")]

    assert operate("elasticache_cluster_info", clusters=[f"no-{cluster}-*"])["verdict"] == "unknown"


@pytest.mark.parametrize("action", ["DescribeCacheClusters", "DescribeReplicationGroups"])
def test_denied_is_unknown_and_named(aws: Aws, operate: Operate, cluster: str, action: str) -> None:
    aws.control("faults", {"faults": [{"service": "elasticache", "action": action, "kind": "deny"}]})
    result = operate("elasticache_cluster_info", clusters=[cluster])

    assert (result["verdict"], result["evidence"]) == ("unknown", [])
    [gap] = result["coverage"]["missing"]
    assert (gap["resource"], "AccessDenied" in gap["reason"]) == (f"elasticache-clusters matching {cluster}", True)
    assert aws.connection["secret_key"] not in str(result)


def test_sees_the_same_under_throttling(aws: Aws, operate: Operate, cluster: str) -> None:
    aws.control("faults", {"seed": 3, "faults": [
        {"service": "elasticache", "action": "*", "kind": "throttle", "probability": 0.3}]})
    assert operate("elasticache_cluster_info", clusters=[cluster])["verdict"] == "healthy"


def test_reads_all_pages(aws: Aws, operate: Operate, unique: str) -> None:
    for number in range(104):
        make(aws.client("elasticache"), f"{unique}-{number:03}")
    with aws.calls() as calls:
        result = operate("elasticache_cluster_info", clusters=[f"{unique}-*"])

    assert (len(result["clusters"]), result["verdict"]) == (104, "healthy")
    assert calls.names().count("elasticache:DescribeCacheClusters") >= 2


def test_reads_the_account_and_region_of_its_role(aws: Aws, operate: Operate, unique: str) -> None:
    place = Elsewhere(aws.endpoint)
    make(place.client("elasticache"), unique)

    assert operate("elasticache_cluster_info", clusters=[unique], **place.options)["verdict"] == "healthy"
    assert operate("elasticache_cluster_info", clusters=[unique])["verdict"] == "unhealthy"
