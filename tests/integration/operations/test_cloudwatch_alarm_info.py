"""cloudwatch_alarm_info against the lab's AWS: states, choice, pages, missing names, denied."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing


def put(aws: Aws, name: str, state: str = "OK") -> str:
    client = aws.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=name, Namespace="AWS/ECS", MetricName="CPUUtilization", Statistic="Average", Period=60,
        EvaluationPeriods=1, Threshold=80, ComparisonOperator="GreaterThanThreshold",
        Dimensions=[{"Name": "ClusterName", "Value": name}])
    client.set_alarm_state(AlarmName=name, StateValue=state, StateReason=f"because {state}")
    return name


@pytest.fixture
def alarms(aws: Aws, unique: str) -> list[str]:
    """Three alarms in OK whose names begin alike."""
    return [put(aws, f"{unique}-{name}") for name in ("cpu", "errors", "memory")]


def names(result: dict[str, Any]) -> list[str]:
    return [alarm["name"] for alarm in result["alarms"]]


def test_alarms_in_ok_are_healthy_also_in_check_mode(
    aws: Aws, operate: Operate, unique: str, alarms: list[str]
) -> None:
    with aws.calls() as calls:
        checked = operate("cloudwatch_alarm_info", check_mode=True, alarm_name_prefix=unique)

    assert changing(calls) == []
    assert checked["verdict"] == "healthy"
    assert names(checked) == alarms
    assert operate("cloudwatch_alarm_info", alarm_names=[f"{unique}-*"])["verdict"] == "healthy"
    assert names(operate("cloudwatch_alarm_info", alarm_names=[alarms[1]])) == [alarms[1]]
    assert set(alarms) <= set(names(operate("cloudwatch_alarm_info")))


def test_an_alarm_is_unhealthy_with_reason_and_since_when(aws: Aws, operate: Operate, alarms: list[str]) -> None:
    put(aws, alarms[1], "ALARM")
    result = operate("cloudwatch_alarm_info", alarm_names=alarms)

    assert result["verdict"] == "unhealthy"
    [seen] = [item for item in result["evidence"] if item["ok"] is False]
    assert seen["resource"] == f"cloudwatch-alarm:{alarms[1]}"
    assert seen["actual"]["reason"] == "because ALARM"
    assert seen["actual"]["since"].startswith("20")


@pytest.mark.parametrize(("means", "verdict"), [("unknown", "unknown"), ("healthy", "healthy")])
def test_insufficient_data_means_what_is_declared(
    aws: Aws, operate: Operate, alarms: list[str], means: str, verdict: str
) -> None:
    put(aws, alarms[0], "INSUFFICIENT_DATA")

    assert operate("cloudwatch_alarm_info", alarm_names=alarms, insufficient_data=means)["verdict"] == verdict


def test_disabled_actions_are_reported_and_change_no_verdict(aws: Aws, operate: Operate, alarms: list[str]) -> None:
    aws.client("cloudwatch").disable_alarm_actions(AlarmNames=alarms[:1])
    result = operate("cloudwatch_alarm_info", alarm_names=alarms)

    assert [alarm["actions_enabled"] for alarm in result["alarms"]] == [False, True, True]
    assert result["verdict"] == "healthy"


def test_reads_all_pages(aws: Aws, operate: Operate, unique: str) -> None:
    many = [put(aws, f"{unique}-{number:03}") for number in range(59)]
    put(aws, f"{unique}-999", "ALARM")
    result = operate("cloudwatch_alarm_info", alarm_name_prefix=unique)

    assert len(result["alarms"]) == len(many) + 1
    assert result["verdict"] == "unhealthy"


def test_a_name_that_does_not_exist_is_a_gap(operate: Operate, alarms: list[str]) -> None:
    result = operate("cloudwatch_alarm_info", alarm_names=[alarms[0], "no-such-alarm"])

    assert result["verdict"] == "unknown"
    assert [gap["resource"] for gap in result["coverage"]["missing"]] == ["cloudwatch-alarm:no-such-alarm"]


def test_where_nothing_was_found_nothing_is_concluded(operate: Operate, unique: str) -> None:
    assert operate("cloudwatch_alarm_info", alarm_name_prefix=unique)["verdict"] == "unknown"


def test_denied_is_an_error_never_no_alarm(aws: Aws, operate: Operate, alarms: list[str]) -> None:
    aws.control("faults", {"faults": [{"service": "cloudwatch", "action": "DescribeAlarms", "kind": "deny"}]})
    result = operate("cloudwatch_alarm_info", alarm_names=alarms)

    assert result["failed"] is True
    assert "AccessDenied" in result["msg"]
    assert aws.connection["secret_key"] not in str(result)


def test_sees_the_same_under_throttling(aws: Aws, operate: Operate, alarms: list[str]) -> None:
    aws.control("faults", {"seed": 7, "faults": [
        {"service": "cloudwatch", "action": "*", "kind": "throttle", "probability": 0.3}]})

    assert operate("cloudwatch_alarm_info", alarm_names=alarms)["verdict"] == "healthy"
