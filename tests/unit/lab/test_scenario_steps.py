"""From a scenario's file to what the lab is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.accounts import Place
from lab.folders import LabError
from lab.scenario.components import SystemParts
from lab.scenario.model import Scenario, load_scenario, load_scenarios, seconds
from lab.scenario.steps import Step, steps

PARTS = SystemParts("commerce", Place("123456789012", "us-east-1"))
NOW = 1_800_000_000.0
MINUTE = int(NOW // 60)


def plan(onset: float = 1200, ended: float | None = None, **symptoms: Any) -> dict[str, Step]:
    scenario = Scenario("x", "commerce", "t", "s", "suspects", ("log-review",), onset, ended=ended, symptoms=symptoms)
    return {step.route: step for step in steps(scenario, PARTS, NOW)}


@pytest.mark.parametrize(("age", "expected"), [("25m", 1500), ("1h30m", 5400), ("2d", 172800), ("90s", 90), ("0m", 0)])
def test_ages(age: str, expected: float) -> None:
    assert seconds(age) == expected


@pytest.mark.parametrize("age", ["", "25", "m25", "1h 5m", "-5m"])
def test_what_is_no_age_is_refused(age: str) -> None:
    with pytest.raises(ValueError, match="is no age"):
        seconds(age)


@pytest.mark.parametrize(("item", "ended", "minutes"), [
    ({}, None, (MINUTE - 20, None)), ({}, 300, (MINUTE - 20, MINUTE - 5)), ({"from": "1h"}, None, (MINUTE - 60, None)),
    ({"until": "3m"}, None, (MINUTE - 20, MINUTE - 3)), ({"until": "never"}, 300, (MINUTE - 20, None)),
])  # fmt: skip
def test_a_symptom_lasts_as_long_as_the_incident_unless_it_says_otherwise(
    item: dict[str, str], ended: float | None, minutes: tuple[int, int | None]
) -> None:
    moved = {"of": "commerce", "metric": "RequestCount", "factor": 2.0, **item}
    (change,) = plan(ended=ended, metrics=[moved])["incident/metrics"].body["changes"]
    assert (change["overlay"]["first"], change["overlay"]["last"]) == minutes


def test_a_component_s_metrics_have_the_dimensions_that_aws_publishes_them_with() -> None:
    cpu = PARTS.series("ingestion-api", "CPUUtilization")
    assert (cpu.namespace, dict(cpu.dimensions)) == (
        "AWS/ECS", {"ClusterName": "production-cluster", "ServiceName": "ingestion-api"})  # fmt: skip
    requests = PARTS.series("ingestion-api", "RequestCount")
    assert requests.namespace == "AWS/ApplicationELB"
    assert set(dict(requests.dimensions)) == {"TargetGroup", "LoadBalancer"}
    throttled = PARTS.series("tiktok-commerce-links-prod", "ThrottledRequests", {"Operation": "GetItem"})
    assert dict(throttled.dimensions) == {"Operation": "GetItem", "TableName": "tiktok-commerce-links-prod"}


def test_what_is_published_in_trouble_only_says_what_it_is() -> None:
    moved = [{"of": "commerce", "metric": name, "plus": 3} for name in ("HTTPCode_ELB_5XX_Count", "RequestCount")]
    new, known = plan(metrics=moved)["incident/metrics"].body["changes"]
    assert new["signal"] == {"unit": "Count", "whole": True, "sparse": True}
    assert "signal" not in known


def test_a_share_names_the_series_that_it_is_of() -> None:
    moved = {"of": "commerce", "metric": "HTTPCode_Target_5XX_Count", "share": 0.1, "in": "product-service/RequestCount"}
    (change,) = plan(metrics=[moved])["incident/metrics"].body["changes"]
    assert change["overlay"]["of"] == PARTS.series("product-service", "RequestCount").as_dict()


def test_every_component_with_a_log_writes_what_is_normal() -> None:
    groups = {group["group"]: group for group in plan()["incident/logs"].body["groups"]}
    ingestion = groups["/ecs/tiktok-commerce-ingestion-api"]
    assert ingestion["changes"] == []
    assert ingestion["profile"]["rate"] == pytest.approx(60 / 1116, rel=0.01)
    assert ingestion["series"]["name"] == "RequestCount"
    assert ingestion["profile"]["zones"] == ["us-east-1a", "us-east-1b", "us-east-1c"]


def test_a_deployment_leaves_its_call_in_the_trail() -> None:
    planned = plan(ecs=[{"of": "ingestion-api", "deployments": [{"at": "30m", "image": "registry.example/x:2"}]}])
    (service,) = planned["incident/ecs"].body["services"]
    assert service["deployments"] == [{"image": "registry.example/x:2", "minutes_ago": 30.0}]
    (event,) = planned["incident/events"].body["events"]
    assert (event["action"], event["minutes_ago"]) == ("UpdateService", 30.0)
    assert event["parameters"]["service"] == "ingestion-api"


@pytest.mark.parametrize("symptoms", [
    {"metrics": [{"of": "nobody", "metric": "RequestCount", "plus": 1}]}, {"logs": [{"of": "tiktok", "silent": True}]},
    {"metrics": [{"of": "tiktok", "metric": "RequestCount", "plus": 1}]}, {"ecs": [{"of": "commerce", "deployments": []}]},
])  # fmt: skip
def test_what_is_not_there_is_named(symptoms: dict[str, Any]) -> None:
    with pytest.raises(LabError, match=r"nobody|tiktok|commerce"):
        plan(**symptoms)


def test_scenarios_are_loaded_by_name_and_an_unknown_one_names_the_others(tmp_path: Path) -> None:
    assert len(load_scenarios()) > 24
    assert load_scenario("control-commerce-quiet").accepts("application-error", "commerce") is False
    scenario = load_scenario("commerce-viral-link")
    assert scenario.accepts("traffic-surge", "commerce")
    assert scenario.accepts("cpu-saturation", "ingestion-api")
    assert not scenario.accepts("cpu-saturation", "commerce")
    with pytest.raises(LabError, match="commerce-viral-link"):
        load_scenario("commerce-viral")
    (tmp_path / "half.yml").write_text("system: commerce\n", encoding="utf-8")
    with pytest.raises(LabError, match="KeyError"):
        load_scenarios(tmp_path)
