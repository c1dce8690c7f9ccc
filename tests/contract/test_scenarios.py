"""Every labelled incident is valid, labels what its system has, and moves what AWS publishes."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from lab.accounts import place_of
from lab.aws.request_lines import Profile, parse_change
from lab.estate.metrics import metrics_of
from lab.estate.model import Estate
from lab.estate.systems import ESTATES
from lab.folders import CHECKOUT, DEFAULT_SETTINGS
from lab.scenario.components import IN_TROUBLE, SystemParts, service_map, traffic
from lab.scenario.model import FOLDER, INSUFFICIENT, NOTHING_WRONG, SUSPECTS, Scenario, load_scenarios
from lab.scenario.page import page
from lab.scenario.steps import series_of, steps
from lab.web.systems import ADDRESSES, ALIASES, SYSTEMS

SCENARIOS = load_scenarios()
SCHEMA = Draft202012Validator(json.loads((FOLDER / "schema.json").read_text(encoding="utf-8")))
NOW = 1_800_000_000.0
CONTROLS = ("nothing wrong", "nothing wrong, with decoys", "evidence denied", "evidence missing", "throttled reads")
each = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


def parts_of(scenario: Scenario) -> SystemParts:
    return SystemParts(scenario.system, place_of(scenario.system, DEFAULT_SETTINGS))


def published(estate: Estate) -> set[tuple[str, str, tuple[tuple[str, str], ...]]]:
    return {(metric.namespace, metric.name, tuple(sorted(metric.dimensions.items()))) for metric in metrics_of(estate)}


@each
def test_a_scenario_follows_the_schema(scenario: Scenario) -> None:
    described = yaml.safe_load((FOLDER / f"{scenario.name}.yml").read_text(encoding="utf-8"))
    assert [error.message for error in SCHEMA.iter_errors(described)] == []


@each
def test_a_label_names_a_component_of_its_system(scenario: Scenario) -> None:
    components = {component["name"] for component in service_map(scenario.system)}
    labels = [label for label in (scenario.cause, *scenario.accepted) if label]
    assert bool(labels) == (scenario.verdict == SUSPECTS)
    assert {label.resource for label in labels} <= components


@each
def test_metrics_that_move_are_published(scenario: Scenario) -> None:
    """What nothing publishes is what AWS publishes in trouble only."""
    known = published(ESTATES[scenario.system])
    moved = [series_of(item, parts_of(scenario)) for item in scenario.symptoms.get("metrics", ())]
    strange = [series for series in moved
               if (series.namespace, series.name, series.dimensions) not in known
               and (series.namespace, series.name) not in IN_TROUBLE]  # fmt: skip
    assert strange == []


@each
def test_its_steps_can_be_planned_and_understood(scenario: Scenario) -> None:
    plan = {step.route: step.body for step in steps(scenario, parts_of(scenario), NOW)}
    groups = {group.name for group in ESTATES[scenario.system].log_groups}
    for group in plan["incident/logs"]["groups"]:
        assert group["group"] in groups
        Profile(**{**group["profile"], **{name: tuple(group["profile"].get(name) or ()) for name in ("routes", "zones")}})
        assert group["changes"] == [] or all(parse_change(change) for change in group["changes"])


@each
def test_what_it_names_exists(scenario: Scenario) -> None:
    estate, shown = ESTATES[scenario.system], scenario.symptoms

    def named(place: str, key: str = "name") -> set[str]:
        return {str(item[key]) for item in shown.get(place, ())}

    assert named("alarms") <= {alarm.name for alarm in estate.alarms}
    assert named("functions") <= {function.name for function in estate.functions}
    assert named("tables") <= {table.name for table in estate.tables}
    assert named("queues") <= {queue.name for queue in estate.queues}
    assert named("targets", "group") <= {service.target_group for service in estate.services}
    assert named("listeners", "balancer") <= {balancer.name for balancer in estate.load_balancers}
    assert named("dns") <= {*ADDRESSES, *ALIASES}
    asked = [item for item in shown.get("web", ()) if "endpoint" in item]
    endpoints = {(item.get("system", scenario.system), item["endpoint"]) for item in asked}
    assert endpoints <= {(system, name) for system, each in SYSTEMS.items() for name in each.endpoints}


@each
def test_what_fails_in_metrics_fails_in_logs(scenario: Scenario) -> None:
    """A component whose requests fail by its metrics, and that writes a log, tells of errors there too."""
    failing = {item["of"] for item in scenario.symptoms.get("metrics", ())
               if item["metric"] in ("HTTPCode_Target_5XX_Count", "Errors", "HttpErrors") and not item.get("decoy")
               and item.get("share", 0) > 0.005}  # fmt: skip
    told = {item["of"] for item in scenario.symptoms.get("logs", ())
            if item.get("status", 0) >= 500 or item.get("timeout")}  # fmt: skip
    assert failing & set(traffic(scenario.system)) <= told


def test_there_are_enough_of_every_kind() -> None:
    incidents = [scenario for scenario in SCENARIOS if scenario.verdict == SUSPECTS]
    controls = Counter(scenario.control for scenario in SCENARIOS if scenario.control)
    assert len(incidents) >= 24
    assert sum(controls.values()) >= 5
    assert set(controls) == set(CONTROLS)
    assert {scenario.system for scenario in incidents} == set(ESTATES)
    assert {scenario.verdict for scenario in SCENARIOS} == {SUSPECTS, NOTHING_WRONG, INSUFFICIENT}


def test_the_page_of_the_docs_is_made_from_the_files() -> None:
    made = (CHECKOUT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    assert made == page(SCENARIOS), "run `python -m lab inject --page > docs/scenarios.md`"


def test_some_incidents_began_long_before_the_window_and_go_on() -> None:
    """Within an hour that somebody looks at, nothing changes in them: what is bad must not be taken for what is usual."""
    long_ago = [scenario for scenario in SCENARIOS
                if scenario.verdict == SUSPECTS and scenario.ended is None and 75 * 60 <= scenario.onset <= 6 * 3600]
    assert len(long_ago) >= 6
    notebooks = {notebook for scenario in long_ago for notebook in scenario.investigations}
    assert {"high-error-rate", "high-latency", "dynamodb-throttling", "lambda-timeouts", "database-performance"} <= notebooks


def test_controls_deny_every_kind_of_evidence_that_a_system_is_judged_by() -> None:
    denied = {fault["service"] for scenario in SCENARIOS if scenario.verdict == INSUFFICIENT
              for fault in scenario.symptoms.get("faults", ()) if fault["kind"] == "deny"}  # fmt: skip
    assert denied >= {"cloudwatch", "logs", "ecs", "elbv2", "lambda"}


def test_most_incidents_have_a_decoy() -> None:
    incidents = [scenario for scenario in SCENARIOS if scenario.verdict == SUSPECTS]
    assert sum(bool(scenario.decoys) for scenario in incidents) > 0.8 * len(incidents)


def test_every_cause_is_met_and_every_notebook_has_an_incident_and_a_control() -> None:
    causes: set[str] = set(SCHEMA.schema["$defs"]["label"]["properties"]["cause"]["enum"])
    notebooks: list[str] = SCHEMA.schema["properties"]["investigations"]["items"]["enum"]
    assert causes - {scenario.cause.cause for scenario in SCENARIOS if scenario.cause} == set()
    for notebook in notebooks:
        concerned: list[Any] = [scenario for scenario in SCENARIOS if notebook in scenario.investigations]
        assert {scenario.verdict == SUSPECTS for scenario in concerned} == {True, False}, notebook
