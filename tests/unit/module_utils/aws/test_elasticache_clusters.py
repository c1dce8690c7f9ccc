"""Which clusters are meant, and when one is right: by botocore's own model, since the lab's are all available."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elasticache_clusters import (
    Cluster,
    collect_clusters,
    describe_clusters,
    evaluate_clusters,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.listings import Found
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def cluster(
    name: str, status: str = "available", group: str = "", nodes: tuple[str, ...] = ("available",)
) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "CacheClusterId": name, "CacheClusterStatus": status, "Engine": "redis", "EngineVersion": "7.1.0",
        "CacheNodeType": "cache.t3.micro",
        "CacheNodes": [{"CacheNodeId": f"000{number}", "CacheNodeStatus": one} for number, one in enumerate(nodes, 1)]}
    return {**reply, **({"ReplicationGroupId": group} if group else {})}


def group(
    name: str, status: str = "available", members: tuple[str, ...] = (), shards: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {"ReplicationGroupId": name, "Status": status, "MemberClusters": list(members), "CacheNodeType": "cache.t3.micro",
            "NodeGroups": [{"NodeGroupId": f"000{number}", "Status": one} for number, one in enumerate(shards, 1)]}


class Answers:
    """An ElastiCache that answers what it was told, and refuses any other request."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("elasticache", region_name="us-east-1", aws_access_key_id="a",
                                        aws_secret_access_key="b")
        self.stub = Stubber(self.client)

    def clusters(self, *clusters: dict[str, Any], marker: str = "", following: str = "") -> None:
        """A page of clusters."""
        self._page("describe_cache_clusters", "CacheClusters", clusters, marker, following, ShowCacheNodeInfo=True)

    def groups(self, *groups: dict[str, Any], marker: str = "", following: str = "") -> None:
        """A page of replication groups."""
        self._page("describe_replication_groups", "ReplicationGroups", groups, marker, following)

    def _page(self, operation: str, key: str, entries: Any, marker: str, following: str, **request: Any) -> None:
        reply: dict[str, Any] = {key: list(entries), **({"Marker": following} if following else {})}
        self.stub.add_response(operation, reply, {**request, **({"Marker": marker} if marker else {})})

    def read(self, *wanted: str) -> Collected[Found[Cluster]]:
        """Collect, making every call that was prepared."""
        with self.stub:
            collected = collect_clusters(lambda service: self.client, Run(now=lambda: NOW), wanted)
            self.stub.assert_no_pending_responses()
        return collected


@pytest.fixture
def cache() -> Answers:
    return Answers()


def names(collected: Collected[Found[Cluster]]) -> list[str]:
    return [one.name for one in collected.state.items]


def test_reads_all_pages_of_both_lists(cache: Answers) -> None:
    cache.clusters(cluster("sessions"), following="c")
    cache.clusters(cluster("queue"), marker="c")
    cache.groups(group("catalogue"), following="g")
    cache.groups(group("basket"), marker="g")

    assert names(cache.read()) == ["basket", "catalogue", "queue", "sessions"]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        pytest.param([], ["catalogue", "sessions"], id="members_are_read_as_nodes_of_their_group"),
        pytest.param(["cat*"], ["catalogue"], id="by_pattern_too"),
        pytest.param(["catalogue-001"], ["catalogue-001"], id="a_member_that_is_named"),
        pytest.param(["catalogue-*"], ["catalogue-001", "catalogue-002"], id="members_without_their_group"),
        pytest.param(["Sessions"], ["sessions"], id="names_are_in_small_letters"),
    ],
)
def test_which_are_meant(cache: Answers, wanted: list[str], chosen: list[str]) -> None:
    members = ("catalogue-001", "catalogue-002")
    cache.clusters(cluster("sessions"), *(cluster(name, group="catalogue") for name in members))
    cache.groups(group("catalogue", members=members))

    assert names(cache.read(*wanted)) == chosen


@pytest.mark.parametrize(
    ("one", "ok"),
    [
        pytest.param(cluster("a"), [True, True], id="available"),
        pytest.param(cluster("a", "snapshotting"), [True, True], id="a_snapshot_is_being_taken"),
        pytest.param(cluster("a", "modifying"), [False, True], id="modifying"),
        pytest.param(cluster("a", "rebooting cluster nodes", nodes=("rebooting", "available")), [False, False], id="a_node"),
        pytest.param(cluster("a", nodes=()), [True], id="nodes_that_aws_does_not_tell_are_not_judged"),
        pytest.param(cluster("a", ""), [False, True], id="a_status_nobody_told"),
    ],
)
def test_judges_a_cluster(cache: Answers, one: dict[str, Any], ok: list[bool]) -> None:
    cache.clusters(one)
    cache.groups()

    assert [item.ok for item in evaluate_clusters(cache.read())] == ok


@pytest.mark.parametrize(
    ("status", "member", "shards", "said"),
    [
        pytest.param("available", "available", (), ["available", "2 of 2 available"], id="all_members"),
        pytest.param("modifying", "creating", (), ["modifying", "1 of 2 available; catalogue-002 creating"], id="a_member"),
        pytest.param("available", "available", ("modifying",), ["available", "2 of 2 available"], id="not_by_shards"),
    ],
)
def test_judges_a_group_by_its_members(
    cache: Answers, status: str, member: str, shards: tuple[str, ...], said: list[str]
) -> None:
    cache.clusters(cluster("catalogue-001", group="catalogue"), cluster("catalogue-002", member, group="catalogue"))
    cache.groups(group("catalogue", status, ("catalogue-001", "catalogue-002"), shards))

    assert [item.actual for item in evaluate_clusters(cache.read("catalogue"))] == said


def test_a_group_whose_members_are_not_listed_has_its_shards(cache: Answers) -> None:
    cache.clusters()
    cache.groups(group("catalogue", members=("catalogue-001",), shards=("available", "creating")))

    assert evaluate_clusters(cache.read())[1].actual == "1 of 2 available; shard 0002 creating"


def test_a_group_has_the_engine_of_its_members(cache: Answers) -> None:
    cache.clusters(cluster("catalogue-001", group="catalogue"))
    cache.groups(group("catalogue", members=("catalogue-001",)))
    [described] = describe_clusters(cache.read())["clusters"]

    assert (described["type"], described["engine"], described["engine_version"]) == ("replication_group", "redis", "7.1.0")
