"""Requests in logs: rows of queries as groups, hostile values, and a cut that is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_insights import QueryResult
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.parallel import Done
from opsbook.diagnosis.service_map import Component
from opsbook.evidence.log_queries import Question, cost_of, coverage_of, named
from opsbook.evidence.log_text import LogFields
from opsbook.evidence.pieces import Span
from opsbook.evidence.request_logs import bin_of, counting, grouped, silence_of

START = datetime(2026, 11, 21, 20, 2, tzinfo=UTC)
SPAN = Span(START, START + timedelta(hours=1))
QUESTION = Question(Component("api", "ecs_service", "api", log_group="/ecs/api"), SPAN, "stats ...")


def answer(*rows: dict[str, str], **said: Any) -> Done[Question, QueryResult]:
    return Done(QUESTION, QueryResult(tuple(rows), **said), None)


def row(status: str, requests: str, at: str = "2026-11-21 20:05:00.000", **rest: str) -> dict[str, str]:
    return {"bin(5m)": at, "status": status, "requests": requests, "route": "/a", **rest}


def test_outcomes_of_one_stretch_and_route_are_one_group() -> None:
    seen = [answer(row("200", "90", total_ms="900"), row("503", "10", total_ms="50.5"))]
    [group] = grouped(seen, ["route"], LogFields())
    assert (group.requests, group.errors, group.slow, group.duration_ms) == (100, 10, None, 950.5)
    assert (group.component, group.period, dict(group.dimensions)) == ("api", 300, {"route": "/a"})


def test_slow_requests_are_counted_into_their_group() -> None:
    [group] = grouped([answer(row("200", "90", slow="7"), row("500", "3", slow="2"))], ["route"], LogFields(), True)
    assert (group.requests, group.slow) == (93, 9)


def test_a_stretch_that_began_before_the_window_begins_with_it() -> None:
    [group] = grouped([answer(row("200", "1", at="2026-11-21 20:00:00.000"))], ["route"], LogFields())
    assert group.time == START


@pytest.mark.parametrize("status", ["abc", "-5", "NaN", "Infinity", "1e99", "", "0"])
def test_a_status_that_is_none_is_no_request(status: str) -> None:
    assert grouped([answer(row(status, "5"))], ["route"], LogFields()) == ()


def test_values_of_lines_are_cleaned_and_cut() -> None:
    [group] = grouped([answer({**row("200", "1"), "route": "\x1b[31m" + "x" * 5000})], ["route"], LogFields())
    assert "\x1b" not in group.dimensions["route"]
    assert len(group.dimensions["route"]) < 250


def test_a_field_that_lines_lack_is_empty() -> None:
    [group] = grouped([answer(row("200", "1"))], ["route", "az"], LogFields())
    assert group.dimensions["az"] == ""


@pytest.mark.parametrize(("minutes", "every"), [(10, 1), (60, 5), (180, 15), (24 * 60, 60), (7 * 24 * 60, 60)])
def test_longer_stretches_are_counted_more_coarsely(minutes: int, every: int) -> None:
    assert bin_of(Span(START, START + timedelta(minutes=minutes))) == every


def test_what_was_cut_or_denied_is_a_gap_and_costs_are_added_up() -> None:
    denied = Done(QUESTION, None, Denied("query logs", "/ecs/api", "AccessDeniedException: no"))
    cut = answer(row("200", "1"), cut=True, matched=12345, bytes_scanned=7)
    whole = answer(bytes_scanned=5)
    assert coverage_of([whole]).read == ("log of api (/ecs/api)",)
    assert [gap.reason for gap in coverage_of([whole, denied]).missing] == ["AccessDeniedException: no"]
    assert "12345 lines matched" in coverage_of([cut]).missing[0].reason
    assert cost_of([whole, cut, denied]) == {"queries": 3, "bytes_scanned": 12}


@pytest.mark.parametrize("field", ["a b", "x | stats count(*)", "a`", "", "1a", "a/b"])
def test_a_field_that_could_be_more_than_a_name_is_refused(field: str) -> None:
    with pytest.raises(Refused, match="no name of a field"):
        named(field)


@pytest.mark.parametrize(("field", "written"), [
    ("status", "status"), ("http.status", "http.status"), ("x-trace", "`x-trace`"),
])
def test_names_of_fields_are_quoted_where_they_must_be(field: str, written: str) -> None:
    assert named(field) == written


def test_only_lines_with_status_and_duration_are_counted() -> None:
    query = counting(LogFields(status="res.statusCode", duration="responseTime"), "route", 5)
    assert query.startswith("filter ispresent(res.statusCode) and ispresent(responseTime) and res.statusCode >= 100 |")
    assert "slow" not in query


@pytest.mark.parametrize(("kind", "requests", "missing", "left_out"), [
    ("ecs_service", 1200.0, "its metrics tell of 1200 requests", ""),
    ("http_api", 1.0, "declared as log_fields", ""),
    ("lambda_function", 40.0, "", "its 40 calls may be no requests of HTTP"),
    ("ecs_service", None, "", "its metrics do not tell"),
    ("ecs_service", 0.0, "", ""),
])
def test_a_log_without_requests_is_a_gap_where_requests_came(
    kind: str, requests: float | None, missing: str, left_out: str
) -> None:
    one = Component("api", kind, "api", log_group="/ecs/api")
    found = silence_of([one], {} if requests is None else {"api": requests}, LogFields())
    assert missing in "".join(gap.reason for gap in found.missing)
    assert left_out in "".join(gap.reason for gap in found.left_out)
    assert (len(found.missing), len(found.left_out)) == (bool(missing), bool(left_out))
