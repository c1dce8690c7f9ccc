"""ElastiCache as AWS has it: a cluster's nodes, for who asks for them.

Source: ElastiCache API reference (DescribeCacheClusters: ShowCacheNodeInfo; CacheNode).
"""

from __future__ import annotations

import copy
from typing import Any

from moto.core.responses import ActionResult, PaginatedResult
from moto.elasticache.models import CacheCluster
from moto.elasticache.responses import ElastiCacheResponse


def install() -> None:
    """Rebind moto's DescribeCacheClusters."""
    ElastiCacheResponse.describe_cache_clusters = _describe_cache_clusters


def _describe_cache_clusters(self: ElastiCacheResponse) -> ActionResult:
    clusters = self.elasticache_backend.describe_cache_clusters(cache_cluster_id=self._get_param("CacheClusterId"))
    if self._get_bool_param("ShowCacheClustersNotInReplicationGroups"):
        clusters = [cluster for cluster in clusters if not getattr(cluster, "replication_group_id", None)]
    if self._get_bool_param("ShowCacheNodeInfo"):
        clusters = [_with_nodes(cluster, self.region) for cluster in clusters]
    return PaginatedResult({"CacheClusters": clusters})


def _with_nodes(cluster: CacheCluster, region: str) -> CacheCluster:
    shown = copy.copy(cluster)
    shown.cache_nodes = [_node(cluster, number, region) for number in range(1, cluster.num_cache_nodes + 1)]
    return shown


def _node(cluster: CacheCluster, number: int, region: str) -> dict[str, Any]:
    return {
        "CacheNodeId": f"{number:04d}",
        "CacheNodeStatus": cluster.cache_cluster_status,
        "CacheNodeCreateTime": cluster.cache_cluster_create_time,
        "Endpoint": {
            "Address": f"{cluster.cache_cluster_id}.{number:04d}.{region}.cache.amazonaws.com",
            "Port": cluster.port,
        },
        "ParameterGroupStatus": "in-sync",
        "CustomerAvailabilityZone": f"{region}{'abc'[(number - 1) % 3]}",
    }
