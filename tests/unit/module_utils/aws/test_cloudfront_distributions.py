"""Which distributions are meant, and when one is right: by botocore's own model, since the lab's are all deployed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.cloudfront_distributions import (
    Distribution,
    collect_distributions,
    describe_distributions,
    evaluate_distributions,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.listings import Found
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
ALL = {"ESHOP": ["shop.example.com", "www.example.com"], "EBLOG": ["blog.example.com"], "EPLAIN": []}


class CloudFront:
    """ListDistributions, one a page."""

    def __init__(self, **of_each: Any) -> None:
        self.more = of_each

    def __call__(self, service: str) -> CloudFront:
        assert service == "cloudfront"
        return self

    def get_paginator(self, operation: str) -> CloudFront:
        assert operation == "list_distributions"
        return self

    def paginate(self) -> list[dict[str, Any]]:
        pages: list[dict[str, Any]] = [{"DistributionList": {"Quantity": 0}}]
        for name, aliases in ALL.items():
            reply = {"Id": name, "ARN": f"arn:{name}", "DomainName": f"{name}.cloudfront.net", "Status": "Deployed",
                     "Enabled": True, "LastModifiedTime": NOW, "Aliases": {"Quantity": len(aliases), "Items": aliases},
                     "Origins": {"Quantity": 1, "Items": [{"DomainName": "origin.example.com", "CustomHeaders": {
                         "Quantity": 1, "Items": [{"HeaderName": "x-key", "HeaderValue": "canary"}]}}]}, **self.more}
            pages.append({"DistributionList": {"Quantity": 1, "Items": [reply]}})
        return pages


def read(*wanted: str, **of_each: Any) -> Collected[Found[Distribution]]:
    return collect_distributions(CloudFront(**of_each), Run(now=lambda: NOW), wanted)


@pytest.mark.parametrize(
    ("wanted", "chosen", "absent"),
    [
        pytest.param([], ["EPLAIN", "EBLOG", "ESHOP"], (), id="all_of_all_pages"),
        pytest.param(["EBLOG"], ["EBLOG"], (), id="by_id"),
        pytest.param(["Shop.Example.com"], ["ESHOP"], (), id="by_alias_in_any_letters"),
        pytest.param(["eplain.cloudfront.net"], ["EPLAIN"], (), id="by_domain_name"),
        pytest.param(["*.example.com"], ["EBLOG", "ESHOP"], (), id="by_pattern_each_once"),
        pytest.param(["ESHOP", "www.example.com"], ["ESHOP"], (), id="by_two_of_its_names"),
        pytest.param(["EBLOG", "gone.example.com"], ["EBLOG"], ("gone.example.com",), id="one_that_does_not_exist"),
    ],
)
def test_which_are_meant(wanted: list[str], chosen: list[str], absent: tuple[str, ...]) -> None:
    found = read(*wanted).state

    assert ([one.id for one in found.items], found.absent) == (chosen, absent)


@pytest.mark.parametrize(
    ("status", "enabled", "ok", "said"),
    [("Deployed", True, True, "Deployed, enabled"), ("InProgress", True, False, "InProgress, enabled"),
     ("Deployed", False, False, "Deployed, disabled")],
)
def test_judges_a_distribution(status: str, enabled: bool, ok: bool, said: str) -> None:
    [evidence] = evaluate_distributions(read("ESHOP", Status=status, Enabled=enabled))

    assert (evidence.resource, evidence.expected) == ("cloudfront-distribution:shop.example.com", "Deployed, enabled")
    assert (evidence.actual, evidence.ok) == (said, ok)


def test_tells_where_it_leads_but_no_header() -> None:
    described = describe_distributions(read("ESHOP"))

    assert described["distributions"][0]["origins"] == ["origin.example.com"]
    assert "canary" not in str(described)
