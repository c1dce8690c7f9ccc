"""From a scenario to what must be asked of the lab's AWS: plain data, decided without asking anybody.

Each step is a control route with its body. Minutes are counted since the epoch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.folders import LabError
from lab.scenario.components import IN_TROUBLE, Series, SystemParts, traffic
from lab.scenario.model import Scenario, seconds
from lab.scenario.trail import told_events

# Logs are read a day back (000-02) and held against the day before; an hour more for what is looked at later.
_LOG_HISTORY_MINUTES = 49 * 60
_AGES = ("from", "until")
_NOT_OF_AN_OVERLAY = frozenset({"of", "metric", "in", "operation", "dimensions", "decoy", *_AGES})
_NOT_OF_A_CHANGE = frozenset({"of", "decoy", *_AGES, "shape", "minutes", "every", "lasting", "part", "recovery"})


@dataclass(frozen=True)
class Step:
    """A control request; `region` where it is not the system's own."""

    route: str
    body: Mapping[str, Any]
    region: str = ""


def steps(scenario: Scenario, parts: SystemParts, now: float) -> list[Step]:
    """What to ask of AWS, in order; raises LabError for what a scenario names and there is not.

    :param now: seconds since the epoch
    """
    shown = scenario.symptoms
    plan = [*_metrics(scenario, parts, now), _logs(scenario, parts, now)]
    for name in ("functions", "tables", "queues", "targets", "listeners", "alarms"):
        if shown.get(name):
            plan.append(Step(f"incident/{name}", {name: [_aged(item, scenario) for item in shown[name]]}))
    plan.append(Step("incident/events", {"events": [*told_events(scenario, parts)]}))
    if shown.get("ecs"):
        plan.insert(0, Step("incident/ecs", {"services": [_ecs(item, parts) for item in shown["ecs"]]}))
    return plan


def _minute(now: float, ago: float) -> int:
    return int((now - ago) // 60)


def _when(item: Mapping[str, Any], scenario: Scenario, now: float) -> dict[str, Any]:
    """The first and last minute of a symptom: the incident's, unless it says its own."""
    until = item.get("until")
    ended = None if until == "never" else seconds(until) if until else scenario.ended
    begun = seconds(item["from"]) if item.get("from") else scenario.onset
    return {"first": _minute(now, begun), "last": None if ended is None else _minute(now, ended)}


def _metrics(scenario: Scenario, parts: SystemParts, now: float) -> Iterator[Step]:
    by_region: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in scenario.symptoms.get("metrics", ()):
        series = series_of(item, parts)
        overlay = {name: value for name, value in item.items() if name not in _NOT_OF_AN_OVERLAY}
        overlay |= {**_when(item, scenario, now), "chance": f"{scenario.name}:{series.name}:{sorted(series.dimensions)}"}
        if item.get("in"):
            overlay["of"] = _other(item, parts).as_dict()
        change: dict[str, Any] = {"series": series.as_dict(), "overlay": overlay}
        unit = IN_TROUBLE.get((series.namespace, series.name))
        if unit:
            change["signal"] = {"unit": unit, "whole": unit == "Count", "sparse": True}
        by_region[series.region].append(change)
    for region, changes in by_region.items():
        yield Step("incident/metrics", {"changes": changes}, region)


def series_of(item: Mapping[str, Any], parts: SystemParts) -> Series:
    """The series that a metric symptom moves."""
    more = dict(item.get("dimensions") or {})
    if item.get("operation"):
        more["Operation"] = str(item["operation"])
    return parts.series(str(item["of"]), str(item["metric"]), more)


def _other(item: Mapping[str, Any], parts: SystemParts) -> Series:
    """What a share is of: another metric of the same component, or `component/metric`."""
    component, _, metric = str(item["in"]).rpartition("/")
    return parts.series(component or str(item["of"]), metric)


def _logs(scenario: Scenario, parts: SystemParts, now: float) -> Step:
    """Every component with a log writes what is normal; some write what the incident does."""
    changes: dict[str, list[dict[str, Any]]] = defaultdict(list)
    profiles = traffic(scenario.system)
    for item in scenario.symptoms.get("logs", ()):
        if item["of"] not in profiles:
            raise LabError(f"{scenario.name}: {item['of']} writes no log that is described in lab/traffic")
        when = {name: item[name] for name in ("shape", "minutes", "every", "lasting", "part", "recovery") if name in item}
        when |= {**_when(item, scenario, now), "chance": f"{scenario.name}:{item['of']}"}
        change = {name: value for name, value in item.items() if name not in _NOT_OF_A_CHANGE}
        changes[str(item["of"])].append({**change, "when": when})
    first = _minute(now, 60 * _LOG_HISTORY_MINUTES)
    groups = [_group(name, profile, parts, changes[name], first) for name, profile in profiles.items()]
    return Step("incident/logs", {"groups": groups})


def _group(
    name: str, profile: Mapping[str, Any], parts: SystemParts, changes: list[dict[str, Any]], first: int
) -> dict[str, Any]:
    own = {key: value for key, value in profile.items() if key not in ("group", "lines", "requests")}
    own.setdefault("zones", [f"{parts.place.region}{letter}" for letter in "abc"])
    series = parts.requests(name)
    usual = parts.level(series) if series else float(profile.get("requests", 0))
    # What is logged is a fixed part: more requests are more lines.
    own["rate"] = round(min(1.0, float(profile["lines"]) / usual), 4) if usual else 1.0
    return {
        "group": profile.get("group") or parts[name]["log_group"], "profile": own, "changes": changes, "first": first,
        "requests": profile.get("requests", 0), "series": series.as_dict() if series else None,
    }  # fmt: skip


def _aged(item: Mapping[str, Any], scenario: Scenario) -> dict[str, Any]:
    """A symptom whose moment is said as `at`, or is the onset."""
    age = seconds(item["at"]) if item.get("at") else scenario.onset
    return {**{name: value for name, value in item.items() if name not in ("at", "decoy", "by")}, "minutes_ago": age / 60}


def _ecs(item: Mapping[str, Any], parts: SystemParts) -> dict[str, Any]:
    name = str(item["of"])
    component = parts[name]
    if component["kind"] != "ecs_service":
        raise LabError(f"{name} is no ECS service")

    def aged(entries: Any) -> list[dict[str, Any]]:
        return [{**{key: value for key, value in entry.items() if key not in ("at", "lived", "by", "decoy")},
                 "minutes_ago": seconds(entry["at"]) / 60,
                 **({"lived_minutes": seconds(entry["lived"]) / 60} if "lived" in entry else {})} for entry in entries]

    return {
        "cluster": parts.cluster, "service": component.get("id") or name, "pending": item.get("pending", 0),
        "deployments": aged(item.get("deployments", ())), "stopped": aged(item.get("stopped", ())),
    }  # fmt: skip
