"""What CloudTrail has of an incident: the calls behind each change, and those that a scenario tells itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lab.scenario.components import SystemParts
from lab.scenario.model import Scenario, seconds

PIPELINE = "assumed-role/deployment-pipeline/release"
"""Who deploys, unless a scenario names somebody."""


def told_events(scenario: Scenario, parts: SystemParts) -> Iterator[dict[str, Any]]:
    """The events, as the control route `incident/events` takes them."""
    shown = scenario.symptoms
    for service in shown.get("ecs", ()):
        for deployment in service.get("deployments", ()):
            parameters = {"cluster": parts.cluster, "service": service["of"], "taskDefinition": deployment["image"]}
            yield _event("ecs", "UpdateService", deployment, scenario, parameters)
    for function in shown.get("functions", ()):
        for action in _of_function(function):
            yield _event("lambda", action, function, scenario, {"functionName": function["name"]})
    for table in shown.get("tables", ()):
        throughput = {"readCapacityUnits": table["read"], "writeCapacityUnits": table["write"]}
        parameters = {"tableName": table["name"], "provisionedThroughput": throughput}
        yield _event("dynamodb", "UpdateTable", table, scenario, parameters)
    for event in shown.get("events", ()):
        told = {name: event[name] for name in ("changing", "outcome") if name in event}
        yield {**_event(event["service"], event["action"], event, scenario, event.get("parameters") or {}), **told}


def _of_function(function: Mapping[str, Any]) -> Iterator[str]:
    """CloudTrail's names of Lambda's calls carry the version of the API."""
    if function.get("deploy"):
        yield from ("UpdateFunctionCode20150331v2", "PublishVersion20150331", "UpdateAlias20150331")
    if function.get("timeout") or function.get("memory"):
        yield "UpdateFunctionConfiguration20150331v2"
    if function.get("concurrency") is not None:
        yield "PutFunctionConcurrency20171031"


def _event(
    service: str, action: str, item: Mapping[str, Any], scenario: Scenario, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    ago = seconds(item["at"]) if item.get("at") else scenario.onset
    return {
        "service": service, "action": action, "minutes_ago": ago / 60, "principal": item.get("by") or PIPELINE,
        "parameters": dict(parameters),
    }  # fmt: skip
