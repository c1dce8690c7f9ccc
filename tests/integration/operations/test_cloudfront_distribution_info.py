"""cloudfront_distribution_info against the lab's AWS: by id and alias, disabled, missing, denied, many pages, an account."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing
from tests.support.elsewhere import Elsewhere


def make(client: Any, name: str, enabled: bool = True) -> str:
    """A distribution with an alias, and a secret header to its origin; deployed when it was looked at."""
    made = client.create_distribution(DistributionConfig={
        "CallerReference": name, "Comment": "test", "Enabled": enabled,
        "Aliases": {"Quantity": 1, "Items": [f"{name}.example.com"]},
        "Origins": {"Quantity": 1, "Items": [{
            "Id": "site", "DomainName": f"{name}.s3.us-east-1.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""},
            "CustomHeaders": {"Quantity": 1, "Items": [{"HeaderName": "x-key", "HeaderValue": "canary-in-a-header"}]}}]},
        "DefaultCacheBehavior": {"TargetOriginId": "site", "ViewerProtocolPolicy": "https-only",
                                 "MinTTL": 0, "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}}},
    })["Distribution"]["Id"]
    client.get_waiter("distribution_deployed").wait(Id=made, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    return str(made)


def faults(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(item["check"], item["resource"].partition(":")[2], item["actual"])
            for item in result["evidence"] if item["ok"] is not True]


def test_reads_by_id_and_by_alias_also_in_check_mode(aws: Aws, operate: Operate, unique: str) -> None:
    name = make(aws.client("cloudfront"), unique)
    with aws.calls() as calls:
        checked = operate("cloudfront_distribution_info", check_mode=True, distributions=[f"{unique}.example.com"])
    result = operate("cloudfront_distribution_info", distributions=[name])

    assert changing(calls) == []
    assert set(calls.names()) == {"cloudfront:ListDistributions"}
    assert result["distributions"] == checked["distributions"]
    assert (result["verdict"], result["changed"]) == ("healthy", False)
    [seen] = result["distributions"]
    assert (seen["id"], seen["aliases"], seen["status"], seen["enabled"]) == (
        name, [f"{unique}.example.com"], "Deployed", True)
    assert seen["origins"] == [f"{unique}.s3.us-east-1.amazonaws.com"]
    assert "canary" not in str(result)


def test_a_disabled_distribution_is_unhealthy(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws.client("cloudfront"), unique, enabled=False)
    result = operate("cloudfront_distribution_info", distributions=[f"{unique}.example.com"])
    assert faults(result) == [("status", f"{unique}.example.com", "Deployed, disabled")]


def test_a_missing_distribution_is_unhealthy_and_a_pattern_without_any_is_unknown(operate: Operate, unique: str) -> None:
    result = operate("cloudfront_distribution_info", distributions=[f"{unique}.example.com"])
    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("existence", f"{unique}.example.com", "does not exist")]

    assert operate("cloudfront_distribution_info", distributions=[f"{unique}*"])["verdict"] == "unknown"


def test_denied_is_unknown_and_named(aws: Aws, operate: Operate, unique: str) -> None:
    aws.control("faults", {"faults": [{"service": "cloudfront", "action": "ListDistributions", "kind": "deny"}]})
    result = operate("cloudfront_distribution_info", distributions=[unique])

    assert (result["verdict"], result["evidence"]) == ("unknown", [])
    [gap] = result["coverage"]["missing"]
    assert (gap["resource"], "AccessDenied" in gap["reason"]) == (f"cloudfront-distributions matching {unique}", True)
    assert aws.connection["secret_key"] not in str(result)


def test_reads_all_pages_under_throttling(aws: Aws, operate: Operate, unique: str) -> None:
    for number in range(104):
        make(aws.client("cloudfront"), f"{unique}-{number:03}")
    aws.control("faults", {"seed": 3, "faults": [
        {"service": "cloudfront", "action": "*", "kind": "throttle", "probability": 0.3}]})
    result = operate("cloudfront_distribution_info", distributions=[f"{unique}-*"])

    assert (len(result["distributions"]), result["verdict"]) == (104, "healthy")


@pytest.mark.parametrize("region", ["eu-west-1", "us-west-2"])
def test_reads_the_account_of_its_role_whatever_the_region(aws: Aws, operate: Operate, unique: str, region: str) -> None:
    place = Elsewhere(aws.endpoint, region=region)
    make(place.client("cloudfront"), unique)
    wanted = [f"{unique}.example.com"]

    assert operate("cloudfront_distribution_info", distributions=wanted, **place.options)["verdict"] == "healthy"
    assert operate("cloudfront_distribution_info", distributions=wanted)["verdict"] == "unhealthy"
