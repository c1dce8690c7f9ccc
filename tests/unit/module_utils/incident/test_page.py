"""A record as a page: whole, escaped, and readable whatever a system returned."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.page import render_page
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import build_record
from tests.support.journals import FRONT, begun, ended, finished, gap, planned, play, seen, started, task

VOID = {"br", "meta"}


class Page(HTMLParser):
    """What a browser makes of a page: its elements, attributes and text; fails on elements that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data + " "


def page_of(*events: dict[str, Any], evidence: tuple[dict[str, Any], ...] = ()) -> str:
    return render_page(build_record(events, evidence))


def everywhere(value: Any) -> str:
    """A page of a run in which every answer of every system is this value."""
    text = str(value)
    change = {**begun(text), "system": text, "change": planned(text, before=value, after=[value], summary=text, undo={
        "module": text, "arguments": {text: value}, "reason": text})}
    return page_of(
        started(run=text, operator=text, playbook=text, revision=text, command={"check": True, "tags": text},
                versions={text: text}, time=text),
        play({**FRONT, "ids": [text], "title": text, "purpose": text}),
        {"event": "guard_passed", "time": text, "system": text, "opening": text},
        change, ended(text, system=text, event="change_failed", error=text),
        task(text, text, phase=text, message=text, recovery=text, status="failed", item=text, gaps=[gap(text, text)],
             planned=[planned(text, before=value)], checks={text: text}, faults=[text], verdict=text),
        finished(), evidence=(seen(task=text, resource=text, check=text, expected=value, actual=[{text: value}]),))


@pytest.mark.parametrize("attack", [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", "</style><script>x</script>",
    "--></td></table><h1>", "&lt;script&gt;", "<!--", "<![CDATA[", "javascript:alert(1)",
])
def test_what_a_system_returned_is_text_and_nothing_else(attack: str) -> None:
    page = Page(everywhere(attack))

    assert set(page.tags) <= {"html", "head", "meta", "title", "style", "body", "div", "h1", "h2", "span", "p", "dl", "dt",
                              "dd", "table", "thead", "tbody", "tr", "th", "td", "pre", "code", "footer", "b", "br",
                              "details", "summary"}
    assert {name for name, _value in page.attributes} <= {"lang", "charset", "name", "content", "class", "title", "open"}
    assert attack in page.text


def test_needs_nothing_from_elsewhere() -> None:
    page = everywhere("x")

    assert not re.search(r"https?://|<link|<script|@import|url\(", page)


@pytest.mark.parametrize("value", ["\x1b[31mred\x1b[0m", "\x00\x07\x08", "\x9b31m", "\udcff\ud800"],
                         ids=["colours", "control", "c1", "no_unicode"])
def test_holds_no_character_that_is_none(value: str) -> None:
    page = everywhere(value)

    assert page.encode("utf-8")
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", page)


def test_text_in_any_language_is_kept() -> None:
    assert "Zürich 東京 \U0001f525" in Page(everywhere("Zürich 東京 \U0001f525")).text


def test_an_answer_of_ten_megabytes_does_not_make_a_page_of_ten_megabytes() -> None:
    """The whole is in record.json; a page is for reading."""
    began = time.monotonic()
    page = page_of(started(), play(), task(status="failed", message="m" * 10_000_000), finished(True),
                   evidence=(seen(actual={"log": "<" * 10_000_000}),))

    assert len(page) < 1_000_000
    assert time.monotonic() - began < 2


def run(*more: dict[str, Any], **command: Any) -> Page:
    return Page(page_of(started(command=command), play(), *more, finished(), evidence=(seen(),)))


def test_shows_what_a_reader_looks_for() -> None:
    text = run({"event": "guard_passed", "time": "t", "system": "commerce", "opening": "inside the maintenance window"},
               begun(), ended(), task(gaps=[gap()])).text

    for expected in ("Weekly maintenance", "ended well", "ada", "abc123", "000-09", "inside the maintenance window",
                     "1 made", "Delete lambda-version:f:1", "deleted for good", "running tasks", "table:orders",
                     "AccessDenied"):
        assert expected in text


def test_shows_the_verdict_of_each_system_and_check_where_any_was_judged() -> None:
    page = run(task("Gate", checks={"DNS": "healthy", "Redis": "unknown"}, faults=["Redis: denied"], verdict="unknown"),
               task("Gate", "media", checks={"DNS": "not declared", "Redis": "healthy"}, faults=[], verdict="healthy")).text

    seen = r"Health +Check +commerce +media +DNS +healthy +- +Redis +unknown +healthy +verdict +unknown +healthy"
    assert re.search(seen, page)
    assert "Health " not in run(task()).text


@pytest.mark.parametrize("status", ["failed", "unreachable"])
def test_shows_what_failed(status: str) -> None:
    text = run(task("Deploy", status=status, message="no answer", recovery="put back")).text

    assert "Failures" in text
    assert "no answer" in text
    assert "put back" in text


def test_a_check_shows_what_is_planned() -> None:
    text = run(task(planned=[planned("x:a"), planned("x:b")]), check=True).text

    assert "2 planned, none made" in text
    assert "Delete x:a" in text


def test_a_killed_run_says_that_nobody_knows() -> None:
    text = Page(page_of(started(), play(), begun(), {"event": "torn_line", "line": 4})).text

    assert "interrupted" in text
    assert "unknown" in text
    assert "1 torn lines" in text


def test_an_empty_journal_has_a_page_too() -> None:
    assert "interrupted" in Page(page_of()).text


@pytest.mark.parametrize("ok", ["yes", [], {}, "<b>", None])
def test_an_answer_that_is_no_answer_is_unknown(ok: Any) -> None:
    """Any module may return a list that it calls evidence."""
    assert '<span class="tone unknown">' in page_of(started(), task(), finished(), evidence=(seen(ok=ok),))


@pytest.mark.parametrize(("value", "shown"), [
    (None, "none"), (False, "False"), (0, "0"), ("", ""), ({"a": [1, 2]}, "a: 1 , 2"), ({"a": [{"b": 1}]}, '"b": 1'),
])
def test_shows_values_as_they_are(value: Any, shown: str) -> None:
    text = Page(page_of(started(), task(), finished(), evidence=(seen(actual=value),))).text
    assert shown in " ".join(text.split())
