"""Logs Insights' language, evaluated on events."""

from __future__ import annotations

from typing import Any

import pytest

from lab.aws.insights_evaluation import Result, evaluate
from lab.aws.insights_grammar import Grammar
from lab.aws.insights_tokens import MalformedQuery
from lab.aws.insights_values import discovered

MESSAGES = (
    '{"level":"INFO","route":"/orders","status":200,"duration_ms":40.5,"user":{"id":7},"tags":["a","b"]}',
    '{"level":"ERROR","route":"/orders","status":500,"duration_ms":12,"user":{"id":8}}',
    '{"level":"INFO","route":"/items","status":200,"duration_ms":90}',
    "REPORT RequestId: abc\tDuration: 3000.00 ms\tBilled Duration: 3000 ms",
    '{"level":"INFO","route":"/items","status":404,"duration_ms":8}',
)  # fmt: skip


def events() -> list[dict[str, Any]]:
    """One event a minute, the first at 10:00."""
    return [
        {**discovered(message), "@timestamp": f"2026-11-20 10:{number:02d}:00.000", "@message": message, "@ptr": str(number)}
        for number, message in enumerate(MESSAGES)
    ]  # fmt: skip


def ask(query: str) -> Result:
    return evaluate(Grammar(query).commands(), events())


def rows(query: str) -> list[dict[str, str]]:
    return [{name: value for name, value in row if name != "@ptr"} for row in ask(query).rows]


@pytest.mark.parametrize(("condition", "minutes"), [
    ("status = 200", [2, 0]), ("status >= 404", [4, 1]), ("status != 200", [4, 1]), ("status in [200, 404]", [4, 2, 0]),
    ("status not in [200]", [4, 3, 1]), ("level = 'ERROR' or route = '/items'", [4, 2, 1]),
    ('route like "ord"', [1, 0]), ("route like /^\\/ORD/", []), ("route like /(?i)^\\/ORD/", [1, 0]),
    ("@message =~ /Duration/", [3]), ("not (status > 1)", [3]), ("route not like /items/ and ispresent(route)", [1, 0]),
    ("user.id = 8", [1]), ("tags.1 = 'b'", [0]), ("duration_ms * 2 > 100 and status < 300", [2]),
    ("strcontains(route, 'item')", [4, 2]), ("strlen(route) = 7 # a remark", [1, 0]), ("missing = 1", []),
    ("missing != 1", []),
])  # fmt: skip
def test_filters_let_pass_what_fits_newest_first(condition: str, minutes: list[int]) -> None:
    found = rows(f"fields @timestamp | filter {condition}")
    assert [row["@timestamp"] for row in found] == [f"2026-11-20 10:{minute:02d}:00.000" for minute in minutes]


@pytest.mark.parametrize(("query", "expected"), [
    ("stats count(*) as n, count(status) as s, sum(duration_ms), avg(status), min(status), max(status)",
     [{"n": "5", "s": "4", "sum(duration_ms)": "150.5", "avg(status)": "326", "min(status)": "200", "max(status)": "500"}]),
    ("filter ispresent(route) | stats count_distinct(route) as r, pct(duration_ms, 50) as p, median(duration_ms) as m",
     [{"r": "2", "p": "12", "m": "26.25"}]),
    ("filter ispresent(route) | stats count(*) as n by route, level | sort n desc, level",
     [{"route": "/items", "level": "INFO", "n": "2"}, {"route": "/orders", "level": "ERROR", "n": "1"},
      {"route": "/orders", "level": "INFO", "n": "1"}]),
    ("stats count(*) by bin(2m) | sort `bin(2m)`",
     [{"bin(2m)": "2026-11-20 10:00:00.000", "count(*)": "2"}, {"bin(2m)": "2026-11-20 10:02:00.000", "count(*)": "2"},
      {"bin(2m)": "2026-11-20 10:04:00.000", "count(*)": "1"}]),
    ("stats earliest(route) as first, latest(route) as last", [{"first": "/orders", "last": "/items"}]),
    ("stats count(*) as n by route | stats max(n) as most", [{"most": "2"}]),
    ("filter status = 99 | stats count(*) as n", [{"n": "0"}]), ("filter status = 99 | stats count(*) as n by route", []),
])  # fmt: skip
def test_statistics_by_groups(query: str, expected: list[dict[str, str]]) -> None:
    assert rows(query) == expected


@pytest.mark.parametrize(("query", "expected"), [
    ("parse @message 'Duration: * ms\tBilled Duration: * ms' as d, b | filter ispresent(d) | display d, b",
     [{"d": "3000", "b": "3000"}]),
    ("parse @message /RequestId: (?<id>\\w+)/ | filter ispresent(id) | display id", [{"id": "abc"}]),
    ("parse route '/*' as name | filter status = 404 | fields name", [{"name": "items"}]),
])  # fmt: skip
def test_parse_takes_parts_of_a_text(query: str, expected: list[dict[str, str]]) -> None:
    assert rows(query) == expected


def test_rows_have_only_the_fields_that_their_event_has_and_a_pointer() -> None:
    found = ask("fields route, missing, status + 1 as more | sort status desc | limit 2").rows
    assert found == [
        [("route", "/orders"), ("more", "501"), ("@ptr", "1")], [("route", "/items"), ("more", "405"), ("@ptr", "4")],
    ]  # fmt: skip


def test_without_fields_there_is_time_and_message() -> None:
    assert [name for name, _ in ask("filter status = 500").rows[0]] == ["@timestamp", "@message", "@ptr"]


def test_dedup_keeps_the_newest_and_what_lacks_the_field() -> None:
    kept = rows("fields @timestamp, route | dedup route")
    assert [row["@timestamp"][14:16] for row in kept] == ["04", "03", "01"]


def test_a_limit_cuts_and_what_was_matched_is_counted_before() -> None:
    result = ask("filter ispresent(status) | limit 1")
    assert (len(result.rows), result.matched) == (1, 4)


@pytest.mark.parametrize("query", [
    "", "select * from x", "filter status =", "filter (status = 1", "stats count(*) by", "fields nosuch(status)",
    "limit x", "parse @message '* *' as one", "filter @message like /(/", "limit 20 | filter status = 1", "limit 20000",
    "stats bin(5m)", "fields @timestamp ; drop", "filter status ** 2", "pattern @message", "filter substr(route) = 'a'",
])  # fmt: skip
def test_what_is_not_understood_is_malformed_and_never_empty(query: str) -> None:
    with pytest.raises(MalformedQuery):
        ask(query)
