"""elb_target_info against the lab's AWS: each state of a target, missing, denied, many pages, another region and account."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing
from tests.support.elsewhere import Elsewhere


def make(elb: Any, ec2: Any, name: str, *targets: str) -> str:
    """A target group of addresses in a network of its own."""
    network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    arn = str(elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=network, TargetType="ip")
              ["TargetGroups"][0]["TargetGroupArn"])
    if targets:
        elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": target, "Port": 8080} for target in targets])
    return arn


@pytest.fixture
def groups(aws: Aws, unique: str) -> list[str]:
    """Two groups of one name but for its end, with two targets each."""
    names = [f"{unique}-a", f"{unique}-b"]
    for name in names:
        make(aws.client("elbv2"), aws.client("ec2"), name, "10.0.1.10", "10.0.2.11")
    return names


def faults(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(item["check"], item["resource"].partition(":")[2], item["actual"])
            for item in result["evidence"] if item["ok"] is not True]


def test_reads_groups_by_pattern_also_in_check_mode(aws: Aws, operate: Operate, groups: list[str], unique: str) -> None:
    with aws.calls() as calls:
        checked = operate("elb_target_info", check_mode=True, target_groups=[f"{unique}-*"])
    result = operate("elb_target_info", target_groups=[f"{unique}-*"])

    assert changing(calls) == []
    assert sorted(calls.names()) == ["elbv2:DescribeTargetGroups", *["elbv2:DescribeTargetHealth"] * 2]
    assert result == checked
    assert (result["verdict"], result["changed"]) == ("healthy", False)
    assert [(group["name"], group["healthy"], group["unhealthy"]) for group in result["target_groups"]] == [
        (name, 2, 0) for name in groups]
    assert [(target["id"], target["port"], target["state"]) for target in result["target_groups"][0]["targets"]] == [
        ("10.0.1.10", 8080, "healthy"), ("10.0.2.11", 8080, "healthy")]
    assert [item["actual"] for item in result["evidence"][:2]] == ["2 of 2 healthy", "2"]


def test_too_few_targets_are_unhealthy(aws: Aws, operate: Operate, groups: list[str], unique: str) -> None:
    result = operate("elb_target_info", target_groups=groups, minimum_healthy=3)
    assert faults(result) == [("healthy targets", name, "2") for name in groups]

    make(aws.client("elbv2"), aws.client("ec2"), f"{unique}-empty")
    result = operate("elb_target_info", target_groups=[f"{unique}-empty"])
    assert (result["verdict"], faults(result)) == ("unhealthy", [("healthy targets", f"{unique}-empty", "0")])


@pytest.mark.parametrize(
    ("state", "verdict", "said"),
    [
        pytest.param("unhealthy", "unhealthy",
                     "1 of 2 healthy; 10.0.2.11:8080 unhealthy (Target.FailedHealthChecks: Health checks failed)",
                     id="unhealthy_with_its_reason"),
        pytest.param("draining", "healthy", "1 of 1 healthy", id="one_that_leaves_does_not_count"),
        pytest.param("initial", "unknown", "1 of 2 healthy; 10.0.2.11:8080 initial "
                     "(Elb.InitialHealthChecking: Initial health checks in progress)", id="not_checked_often_enough"),
    ],
)
def test_judges_a_target_by_its_state(
    aws: Aws, operate: Operate, groups: list[str], state: str, verdict: str, said: str
) -> None:
    aws.control("elb/targets", {"group": groups[0], "target": "10.0.2.11", "state": state})
    result = operate("elb_target_info", target_groups=groups)

    assert (result["verdict"], result["evidence"][0]["actual"]) == (verdict, said)


def test_no_healthy_target_is_two_faults(aws: Aws, operate: Operate, groups: list[str]) -> None:
    aws.control("elb/targets", {"group": groups[0], "state": "unhealthy", "reason": "Target.Timeout",
                                "description": "Request timed out"})
    result = operate("elb_target_info", target_groups=groups)

    assert [(check, name) for check, name, _ in faults(result)] == [
        ("targets", groups[0]), ("healthy targets", groups[0])]
    assert (result["target_groups"][0]["healthy"], result["target_groups"][0]["unhealthy"]) == (0, 2)
    assert result["target_groups"][0]["targets"][0]["reason"] == "Target.Timeout"


def test_a_missing_group_is_unhealthy_and_a_pattern_without_any_is_unknown(
    operate: Operate, groups: list[str], unique: str
) -> None:
    result = operate("elb_target_info", target_groups=[groups[0], f"no-{unique}"])
    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("existence", f"no-{unique}", "does not exist")]
    assert [group["name"] for group in result["target_groups"]] == groups[:1]

    assert operate("elb_target_info", target_groups=[f"no-{unique}-*"])["verdict"] == "unknown"


@pytest.mark.parametrize("action", ["DescribeTargetGroups", "DescribeTargetHealth"])
def test_denied_is_unknown_and_named(aws: Aws, operate: Operate, groups: list[str], action: str) -> None:
    aws.control("faults", {"faults": [{"service": "elbv2", "action": action, "kind": "deny"}]})
    result = operate("elb_target_info", target_groups=groups)

    assert result["verdict"] == "unknown"
    assert result["evidence"] == []
    for gap in result["coverage"]["missing"]:
        assert "AccessDenied" in gap["reason"]
        assert groups[0][:10] in gap["resource"]
    assert aws.connection["secret_key"] not in str(result)


def test_sees_the_same_under_throttling(aws: Aws, operate: Operate, groups: list[str]) -> None:
    aws.control("faults", {"seed": 3, "faults": [
        {"service": "elbv2", "action": "*", "kind": "throttle", "probability": 0.3}]})
    assert operate("elb_target_info", target_groups=groups)["verdict"] == "healthy"


def test_reads_all_pages(aws: Aws, operate: Operate, groups: list[str], unique: str) -> None:
    elb, network = aws.client("elbv2"), aws.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for number in range(402):
        elb.create_target_group(Name=f"{unique}-more-{number}", Protocol="HTTP", Port=80, VpcId=network, TargetType="ip")
    with aws.calls() as calls:
        result = operate("elb_target_info", target_groups=groups)

    assert result["verdict"] == "healthy"
    assert calls.names().count("elbv2:DescribeTargetGroups") >= 2


def test_reads_the_account_and_region_of_its_role(aws: Aws, operate: Operate, unique: str) -> None:
    place = Elsewhere(aws.endpoint)
    make(place.client("elbv2"), place.client("ec2"), unique, "10.0.1.10")

    assert operate("elb_target_info", target_groups=[unique], **place.options)["verdict"] == "healthy"
    assert operate("elb_target_info", target_groups=[unique])["verdict"] == "unhealthy"
