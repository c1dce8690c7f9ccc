"""Seed what stands in front: HTTP APIs of API Gateway and CloudFront distributions."""

from __future__ import annotations

from lab.estate.connection import Aws
from lab.estate.model import Api, Distribution, Estate

# The managed cache policy CachingOptimized (CloudFront developer guide).
_CACHE_POLICY = "658327ea-f89d-4fab-a63d-7e88639e58f6"


def seed_edge(aws: Aws, estate: Estate) -> None:
    """Create the APIs with their routes, and the distributions, deployed; after the functions."""
    for api in estate.apis:
        _seed_api(aws, api)
    for distribution in estate.distributions:
        _seed_distribution(aws, distribution)


def _seed_api(aws: Aws, api: Api) -> None:
    gateway = aws.clients["apigatewayv2"]
    identity = gateway.create_api(Name=api.name, ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=identity,
        IntegrationType="AWS_PROXY",
        IntegrationUri=f"arn:aws:lambda:{aws.region}:{aws.account}:function:{api.function}:live",
        PayloadFormatVersion="2.0",
        TimeoutInMillis=30000,
    )["IntegrationId"]
    for route in api.routes:
        gateway.create_route(ApiId=identity, RouteKey=route, Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=identity, StageName="$default", AutoDeploy=True)


def _seed_distribution(aws: Aws, distribution: Distribution) -> None:
    cloudfront = aws.clients["cloudfront"]
    created = cloudfront.create_distribution(
        DistributionConfig={
            "CallerReference": distribution.alias,
            "Comment": distribution.alias,
            "Enabled": True,
            "Aliases": {"Quantity": 1, "Items": [distribution.alias]},
            "Origins": {"Quantity": 1, "Items": [{"Id": "site", "DomainName": distribution.origin}]},
            "DefaultCacheBehavior": {
                "TargetOriginId": "site",
                "ViewerProtocolPolicy": "redirect-to-https",
                "CachePolicyId": _CACHE_POLICY,
            },
        }
    )["Distribution"]["Id"]
    # moto deploys a distribution when it has been looked at.
    cloudfront.get_distribution(Id=created)
