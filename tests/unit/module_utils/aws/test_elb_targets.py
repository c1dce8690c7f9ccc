"""When a target group is right; reading by botocore's own model, since in the lab nothing vanishes between two calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.elb_targets import (
    Target,
    TargetGroup,
    collect_target_groups,
    describe_target_groups,
    evaluate_target_groups,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.listings import Found
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
ARN = "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup"


def group(*states: str) -> TargetGroup:
    targets = tuple(Target(f"10.0.0.{number}", 8080, "", state, "" if state == "healthy" else "Target.Timeout", "")
                    for number, state in enumerate(states, 1))
    return TargetGroup("api", f"{ARN}/api/1", "HTTP", 80, "ip", (), targets)


def judged(found: TargetGroup, minimum: int = 1) -> list[bool | None]:
    return [item.ok for item in evaluate_target_groups(Collected(Found((found,)), NOW), minimum)]


@pytest.mark.parametrize(
    ("states", "all_healthy", "enough"),
    [
        pytest.param(["healthy", "healthy"], True, True, id="all_healthy"),
        pytest.param(["healthy", "unhealthy"], False, True, id="one_is_not"),
        pytest.param(["healthy", "draining", "unhealthy.draining"], True, True, id="those_that_leave_do_not_count"),
        pytest.param(["draining"], True, False, id="nothing_stays"),
        pytest.param([], True, False, id="no_target"),
        pytest.param(["healthy", "initial"], None, True, id="one_was_not_checked_often_enough"),
        pytest.param(["initial"], None, None, id="none_was_checked_often_enough"),
        pytest.param(["unavailable"], None, None, id="health_checks_are_switched_off"),
        pytest.param(["healthy", "unused"], False, True, id="nobody_asks_one"),
        pytest.param(["initial", "unhealthy"], False, None, id="a_known_fault_outweighs"),
        pytest.param([""], False, False, id="a_state_nobody_told"),
    ],
)
def test_judges_a_group(states: list[str], all_healthy: bool | None, enough: bool | None) -> None:
    assert judged(group(*states)) == [all_healthy, enough]


@pytest.mark.parametrize(("minimum", "enough"), [(2, True), (3, None), (4, False)])
def test_as_many_as_must_be(minimum: int, enough: bool | None) -> None:
    assert judged(group("healthy", "healthy", "initial"), minimum)[1] is enough


class Answers:
    """A load balancing API that answers what it was told, and refuses any other request."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("elbv2", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        self.stub = Stubber(self.client)

    def groups(self, *names: str, marker: str = "", following: str = "") -> None:
        """A page of groups."""
        reply: dict[str, Any] = {"TargetGroups": [
            {"TargetGroupName": name, "TargetGroupArn": f"{ARN}/{name}/1", "Protocol": "HTTP", "Port": 80,
             "TargetType": "ip", "LoadBalancerArns": ["arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/shop/1"]}
            for name in names]}
        if following:
            reply["NextMarker"] = following
        self.stub.add_response("describe_target_groups", reply, {"PageSize": 400, **({"Marker": marker} if marker else {})})

    def health(self, name: str, *health: dict[str, str]) -> None:
        """The targets of a group."""
        self.stub.add_response("describe_target_health", {"TargetHealthDescriptions": [
            {"Target": {"Id": f"10.0.0.{number}", "Port": 8080}, "TargetHealth": one} for number, one in enumerate(health)]},
            {"TargetGroupArn": f"{ARN}/{name}/1"})

    def read(self, *wanted: str) -> Collected[Found[TargetGroup]]:
        """Collect, making every call that was prepared, one after the other."""
        with self.stub:
            collected = collect_target_groups(lambda service: self.client, Run(now=lambda: NOW, workers=1), wanted)
            self.stub.assert_no_pending_responses()
        return collected


@pytest.fixture
def elb() -> Answers:
    return Answers()


def test_reads_all_pages_and_the_health_of_those_chosen(elb: Answers) -> None:
    elb.groups("web", "api", following="more")
    elb.groups("api-eu", marker="more")
    elb.health("api", {"State": "healthy"})
    elb.health("api-eu", {"State": "healthy"})
    collected = elb.read("api*", "gone")

    assert [(one.name, one.load_balancers) for one in collected.state.items] == [("api", ("shop",)), ("api-eu", ("shop",))]
    assert collected.state.absent == ("gone",)


def test_says_why_a_target_is_not_healthy(elb: Answers) -> None:
    elb.groups("api")
    elb.health("api", {"State": "healthy"}, {"State": "unhealthy", "Reason": "Target.ResponseCodeMismatch",
                                              "Description": "Health checks failed with these codes: [502]"},
               {"State": "draining", "Reason": "Target.DeregistrationInProgress"})
    collected = elb.read("api")
    evidence = evaluate_target_groups(collected, 1)

    assert evidence[0].actual == ("1 of 2 healthy; 10.0.0.1:8080 unhealthy "
                                  "(Target.ResponseCodeMismatch: Health checks failed with these codes: [502])")
    [described] = describe_target_groups(collected)["target_groups"]
    assert (described["healthy"], described["unhealthy"], len(described["targets"])) == (1, 1, 3)


def test_a_group_deleted_between_two_calls_is_a_gap(elb: Answers) -> None:
    elb.groups("api")
    elb.stub.add_client_error("describe_target_health", "TargetGroupNotFound", "gone")
    collected = elb.read()

    assert [(gap.resource, gap.reason) for gap in collected.coverage.missing] == [("target-group:api", "does not exist")]
