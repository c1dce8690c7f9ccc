"""The ten notebooks on the lab: each concludes, changes nothing, leaves no secret, and is right where it must be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from lab.accounts import SYSTEMS
from lab.scenario.injection import clear, inject
from lab.scenario.model import load_scenario
from tests.support.audit import changing, read_audit
from tests.support.labs import ROOT, Lab, running_lab
from tests.support.notebooks import Investigated, run_investigation

OF_SYSTEM = {
    "high-error-rate": "commerce", "high-latency": "metering", "service-unavailable": "metering", "no-traffic": "reviews",
    "database-connections": "analytics", "database-performance": "media", "dynamodb-throttling": "reviews",
    "lambda-timeouts": "reviews", "redis-health": "media", "log-review": "media",
}
"""Each notebook on one system of a lab in which nothing is wrong."""

INCIDENTS = [
    ("commerce-order-release-error", "high-error-rate"), ("reviews-ratings-table-throttled", "dynamodb-throttling"),
    ("analytics-connections-leaked", "database-connections"), ("metering-name-does-not-resolve", "no-traffic"),
    ("analytics-backend-out-of-memory", "service-unavailable"), ("media-cache-out-of-memory", "redis-health"),
]
"""Where the cause can be seen itself: whoever misses these is broken. The others are scored (`python -m lab score`)."""


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("notebooks") / "lab", SYSTEMS) as lab:
        yield lab


@pytest.fixture
def lab(estate: Lab) -> Iterator[Lab]:
    yield estate
    clear(estate.folder)
    estate.control("faults", {"faults": []})


def investigate(lab: Lab, tmp_path: Path, name: str, system: str, *arguments: str) -> Investigated:
    return run_investigation(name, "--system", system, *arguments, records=tmp_path / "records", timeout=280,
                             environment={"OPSBOOK_LAB_FOLDER": str(lab.folder)})


def findings(done: Investigated) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((done.folder / "findings.json").read_text())
    return found


@pytest.mark.parametrize(("name", "system"), OF_SYSTEM.items())
def test_a_quiet_system_is_looked_at_and_nothing_is_changed(lab: Lab, tmp_path: Path, name: str, system: str) -> None:
    before = len(read_audit(lab.folder))
    # A day of logs is what scenarios are scored on; two hours show the same here.
    shorter = ("-p", "window", "2h", "-p", "baseline", "2h") if name == "log-review" else ()
    done = investigate(lab, tmp_path, name, system, *shorter)
    calls = read_audit(lab.folder)[before:]

    assert done.status == 0, done.errors + done.output
    assert set(done.statuses) == {"completed"}
    assert changing(calls, None) == []
    assert findings(done)["verdict"] != "suspects" or name == "log-review", findings(done)["summary"]
    assert not [canary for canary in lab.canaries if canary.encode() in done.everything()]


@pytest.mark.parametrize(("incident", "name"), INCIDENTS)
def test_a_cause_that_can_be_seen_is_the_first_suspect(lab: Lab, tmp_path: Path, incident: str, name: str) -> None:
    scenario = load_scenario(incident)
    inject(lab.folder, scenario)
    done = investigate(lab, tmp_path, name, scenario.system)
    first = findings(done)["suspects"][0]

    assert done.status == 0, done.errors
    assert scenario.accepts(first["cause"], first["resource"]), findings(done)["summary"]
    assert first["for"]
    assert first["next_steps"]
    assert f"{first['resource']}" in done.page


def test_denied_evidence_is_not_taken_for_health(lab: Lab, tmp_path: Path) -> None:
    lab.control("faults", {"faults": [{"kind": "deny", "service": "cloudwatch"}]})
    done = investigate(lab, tmp_path, "high-error-rate", "reviews")

    assert done.status == 0, done.errors
    assert findings(done)["verdict"] == "insufficient_evidence"
    assert "reviews-api" in {gap["resource"] for gap in findings(done)["not_seen"]}


def test_plain_papermill_runs_the_same_notebook(lab: Lab, tmp_path: Path) -> None:
    output = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "notebooks/no-traffic.ipynb", str(output),
               "-p", "system", "media"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OPSBOOK_LAB_FOLDER": str(lab.folder)}, capture_output=True, text=True,
        timeout=120, stdin=subprocess.DEVNULL, check=False)
    shown = [one for cell in nbformat.read(output, 4).cells for one in cell.get("outputs", ())]

    assert done.returncode == 0, done.stderr
    assert [one for one in shown if "application/vnd.opsbook.findings+json" in one.get("data", {})]
    assert not [canary for canary in lab.canaries if canary in output.read_text(encoding="utf-8")]

