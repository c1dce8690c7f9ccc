"""What a person sees: tables that escape and cut, plots with words and figures, findings with a text form."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

import opsbook.show.findings
import opsbook.show.plots
import opsbook.show.tables
from opsbook.diagnosis.series import GAUGE, Series
from opsbook.show.findings import FINDINGS, in_words, show_findings
from opsbook.show.plots import show_bars, show_lines
from opsbook.show.tables import MOST_ROWS, number, said, show_table
from tests.support.notebooks import FINDINGS as EXAMPLE
from tests.unit.notebooks.diagnosis.making import START, WINDOW, noisy, series

HOSTILE = "<script>alert(1)</script>\x1b[2J & \"quotes\" \ud800"


@dataclass(frozen=True)
class Row:
    name: str
    value: float | None


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append(tag)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What was displayed, with its metadata."""
    seen: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def display(bundle: dict[str, Any], raw: bool = False, metadata: dict[str, Any] | None = None) -> None:
        assert raw
        seen.append((bundle, metadata or {}))

    for module in (opsbook.show.tables, opsbook.show.plots, opsbook.show.findings):
        monkeypatch.setattr(module, "display", display)
    return seen


def tags(html: str) -> set[str]:
    parser = Tags()
    parser.feed(html)
    return set(parser.found)


def test_a_table_escapes_what_systems_returned(shown: list[Any]) -> None:
    show_table([Row(HOSTILE, 1.0)], title=HOSTILE)
    [(bundle, _metadata)] = shown

    assert tags(bundle["text/html"]) <= {"p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert "\x1b" not in bundle["text/html"] + bundle["text/plain"]
    bundle["text/html"].encode("utf-8")


def test_a_long_table_is_cut_and_says_so(shown: list[Any]) -> None:
    show_table([Row(f"row {place}", float(place)) for place in range(MOST_ROWS + 7)])

    assert shown[0][0]["text/html"].count("<tr>") == MOST_ROWS + 1
    assert "7 more rows are not shown." in shown[0][0]["text/plain"]


def test_no_rows_are_said(shown: list[Any]) -> None:
    show_table([], title="Slow commands")

    assert shown[0][0]["text/plain"] == "Slow commands\nNone."


@pytest.mark.parametrize(("value", "text"), [
    (None, "-"), (True, "yes"), (1234567.0, "1,234,567"), (0.123456, "0.1235"), (float("nan"), "-"), (["a", 1], "a, 1"),
    ({"a": 1.5}, "a 1.5"), ("two\nlines", "two lines"), ("x" * 500, "x" * 400 + " ... (100 more characters)"),
])
def test_values_are_said_on_one_line(value: Any, text: str) -> None:
    assert said(value) == text


def test_numbers_keep_four_digits() -> None:
    assert [number(value) for value in (0.0, 12.0, 12.3456, 99999.9)] == ["0", "12", "12.35", "100,000"]


def test_a_plot_has_words_and_its_figures(shown: list[Any]) -> None:
    one = series(noisy(100, 5))
    show_lines([one], "Latency", WINDOW, {"onset": WINDOW.start + timedelta(minutes=20), "deployment": None}, limit=200)
    (picture, metadata), (table, _none) = shown

    assert base64.b64decode(picture["image/png"]).startswith(b"\x89PNG")
    words = metadata["image/png"]["alt"]
    assert words == picture["text/plain"]
    assert all(part in words for part in ("Latency", "api latency p95", "median", "onset at", "limit 200"))
    assert table["text/html"].startswith("<details><summary>Figures of this plot</summary><table>")
    assert len(base64.b64decode(picture["image/png"])) < 150_000


@pytest.mark.parametrize("given", [[], [Series("api", "latency_p95", "ms", GAUGE, ())]])
def test_a_plot_without_data_says_so(shown: list[Any], given: list[Series]) -> None:
    show_lines(given, "Latency", WINDOW)

    assert [bundle["text/plain"] for bundle, _metadata in shown] == ["Latency: no data."]


def test_more_lines_than_can_be_told_apart_stay_in_the_table(shown: list[Any]) -> None:
    many = [Series(f"api-{place}", "latency_p95", "ms", GAUGE, ((START, float(place)),)) for place in range(12)]
    show_lines(many, "Latency", WINDOW)

    assert "api-11" not in shown[0][0]["text/plain"]
    assert "api-11" in shown[1][0]["text/html"]


def test_bars_name_the_greatest_first(shown: list[Any]) -> None:
    show_bars({"a": 1.0, "b": 30.0, HOSTILE: 2.0}, "Errors", "errors")

    assert "Greatest first: b 30" in shown[0][1]["image/png"]["alt"]
    assert tags(shown[1][0]["text/html"]) <= {"details", "summary", "table", "thead", "tbody", "tr", "th", "td"}


def test_findings_are_shown_whole_for_the_runner_and_in_words_for_people(shown: list[Any]) -> None:
    hostile = {**EXAMPLE, "summary": HOSTILE}
    show_findings(hostile)
    [(bundle, _metadata)] = shown

    assert bundle[FINDINGS]["suspects"] == EXAMPLE["suspects"]
    assert "script" not in tags(bundle["text/html"])
    assert "1. Writes to the table orders are throttled (high confidence)" in bundle["text/plain"]
    assert "> Raise its capacity: ansible-playbook playbooks/x.yml --limit commerce" in in_words(EXAMPLE)
    assert "not seen: table links: AccessDenied" in in_words(EXAMPLE)
