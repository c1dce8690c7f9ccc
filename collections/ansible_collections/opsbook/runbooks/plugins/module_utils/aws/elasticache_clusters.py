# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ElastiCache clusters and replication groups: whether they are available, and each of their nodes.

A replication group is named like a cluster and holds clusters of its own, its members. Both lists are read: a name may be
of either. Members are read as nodes of their group, unless they are named themselves. Source: ElastiCache API reference
(CacheCluster, ReplicationGroup); one that is snapshotting can be used all the while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..core.coverage import Collected
from ..core.evidence import Evidence
from ..core.run import Run
from .calls import all_pages
from .client import Connect
from .errors import explaining
from .listings import Found, absences, choose

KIND = "elasticache-cluster"
USABLE = ("available", "snapshotting")


@dataclass(frozen=True)
class Node:
    """One node of a cluster; of a replication group one member, or one shard where its members are not listed."""

    name: str
    status: str


@dataclass(frozen=True)
class Cluster:
    """One cluster, or one replication group.

    :param type: "cluster" or "replication_group"
    :param group: the replication group that a cluster is a member of, else empty
    :param nodes: those whose state AWS told
    """

    name: str
    type: str
    status: str
    engine: str
    engine_version: str
    node_type: str
    group: str
    nodes: tuple[Node, ...]


def collect_clusters(connect: Connect, run: Run, wanted: Sequence[str]) -> Collected[Found[Cluster]]:
    """Read the clusters and replication groups meant by names and patterns; none given means all of the region."""
    # ElastiCache keeps names in small letters, whatever is given.
    names = [name.lower() for name in wanted]
    found, coverage = choose(KIND, names, lambda: _read_all(connect, ", ".join(names) or "all"))
    groups = {cluster.name for cluster in found.items if cluster.type == "replication_group"}
    apart = tuple(cluster for cluster in found.items if cluster.group not in groups or cluster.name in names)
    return Collected(Found(apart, found.absent), run.now(), coverage)


def evaluate_clusters(collected: Collected[Found[Cluster]]) -> list[Evidence]:
    """A cluster is right when it and all its nodes are available."""
    evidence = absences(KIND, collected.state.absent)
    for cluster in collected.state.items:
        resource = f"{KIND}:{cluster.name}"
        evidence.append(Evidence("status", resource, "available", cluster.status, cluster.status in USABLE))
        if cluster.nodes:
            amiss = [node for node in cluster.nodes if node.status not in USABLE]
            seen = [f"{len(cluster.nodes) - len(amiss)} of {len(cluster.nodes)} available",
                    *(f"{node.name} {node.status}" for node in amiss)]
            evidence.append(Evidence("nodes", resource, "all available", "; ".join(seen), not amiss))
    return evidence


def describe_clusters(collected: Collected[Found[Cluster]]) -> Mapping[str, Any]:
    """The clusters as plain data, under `clusters`."""
    return {"clusters": [
        {**asdict(cluster), "group": cluster.group or None, "nodes": [asdict(node) for node in cluster.nodes]}
        for cluster in collected.state.items]}


def _read_all(connect: Connect, asked: str) -> dict[str, Cluster]:
    with explaining("list ElastiCache clusters", asked):
        client = connect("elasticache")
        clusters = list(all_pages(client, "describe_cache_clusters", "CacheClusters", ShowCacheNodeInfo=True))
        groups = list(all_pages(client, "describe_replication_groups", "ReplicationGroups"))
    singles = [_cluster(reply) for reply in clusters]
    known = {cluster.name: cluster for cluster in singles}
    return {**known, **{group.name: group for group in (_group(reply, known) for reply in groups)}}


def _cluster(reply: Mapping[str, Any]) -> Cluster:
    nodes = tuple(Node(node["CacheNodeId"], node.get("CacheNodeStatus") or "not told")
                  for node in reply.get("CacheNodes") or ())
    return Cluster(
        name=reply["CacheClusterId"], type="cluster", status=reply.get("CacheClusterStatus") or "not told",
        engine=reply.get("Engine") or "", engine_version=reply.get("EngineVersion") or "",
        node_type=reply.get("CacheNodeType") or "", group=reply.get("ReplicationGroupId") or "", nodes=nodes)


def _group(reply: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Cluster:
    """A replication group and its members, whose engine is the group's."""
    members = [clusters[name] for name in reply.get("MemberClusters") or () if name in clusters]
    nodes = [Node(member.name, member.status) for member in members] or [
        Node(f"shard {shard.get('NodeGroupId', '')}".rstrip(), shard["Status"])
        for shard in reply.get("NodeGroups") or () if shard.get("Status")]
    first = members[0] if members else None
    return Cluster(
        name=reply["ReplicationGroupId"], type="replication_group", status=reply.get("Status") or "not told",
        engine=reply.get("Engine") or (first.engine if first else ""), engine_version=first.engine_version if first else "",
        node_type=reply.get("CacheNodeType") or "", group="", nodes=tuple(nodes))
