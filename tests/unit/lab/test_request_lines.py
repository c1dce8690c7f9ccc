"""What applications write in a minute, ordinarily and in an incident."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from lab.aws.overlays import Overlay
from lab.aws.request_lines import Change, Profile, lines_of

PROFILE = Profile(
    form="service", logger="http", version="1", rate=1.0, clients={"web": 0.7, "ios": 0.3}, zones=("za", "zb"),
    routes=({"method": "GET", "route": "/a/{id}", "share": 0.8, "ms": 40},
            {"method": "POST", "route": "/b", "share": 0.2, "ms": 90}),
    quiet=({"level": "WARN", "logger": "cache", "message": "key {n 1 9}", "a_minute": 5},),
)  # fmt: skip
NOW = 5000
ALWAYS = Overlay(first=0)


def written(*changes: Change, profile: Profile = PROFILE, requests: float = 1000, minute: int = NOW) -> list[dict[str, Any]]:
    return [json.loads(text) for _, text in lines_of(profile, changes, minute, requests, "seed")]


def test_a_line_a_request_with_all_that_explains_it() -> None:
    lines = [line for line in written() if "route" in line]
    assert len(lines) == 1000
    assert set(lines[0]) == {"timestamp", "level", "logger", "message", "method", "path", "route", "status", "duration_ms",
                             "trace_id", "client", "az", "version"}  # fmt: skip
    routes = Counter(line["route"] for line in lines)
    assert 740 < routes["/a/{id}"] < 860
    assert all(line["path"].startswith("/a/") and "{" not in line["path"] for line in lines if line["route"] == "/a/{id}")
    assert 30 < sum(line["duration_ms"] for line in lines if line["route"] == "/a/{id}") / routes["/a/{id}"] < 50


def test_the_same_minute_has_the_same_lines_and_the_next_has_others() -> None:
    assert written() == written()
    assert written() != written(minute=NOW + 1)


def test_lines_are_in_order_and_of_their_minute() -> None:
    times = [at for at, _ in lines_of(PROFILE, (), NOW, 500, "seed")]
    assert times == sorted(times)
    assert all(at // 60_000 == NOW for at in times)


def test_a_part_is_logged_and_says_which() -> None:
    lines = [line for line in written(profile=replace(PROFILE, rate=0.1)) if "route" in line]
    assert len(lines) == 100
    assert {line["sample_rate"] for line in lines} == {0.1}


def test_a_failure_hits_what_fits_and_tells_why() -> None:
    error = {"logger": "app", "exception": "KeyError", "message": "no {n 3 3} in {path}", "stack": ["at x"]}
    change = Change(ALWAYS, {"route": "/b", "client": "ios"}, share=1.0, status=500, ms=5, error=error)
    lines = written(change)
    failed = [line for line in lines if line.get("status") == 500]
    assert {(line["route"], line["client"], line["level"]) for line in failed} == {("/b", "ios", "ERROR")}
    told = [line for line in lines if line.get("exception") == "KeyError"]
    assert len(told) == len(failed)
    assert {line["message"] for line in told} == {"no 3 in /b"}
    assert {line["trace_id"] for line in told} == {line["trace_id"] for line in failed}


def test_a_version_comes_gradually_and_changes_may_ask_for_it() -> None:
    rollout = Change(Overlay(first=NOW, shape="ramp", minutes=2), version="2")
    slower = Change(ALWAYS, {"version": "2"}, plus_ms=1000)
    lines = [line for line in written(rollout, slower) if "route" in line]
    assert 400 < sum(line["version"] == "2" for line in lines) < 600
    assert min(line["duration_ms"] for line in lines if line["version"] == "2") > 200 > max(
        line["duration_ms"] for line in lines if line["version"] == "1" and line["route"] == "/a/{id}") / 3  # fmt: skip


def test_other_lines_come_besides_and_silence_stops_all() -> None:
    more = Change(ALWAYS, line={"level": "ERROR", "logger": "db", "message": "lost", "a_minute": 7})
    assert sum(line["message"] == "lost" for line in written(more)) == 7
    assert 4 <= sum(line["logger"] == "cache" for line in written()) <= 6
    assert written(more, Change(ALWAYS, silent=True)) == []


def test_a_function_writes_from_start_to_report_and_says_when_it_was_ended() -> None:
    function = replace(PROFILE, form="function", quiet=())
    texts = [text for _, text in lines_of(function, (Change(ALWAYS, timeout=3.0),), NOW, 1, "seed")]
    begun, ended, end, report = texts
    identity = begun.split()[2]
    assert begun == f"START RequestId: {identity} Version: 1"
    assert ended.endswith(f"{identity} Task timed out after 3.00 seconds")
    assert end == f"END RequestId: {identity}"
    assert report.startswith(f"REPORT RequestId: {identity}\tDuration: 3000.00 ms")
    assert report.endswith("Status: timeout")


@pytest.mark.parametrize(("form", "begins", "has"), [
    ("postgres", "1970-01-04 11:20", ":db:ERROR:  lost"), ("redis", "1:M 04 Jan 1970 11:20", "# lost"),
    ("nginx", "1970/01/04 11:20", "[error] lost"),
])  # fmt: skip
def test_servers_write_in_their_own_form(form: str, begins: str, has: str) -> None:
    line = Change(ALWAYS, line={"level": "ERROR", "logger": "db", "message": "lost", "a_minute": 1})
    ((_, text),) = lines_of(replace(PROFILE, form=form, routes=(), quiet=()), (line,), NOW, 0, "seed")
    assert text.startswith(begins)
    assert has in text
