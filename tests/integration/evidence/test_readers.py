"""Every reader of evidence on the lab: reads whole what a system has, changes nothing, and says what it could not read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import connector
from opsbook.evidence import caches, changes, databases, endpoints, logs, metrics, request_logs, states
from opsbook.evidence.pieces import Piece
from tests.integration.evidence.conftest import Cases
from tests.support.audit import changing, recording
from tests.support.cases import Example
from tests.support.labs import Lab
from tests.support.procedures import faults

Reader = Callable[[Any], Piece[Any]]
ALL = {"commerce", "analytics", "metering", "media", "reviews"}


def quick(reader: Callable[..., Piece[Any]], **options: Any) -> Reader:
    return lambda case: reader(case, **options)


AWS: dict[str, tuple[Reader, set[str]]] = {
    "component_series": (metrics.component_series, ALL),
    "error_lines": (logs.error_lines, ALL),
    "error_line_series": (logs.error_line_series, ALL),
    "insights": (quick(logs.insights, query="fields @message | limit 5"), ALL),
    "request_groups": (request_logs.request_groups, ALL),
    "deployments": (changes.deployments, {"commerce", "analytics", "metering"}),
    "function_changes": (changes.function_changes, {"commerce", "analytics", "metering", "reviews"}),
    "api_changes": (changes.api_changes, ALL),
    "service_events": (changes.service_events, {"commerce", "analytics", "metering"}),
    "services": (states.services, {"commerce", "analytics", "metering"}),
    "targets": (states.targets, {"commerce", "analytics", "metering"}),
    "balancers": (states.balancers, {"commerce", "analytics", "metering"}),
    "functions": (states.functions, {"commerce", "analytics", "metering", "reviews"}),
    "tables": (states.tables, {"commerce", "metering", "reviews"}),
    "queues": (states.queues, ALL),
    "alarms": (states.alarms, ALL),
    "instances": (databases.instances, {"analytics"}),
    "cache_clusters": (caches.cache_clusters, {"commerce", "analytics"}),
}
OTHERS: dict[str, tuple[Reader, set[str]]] = {
    "sessions": (databases.sessions, {"analytics", "media"}),
    "statements": (databases.statements, {"analytics", "media"}),
    "statements_lately": (quick(databases.statements_lately, seconds=0.2), {"analytics", "media"}),
    "table_statistics": (databases.table_statistics, {"analytics", "media"}),
    "cache_server": (quick(caches.cache_server, interval=0.2), {"analytics", "media"}),
    "cache_slowness": (caches.cache_slowness, {"analytics", "media"}),
    "endpoints": (endpoints.endpoints, ALL),
    "providers": (endpoints.providers, ALL),
    "names": (endpoints.names, ALL),
    "certificates": (endpoints.certificates, {"analytics"}),
    "metrics_page": (quick(endpoints.metrics_page, seconds=0.2), {"media"}),
}
READERS = {**AWS, **OTHERS}
# Nothing need have changed, and nobody need have written a line.
MAY_BE_EMPTY = {"deployments", "function_changes", "api_changes", "service_events", "error_lines", "request_groups",
                "insights", "statements_lately"}


@pytest.mark.parametrize("system", sorted(ALL))
@pytest.mark.parametrize("name", READERS)
def test_reads_whole_what_a_system_has_and_says_what_it_has_not(case_of: Cases, name: str, system: str) -> None:
    reader, having = READERS[name]
    piece = reader(case_of(system))

    if system in having:
        assert piece.coverage.missing == ()
        assert piece.rows or name in MAY_BE_EMPTY
    else:
        assert piece.rows == ()
        assert [gap.reason[:13] for gap in piece.coverage.left_out] == ["not declared:"]
    summary = piece.summary()
    assert (summary.rows, summary.query, summary.source) == (len(piece.rows), piece.query, piece.source)
    assert "\n" not in piece.query


def test_looking_changes_nothing(lab: Lab, case_of: Cases) -> None:
    with recording(lab.folder) as calls:
        for system in ("commerce", "analytics", "reviews"):
            for reader, _having in AWS.values():
                reader(case_of(system))
    assert calls
    assert changing(calls) == []


@pytest.mark.parametrize("name", AWS)
def test_denied_is_a_gap_never_empty(lab: Lab, case_of: Cases, name: str) -> None:
    faults(lab, *({"service": service, "action": "*", "kind": "deny"} for service in (
        "cloudwatch", "logs", "cloudtrail", "ecs", "elbv2", "lambda", "dynamodb", "sqs", "rds", "elasticache", "ec2")))
    reader, having = AWS[name]
    piece = reader(case_of(min(having & {"analytics", "commerce"})))
    assert not piece.coverage.complete
    assert any("AccessDenied" in gap.reason for gap in piece.coverage.missing)


@pytest.mark.parametrize("name", AWS)
def test_throttled_to_the_end_is_a_gap(lab: Lab, case_of: Cases, name: str) -> None:
    case = case_of(min(AWS[name][1] & {"analytics", "commerce"}))
    impatient = replace(case, connected=connector(case.declared["opsbook_aws"], 1), run=replace(case.run, timeout=2.0))
    case.aws()("sts")  # a role is assumed before throttling begins
    impatient.aws()("sts")
    faults(lab, *({"service": service, "action": "*", "kind": "throttle"} for service in (
        "cloudwatch", "logs", "cloudtrail", "ecs", "elbv2", "lambda", "dynamodb", "sqs", "rds", "elasticache")))
    piece = AWS[name][0](impatient)
    assert not piece.coverage.complete
    assert any("throttled" in gap.reason for gap in piece.coverage.missing)


def test_a_role_that_cannot_be_assumed_is_a_gap_in_every_piece(lab: Lab, case_of: Cases) -> None:
    faults(lab, {"service": "sts", "action": "AssumeRole", "kind": "deny"})
    for name, (reader, having) in AWS.items():
        if "analytics" in having:
            piece = reader(case_of("analytics"))
            assert (name, piece.rows) == (name, ())
            assert any("AccessDenied" in gap.reason for gap in piece.coverage.missing), name


@pytest.mark.parametrize("name", READERS)
def test_a_system_that_declares_nothing_is_no_error(name: str) -> None:
    piece = READERS[name][0](Example({}))
    assert piece.rows == ()
    assert len((*piece.coverage.missing, *piece.coverage.left_out)) == 1


@pytest.mark.parametrize(("name", "kind"), [
    ("services", "ecs_service"), ("functions", "lambda_function"), ("tables", "dynamodb_table"), ("queues", "sqs_queue"),
    ("balancers", "load_balancer"), ("instances", "rds_instance"), ("error_lines", "ecs_service"),
    ("request_groups", "ecs_service"), ("deployments", "ecs_service"), ("function_changes", "lambda_function"),
])
def test_what_does_not_exist_is_a_gap(case_of: Cases, name: str, kind: str) -> None:
    reader, having = AWS[name]
    case = case_of(min(having & {"analytics", "commerce"}))
    gone = {"name": "gone", "kind": kind, "id": "app/gone/0a" if kind == "load_balancer" else "gone",
            "log_group": "/ecs/gone"}
    piece = reader(replace(case, declared={**case.declared, "service_map": [gone]}))
    assert not piece.coverage.complete
    assert any("gone" in gap.resource for gap in piece.coverage.missing)
