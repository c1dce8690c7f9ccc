"""Load balancers, caches, distributions and APIs: healthy unless told otherwise, and found by names that follow."""

from __future__ import annotations

from typing import Any

import pytest

from lab.estate.connection import Aws, Connector
from lab.identifiers import api_id, balancer_path, distribution_id, target_group_path

from .conftest import AwsLab

TARGETS = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


@pytest.fixture
def account(clean_aws: AwsLab) -> Aws:
    """An empty account away from home."""
    return Connector("us-east-1", ()).connect(clean_aws.endpoint, "345678901234", "eu-west-1")


@pytest.fixture
def group(account: Aws) -> str:
    """A target group with three targets; its ARN."""
    elb = account.clients["elbv2"]
    arn = _create_group(account, "orders")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": target, "Port": 8080} for target in TARGETS])
    return arn


def _create_group(account: Aws, name: str) -> str:
    (vpc, *_) = account.clients["ec2"].describe_vpcs()["Vpcs"]
    created = account.clients["elbv2"].create_target_group(
        Name=name, Protocol="HTTP", Port=8080, VpcId=vpc["VpcId"], TargetType="ip"
    )
    return str(created["TargetGroups"][0]["TargetGroupArn"])


def health(account: Aws, group: str) -> dict[str, dict[str, Any]]:
    found = account.clients["elbv2"].describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    return {entry["Target"]["Id"]: entry["TargetHealth"] for entry in found}


def test_targets_are_healthy(account: Aws, group: str) -> None:
    assert health(account, group) == {target: {"State": "healthy"} for target in TARGETS}


def test_a_target_becomes_unhealthy_and_heals(account: Aws, group: str) -> None:
    account.control("elb/targets", group="orders", target=TARGETS[1], state="unhealthy", reason="Target.Timeout")
    found = health(account, group)
    assert [found[target]["State"] for target in TARGETS] == ["healthy", "unhealthy", "healthy"]
    assert found[TARGETS[1]]["Reason"] == "Target.Timeout"
    account.control("elb/targets", group="orders", state="draining")
    assert {entry["State"] for entry in health(account, group).values()} == {"draining"}
    assert health(account, group)[TARGETS[0]]["Reason"] == "Target.DeregistrationInProgress"
    account.control("elb/targets", group="orders", state="healthy")
    assert health(account, group) == {target: {"State": "healthy"} for target in TARGETS}


def test_target_states_that_cannot_be_are_refused(clean_aws: AwsLab, account: Aws, group: str) -> None:
    place = {"account": account.account, "region": account.region}
    assert "state must be" in clean_aws.control("elb/targets", group="orders", state="tired", **place)["error"]
    assert "has no target" in clean_aws.control("elb/targets", group="orders", target="x", state="healthy", **place)["error"]
    assert "there is no target group" in clean_aws.control("elb/targets", group="orders", state="healthy")["error"]


def test_target_groups_come_in_pages(account: Aws) -> None:
    arns = {_create_group(account, f"group-{number}") for number in range(5)}
    paginator = account.clients["elbv2"].get_paginator("describe_target_groups")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["TargetGroups"]) for page in pages] == [2, 2, 1]
    assert {group["TargetGroupArn"] for page in pages for group in page["TargetGroups"]} == arns


def test_a_cache_shows_its_nodes_to_who_asks(account: Aws) -> None:
    caches = account.clients["elasticache"]
    caches.create_cache_cluster(CacheClusterId="orders", Engine="redis", CacheNodeType="cache.t3.small", NumCacheNodes=1)
    (plain,) = caches.describe_cache_clusters()["CacheClusters"]
    assert "CacheNodes" not in plain
    (cluster,) = caches.describe_cache_clusters(CacheClusterId="orders", ShowCacheNodeInfo=True)["CacheClusters"]
    (node,) = cluster["CacheNodes"]
    assert (node["CacheNodeId"], node["CacheNodeStatus"]) == ("0001", "available")
    assert node["Endpoint"] == {"Address": "orders.0001.eu-west-1.cache.amazonaws.com", "Port": 6379}


def test_a_distribution_is_deployed_at_once(account: Aws) -> None:
    cloudfront = account.clients["cloudfront"]
    configuration = {
        "CallerReference": "1", "Comment": "", "Enabled": True,
        "Aliases": {"Quantity": 1, "Items": ["www.example.org"]},
        "Origins": {"Quantity": 1, "Items": [{"Id": "site", "DomainName": "origin.example.org"}]},
        "DefaultCacheBehavior": {"TargetOriginId": "site", "ViewerProtocolPolicy": "https-only"},
    }  # fmt: skip
    created = cloudfront.create_distribution(DistributionConfig=configuration)["Distribution"]
    assert created["Id"] == distribution_id("www.example.org")
    (listed,) = cloudfront.list_distributions()["DistributionList"]["Items"]
    assert (listed["Id"], listed["Status"], listed["Aliases"]["Items"]) == (created["Id"], "Deployed", ["www.example.org"])
    batch = {"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "1"}
    invalidation = cloudfront.create_invalidation(DistributionId=created["Id"], InvalidationBatch=batch)["Invalidation"]
    assert invalidation["Status"] == "Completed"


def test_identifiers_follow_from_names(account: Aws, group: str) -> None:
    assert group.endswith(f":{target_group_path('orders')}")
    subnets = [subnet["SubnetId"] for subnet in account.clients["ec2"].describe_subnets()["Subnets"]]
    created = account.clients["elbv2"].create_load_balancer(Name="front", Subnets=subnets[:2])["LoadBalancers"][0]
    assert created["LoadBalancerArn"].endswith(f"/{balancer_path('front')}")
    gateway = account.clients["apigatewayv2"]
    assert gateway.create_api(Name="orders", ProtocolType="HTTP")["ApiId"] == api_id("orders")
    assert gateway.get_api(ApiId=api_id("orders"))["ApiEndpoint"].startswith(f"https://{api_id('orders')}.")
