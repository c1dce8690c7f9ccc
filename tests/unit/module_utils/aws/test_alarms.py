"""Which alarms are meant, and what their states mean."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.alarms import (
    Alarm,
    collect_alarms,
    evaluate_alarms,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


class CloudWatch:
    """DescribeAlarms in pages of two, with composite alarms, which the lab does not have."""

    def __init__(self, metric: list[str], composite: list[str]) -> None:
        self.alarms = [("MetricAlarms", name) for name in metric] + [("CompositeAlarms", name) for name in composite]
        self.requests: list[dict[str, Any]] = []

    def __call__(self, service: str) -> CloudWatch:
        return self

    def get_paginator(self, operation: str) -> CloudWatch:
        assert operation == "describe_alarms"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        self.requests.append(request)
        names, types = request.get("AlarmNames"), request["AlarmTypes"]
        found = [(key, name) for key, name in self.alarms
                 if (names is None or name in names) and name.startswith(request.get("AlarmNamePrefix", ""))
                 and key.replace("Alarms", "Alarm") in types]
        for first in range(0, len(found), 2):
            page: dict[str, Any] = {}
            for key, name in found[first:first + 2]:
                page.setdefault(key, []).append({"AlarmName": name, "StateValue": "OK", "StateUpdatedTimestamp": NOW})
            yield page


def names(collected: Collected[tuple[Alarm, ...]]) -> list[str]:
    return [alarm.name for alarm in collected.state]


def test_reads_metric_and_composite_alarms_of_all_pages() -> None:
    collected = collect_alarms(CloudWatch(["a", "b", "c"], ["d", "e"]), Run(), [])

    assert [(alarm.name, alarm.type) for alarm in collected.state] == [
        ("a", "metric"), ("b", "metric"), ("c", "metric"), ("d", "composite"), ("e", "composite")]


@pytest.mark.parametrize(
    ("wanted", "prefix", "found", "asked"),
    [
        pytest.param(["b"], "", ["b"], {"AlarmNames": ["b"]}, id="names_are_asked_for_by_name"),
        pytest.param(["p-*"], "", ["p-1", "p-2"], {}, id="patterns_are_chosen_from_all"),
        pytest.param([], "p-", ["p-1", "p-2"], {"AlarmNamePrefix": "p-"}, id="a_prefix"),
        pytest.param(["*2"], "p-", ["p-2"], {"AlarmNamePrefix": "p-"}, id="a_pattern_within_a_prefix"),
    ],
)
def test_chooses_alarms(wanted: list[str], prefix: str, found: list[str], asked: dict[str, Any]) -> None:
    cloudwatch = CloudWatch(["b", "p-1", "p-2"], [])

    assert names(collect_alarms(cloudwatch, Run(), wanted, prefix)) == found
    assert cloudwatch.requests == [{"AlarmTypes": ["MetricAlarm", "CompositeAlarm"], **asked}]


def test_asks_for_at_most_a_hundred_names_a_call() -> None:
    many = [f"alarm-{number:03}" for number in range(205)]
    cloudwatch = CloudWatch(many, [])

    assert names(collect_alarms(cloudwatch, Run(), many)) == many
    assert [len(request["AlarmNames"]) for request in cloudwatch.requests] == [100, 100, 5]


def test_a_name_that_does_not_exist_is_a_gap() -> None:
    collected = collect_alarms(CloudWatch(["a"], []), Run(), ["a", "gone"])

    assert names(collected) == ["a"]
    assert [gap.resource for gap in collected.coverage.missing] == ["cloudwatch-alarm:gone"]


@pytest.mark.parametrize(
    ("state", "evaluation", "insufficient_data", "ok"),
    [
        pytest.param("OK", "", "unknown", True, id="ok"),
        pytest.param("ALARM", "", "unknown", False, id="alarm"),
        pytest.param("ALARM", "PARTIAL_DATA", "unknown", False, id="an_alarm_on_partial_data_is_an_alarm"),
        pytest.param("INSUFFICIENT_DATA", "", "unknown", None, id="insufficient_data_is_unknown"),
        pytest.param("INSUFFICIENT_DATA", "", "healthy", True, id="insufficient_data_declared_healthy"),
        pytest.param("OK", "PARTIAL_DATA", "healthy", None, id="ok_on_partial_data_is_unknown"),
        pytest.param("", "", "healthy", None, id="no_state"),
    ],
)
def test_judges_a_state(state: str, evaluation: str, insufficient_data: str, ok: bool | None) -> None:
    alarm = Alarm("a", "metric", state, "Threshold Crossed", NOW.isoformat(), evaluation, True, "arn", "")

    assert [item.ok for item in evaluate_alarms(Collected((alarm,), NOW), insufficient_data)] == [ok]


def test_says_why_and_since_when_an_alarm_rings() -> None:
    alarm = Alarm("a", "metric", "ALARM", "Threshold Crossed", NOW.isoformat(), "", False, "arn", "")

    assert evaluate_alarms(Collected((alarm,), NOW))[0].actual == {
        "state": "ALARM", "since": "2026-11-21T02:00:00+00:00", "reason": "Threshold Crossed"}
