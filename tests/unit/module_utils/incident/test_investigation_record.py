"""The record of an investigation and its page, from journals of runs that ended in every way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.investigation_page import render_investigation
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.investigation_record import (
    build_investigation,
    is_investigation,
    seal_investigation,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import seal
from tests.support.journals import begun, play, started
from tests.support.notebooks import FINDINGS

START = {"event": "run_started", "time": "2026-11-21T03:00:00+00:00", "run": "r1", "kind": "investigation",
         "investigation": "high-error-rate", "title": "High error rate", "question": "Why?", "ids": ["000-07"],
         "system": "commerce", "parameters": {"token": "env:TOKEN"}, "operator": "ada", "versions": {"papermill": "2.7.0"},
         "cells": [{"number": 1, "title": "collect"}, {"number": 2, "title": "conclude"}]}


def cell(number: int, status: str = "completed", **more: Any) -> list[dict[str, Any]]:
    return [{"event": "cell_started", "time": "t", "cell": number, "title": "x"},
            {"event": "cell_finished", "time": "t", "cell": number, "status": status, "seconds": 1.5, **more}]


def ended(status: str = "ok", **more: Any) -> dict[str, Any]:
    return {"event": "run_finished", "time": "2026-11-21T03:01:00+00:00", "status": status, **more}


def test_a_run_that_concluded() -> None:
    record = build_investigation([START, *cell(1), *cell(2), ended()], FINDINGS)

    assert (record["status"], record["verdict"], record["severity_id"], record["systems"]) == (
        "ok", "suspects", 4, ["commerce"])
    assert [one["status"] for one in record["cells"]] == ["completed", "completed"]
    assert (record["error"], record["finished"], record["parameters"]) == (
        "", "2026-11-21T03:01:00+00:00", {"token": "env:TOKEN"})


@pytest.mark.parametrize(("events", "statuses", "error"), [
    ([START], ["pending", "pending"], "the runner was killed"),
    ([START, *cell(1), cell(2)[0]], ["completed", "broken_off"], "the runner was killed in cell 2 (conclude)"),
    ([START, *cell(1), {"event": "torn_line", "line": 4}], ["completed", "pending"], "the runner was killed"),
])
def test_a_run_without_an_end_was_killed(events: list[Any], statuses: list[str], error: str) -> None:
    record = build_investigation(events, None)

    assert (record["status"], record["verdict"], record["error"]) == ("interrupted", None, error)
    assert [one["status"] for one in record["cells"]] == statuses


def test_only_an_investigation_s_journal_is_taken_for_one() -> None:
    assert is_investigation([START])
    assert not is_investigation([started(), play(), begun()])
    assert not is_investigation([])


@pytest.mark.parametrize("status", ["ok", "failed", "timed_out", "kernel_died", "interrupted", "inconclusive"])
def test_every_end_has_a_page_that_says_so(status: str) -> None:
    found = FINDINGS if status == "ok" else None
    page = render_investigation(build_investigation([START, ended(status, error="the reason")], found), found)

    assert ("did not conclude: the reason" in page) is (status != "ok")
    assert ("Writes to the table orders are throttled" in page) is (status == "ok")
    assert ("Everything that was asked for was seen" in page) is False


def test_a_verdict_is_only_shown_for_a_run_that_concluded() -> None:
    page = render_investigation(build_investigation([START, ended("failed", error="x")], FINDINGS), FINDINGS)

    assert '<span class="mark failed">' in page


def test_nothing_of_what_was_found_is_markup() -> None:
    hostile = json.loads(json.dumps(FINDINGS).replace("orders", "<script>alert(1)</script>"))
    page = render_investigation(build_investigation([{**START, "title": "<b>x"}, ended()], hostile), hostile)

    assert "<script" not in page
    assert "<b>x" not in page


def test_a_killed_run_is_sealed_from_its_journal(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in [START, *cell(1)]) + '{"torn')
    (tmp_path / "notebook.ipynb").write_text('{"cells": [], "metadata": {"opsbook": {"status": "running"}}}')
    (tmp_path / ".notebook.ipynb.part").write_text("half")
    record = seal(tmp_path)

    assert (record["kind"], record["status"], record["torn_lines"]) == ("investigation", "interrupted", 1)
    assert json.loads((tmp_path / "notebook.ipynb").read_text())["metadata"]["opsbook"]["status"] == "interrupted"
    assert {path.name for path in tmp_path.iterdir()} == {"journal.jsonl", "notebook.ipynb", "record.html", "record.json"}
    assert seal_investigation(tmp_path) == record
