"""What the readers bring when something is wrong in the lab."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from opsbook.evidence import caches, changes, databases, endpoints, logs, metrics, request_logs, states
from opsbook.evidence.scan_budget import ScanBudget
from tests.integration.evidence.conftest import Cases
from tests.support.labs import Lab
from tests.support.procedures import faults
from tests.support.web import Page, certificate_for, server_context, serving


def test_a_release_that_breaks_one_route_shows_in_requests_lines_and_changes(incident: Cases) -> None:
    case = incident("commerce-order-release-error")
    groups = request_logs.request_groups(case, ["product-service"], slow_ms=500).rows
    during = [group for group in groups if group.time >= case.span.start]
    failing = {group.dimensions["route"] for group in during if group.errors > 0.2 * group.requests}
    assert any("order" in route for route in failing)
    assert {group.dimensions["route"] for group in during} - failing
    assert {group.dimensions["version"] for group in during} > {group.dimensions["version"] for group in groups
                                                                if group.time < case.span.start}
    lines = logs.error_lines(case, ["product-service"])
    assert lines.cost["bytes_scanned"] > 0
    assert any(line.exception for line in lines.rows)
    assert not any('"duration_ms"' in line.message for line in lines.rows)
    released = changes.deployments(case).rows
    assert {change.component for change in released} >= {"product-service"}
    assert any(change.component == "product-service" and change.by for change in changes.api_changes(case).rows)


def test_lines_are_counted_by_the_minute_as_they_are_listed(incident: Cases) -> None:
    case = incident("commerce-order-release-error")
    listed = logs.error_lines(case, ["product-service"]).rows
    [counted] = logs.error_line_series(case, ["product-service"]).rows
    assert sum(value for _at, value in counted.points) == len(listed)


def test_without_insights_lines_are_read_event_by_event(lab: Lab, incident: Cases) -> None:
    case = incident("commerce-order-release-error")
    by_insights = logs.error_lines(case, ["product-service"])
    faults(lab, {"service": "logs", "action": "StartQuery", "kind": "deny"})
    by_events = logs.error_lines(case, ["product-service"])
    assert by_events.coverage.complete
    assert "its events were read instead" in by_events.coverage.left_out[0].reason
    assert [line.message for line in by_events.rows] == [line.message for line in by_insights.rows]


def test_a_bound_on_lines_is_told(incident: Cases) -> None:
    piece = logs.error_lines(incident("commerce-order-release-error"), ["product-service"], most=3)
    assert "only 3 rows came back" in piece.coverage.missing[0].reason


def test_no_question_is_asked_once_the_budget_is_scanned(incident: Cases) -> None:
    case = replace(incident("commerce-order-release-error"), log_scan=ScanBudget(1000))
    first = logs.insights(case, "stats count(*)", ["product-service"])
    assert (len(first.rows), first.cost["bytes_scanned"] > 1000) == (1, True)
    second = logs.insights(case, "stats count(*)", ["product-service"])
    assert second.rows == ()
    assert "investigation_limits.log_scan_gb is 1e-06" in second.coverage.missing[0].reason


def test_a_throttled_table_shows_in_its_use_and_its_series(incident: Cases) -> None:
    case = incident("reviews-ratings-table-throttled")
    worst = max(states.tables(case).rows, key=lambda use: use.throttle_events or 0)
    assert (worst.component, worst.source) == ("reviews-ratings-prod", "provisioned")
    series = metrics.component_series(case, ["dynamodb_table"], ["throttles", "throttled_requests"]).rows
    throttled = {one.component for one in series
                 if sum(value for _at, value in one.within(case.span.start, case.span.end)) > 50}
    assert throttled == {"reviews-ratings-prod"}


def test_an_exhausted_database_is_a_row_that_says_so_or_shows_who_holds_it(incident: Cases) -> None:
    case = incident("analytics-connections-leaked")
    [activity] = databases.sessions(case).rows
    assert activity.exhausted or any("export" in session.application for session in activity.sessions)


def test_metrics_end_where_they_are_published_for_sure(case_of: Cases) -> None:
    case = case_of("commerce")
    piece = metrics.component_series(case, ["load_balancer"], ["requests"])
    assert piece.span is not None
    assert case.now - piece.span.end >= metrics.SETTLING
    [requests] = piece.rows
    assert len(requests.points) == (piece.span.end - piece.span.start).total_seconds() / 60


@pytest.mark.parametrize(("change", "trouble"), [({"login_port": 1}, True), ({"login_password": "wrong"}, False)])
def test_a_database_that_gives_no_connection_is_a_finding_and_a_refused_login_a_gap(
    case_of: Cases, change: dict[str, object], trouble: bool
) -> None:
    case = case_of("analytics")
    there = {**case.declared["opsbook_postgres"], **change}
    piece = databases.sessions(replace(case, declared={**case.declared, "opsbook_postgres": there}))
    if trouble:
        assert piece.rows[0].trouble
    else:
        assert piece.rows == ()
        assert not piece.coverage.complete
    assert str(there["login_password"]) not in str(piece.coverage) + piece.query


@pytest.mark.parametrize(("change", "trouble"), [({"login_port": 1}, True), ({"login_password": "wrong"}, False)])
def test_a_cache_likewise(case_of: Cases, change: dict[str, object], trouble: bool) -> None:
    case = case_of("media")
    there = {**case.declared["opsbook_redis"], **change}
    changed = replace(case, declared={**case.declared, "opsbook_redis": there})
    piece = caches.cache_server(changed, interval=0)
    if trouble:
        assert piece.rows[0].trouble
    else:
        assert piece.rows == ()
        assert not piece.coverage.complete
    assert not caches.cache_slowness(changed).coverage.complete
    assert str(there["login_password"]) not in str(piece.coverage) + piece.query


def test_slow_commands_are_told_without_their_arguments(case_of: Cases) -> None:
    case = case_of("media")
    from ansible_collections.opsbook.runbooks.plugins.module_utils.redis.connection import connector

    client = connector(case.declared["opsbook_redis"])()
    before = client.config_get("slowlog-log-slower-than")
    try:
        client.config_set("slowlog-log-slower-than", 0)
        client.set("canary-of-the-test", "x")
        [slowness] = caches.cache_slowness(case).rows
        assert any((entry.command, entry.arguments) == ("SET", 2) for entry in slowness.entries)
        assert "canary-of-the-test" not in str(slowness)
    finally:
        client.config_set(*next(iter(before.items())))
        client.slowlog_reset()
        client.close()


def test_a_provider_that_fails_is_seen(lab: Lab, case_of: Cases) -> None:
    lab.control("health", {"system": "providers", "endpoint": "stripe", "status": "down", "code": 503}, of="web")
    answers = {checked.endpoint.name: checked.answer.status for checked in endpoints.providers(case_of("media")).rows}
    assert answers == {"openai": 200, "stripe": 503}


def test_a_name_server_that_fails_is_a_gap_and_a_name_that_is_gone_an_answer(case_of: Cases) -> None:
    case = case_of("commerce")
    silent = endpoints.names(replace(case, declared={**case.declared, "dns_server": "127.0.0.1:1"}))
    assert (silent.rows, len(silent.coverage.missing)) == ((), 2)
    gone = endpoints.names(replace(case, declared={**case.declared, "dns_records": [{"name": "gone.example.com"}]}))
    assert [(one.question.name, one.outcome) for one in gone.rows] == [("gone.example.com", "NXDOMAIN")]


@pytest.mark.parametrize("days", [90, -2])
def test_certificates_are_read_whether_trusted_or_not(case_of: Cases, tmp_path: Path, days: int) -> None:
    case = case_of("commerce")
    with serving(server_context(certificate_for("127.0.0.1", days, tmp_path))) as site:
        declared = {**case.declared, "http_endpoints": [{"name": "own", "url": f"{site.url}/health"}]}
        [certificate] = endpoints.certificates(replace(case, declared=declared)).rows
    assert certificate.days == pytest.approx(days, abs=0.2)


@pytest.mark.parametrize(("page", "reason"), [
    (Page(404), "it answers 404"), (Page(200, b"<html>no metrics</html>"), "1 lines are no samples"),
])
def test_a_page_that_is_no_metrics_page_is_a_gap(case_of: Cases, page: Page, reason: str) -> None:
    with serving() as site:
        piece = endpoints.metrics_page(case_of("media"), site.serve("/metrics", page), seconds=0.1)
    assert reason in piece.coverage.missing[0].reason


def test_rates_come_from_two_looks_at_a_metrics_page(case_of: Cases) -> None:
    with serving() as site:
        url = site.serve("/metrics", *(Page(200, f"# TYPE hits counter\nhits {value}\n".encode()) for value in (100, 130)))
        [rates] = endpoints.metrics_page(case_of("media"), url, seconds=0.2).rows
    assert rates.total("hits") == pytest.approx(30 / rates.seconds, rel=0.02)


def test_a_log_whose_requests_are_not_understood_is_a_gap_where_metrics_tell_of_requests(case_of: Cases) -> None:
    case = case_of("commerce")
    read = request_logs.request_groups(case, ["ingestion-api"])
    unread = request_logs.request_groups(replace(case, declared={**case.declared, "log_fields": {"status": "code"}}),
                                         ["ingestion-api"])
    assert read.coverage.complete
    assert unread.rows == ()
    assert unread.coverage.read == ()
    [gap] = unread.coverage.missing
    assert "no line of it has the fields code and duration_ms, though its metrics tell of" in gap.reason
