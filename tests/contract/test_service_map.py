"""Every system's service map can be followed, and names what the lab's estate has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lab.estate.dimensions import of_api, of_balancer, of_distribution, of_target_group
from lab.estate.metrics import metrics_of
from lab.estate.systems import ESTATES
from lab.web.systems import SYSTEMS as WEB
from opsbook.diagnosis.service_map import KINDS, ServiceMap, service_map_of
from tests.contract.test_inventory import LAB, PRODUCTION, SCHEMA, SYSTEMS, merged, named


def mapped(system: Path) -> ServiceMap:
    return service_map_of(merged(system)["service_map"])


@pytest.mark.parametrize("system", SYSTEMS, ids=named)
def test_a_service_map_can_be_followed_from_its_entries_to_everything_called(system: Path) -> None:
    declared = mapped(system)
    entries = [component.name for component in declared.components if component.entry]
    called = {callee for component in declared.components for callee in component.calls}
    reached = {name for entry in entries for name in declared.reachable(entry)}
    # Jobs and consumers start by themselves: what nobody calls is a start too, and must do something or be one.
    starts = {component.name for component in declared.components if component.name not in called}
    assert entries
    assert called <= reached | {name for start in starts for name in declared.reachable(start)}


def test_the_schema_knows_the_kinds_of_the_map() -> None:
    assert SCHEMA["properties"]["service_map"]["items"]["properties"]["kind"]["enum"] == list(KINDS)


@pytest.mark.parametrize("system", LAB, ids=named)
def test_every_component_is_in_the_estate(system: Path) -> None:
    estate, declared = ESTATES[system.stem], mapped(system)

    def names(*kinds: str) -> set[str]:
        return {component.name for component in declared.of_kind(*kinds)}

    def ids(*kinds: str) -> set[str]:
        return {component.id for component in declared.of_kind(*kinds)}

    assert names("ecs_service") == {service.name for service in estate.services}
    assert names("lambda_function") <= {function.name for function in estate.functions}
    assert names("dynamodb_table") == {table.name for table in estate.tables}
    assert names("sqs_queue") == {queue.name for queue in estate.queues}
    assert ids("load_balancer") == {of_balancer(balancer.name)["LoadBalancer"] for balancer in estate.load_balancers}
    assert ids("rds_instance") == {database.name for database in estate.databases}
    assert ids("elasticache_cluster") == {cache.name for cache in estate.caches}
    assert ids("http_api") == {of_api(api.name)["ApiId"] for api in estate.apis}
    assert ids("distribution") == {of_distribution(one.alias)["DistributionId"] for one in estate.distributions}
    assert ids("host") <= {metric.dimensions.get("Host", "") for metric in estate.metrics}
    assert names("external") <= set(WEB["providers"].endpoints)


@pytest.mark.parametrize("system", LAB, ids=named)
def test_log_groups_and_target_groups_are_in_the_estate(system: Path) -> None:
    estate, declared = ESTATES[system.stem], mapped(system)
    groups = {group.name for group in estate.log_groups}
    targets = {service.name: of_target_group("any", service.target_group)["TargetGroup"]
               for service in estate.services if service.target_group}
    assert {component.log_group for component in declared.components} - {""} <= groups
    assert {component.name: component.target_group for component in declared.components if component.target_group} == targets


def test_both_environments_have_the_same_map_but_for_what_is_asked() -> None:
    for lab in LAB:
        production = next(path for path in PRODUCTION if path.stem == lab.stem)
        without_urls = [[{**entry, "url": ""} for entry in merged(path)["service_map"]] for path in (lab, production)]
        assert without_urls[0] == without_urls[1]


@pytest.mark.parametrize("system", LAB, ids=named)
def test_the_metrics_of_components_are_published(system: Path) -> None:
    published = {(metric.namespace, metric.name, tuple(sorted(metric.dimensions.items())))
                 for metric in metrics_of(ESTATES[system.stem])}
    for given in merged(system).get("component_metrics", []):
        assert given["component"] in mapped(system)
        assert (given["namespace"], given["name"], tuple(sorted(given["dimensions"].items()))) in published


@pytest.mark.parametrize("entry", [
    {"name": "x", "kind": "mainframe"},
    {"name": "x", "kind": "load_balancer"},
    {"name": "x", "kind": "load_balancer", "id": "x"},
    {"name": "x", "kind": "http_api"},
    {"name": "x", "kind": "sqs_queue", "target_group": "targetgroup/x/50dc6c495c0c9188"},
    {"name": "x", "kind": "ecs_service", "target_group": "x"},
    {"name": "x", "kind": "ecs_service", "url": "https://example.com"},
    {"name": "x", "kind": "external", "called_by": ["y"]},
])
def test_the_schema_refuses_a_component_that_could_not_be_read(entry: dict[str, Any]) -> None:
    system = merged(SYSTEMS[0])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**system, "service_map": [entry]}, SCHEMA)


@pytest.mark.parametrize("limits", [{}, {"error_rate": 5}, {"cpu_percent": 130}, {"idle_connection": "long"}])
def test_the_schema_refuses_limits_that_it_does_not_know(limits: dict[str, Any]) -> None:
    system = merged(SYSTEMS[0])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**system, "investigation_limits": limits}, SCHEMA)
