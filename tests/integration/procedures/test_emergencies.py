"""An emergency does not wait for a window or for a lock that cannot be asked, and its record says so; a routine does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.labs import Lab
from tests.support.locks import lock_row
from tests.support.procedures import FRONT_MATTER, faults, inventory_with, maintain, procedure

REASON = ["-e", '{"override_reason": "the shop is down"}']
EMERGENCY = {**FRONT_MATTER, "class": "emergency", "title": "An emergency of a test"}
READING = {**FRONT_MATTER, "changes": False}
PRUNE = {"name": "Delete old versions", "opsbook.runbooks.lambda_version_prune": {
    "function_names": ["tiktok-commerce-video-indexer"], "keep": 3}}
READ = {"name": "Read the functions", "opsbook.runbooks.lambda_function_info": {"function_names": ["tiktok-commerce-*"]}}
CLOSED = {
    "maintenance_windows": [{"days": ["monday"], "start": "02:00", "end": "02:01", "timezone": "UTC"}],
    "change_freezes": [{"name": "the sale", "start": "2020-01-01", "end": "2099-12-31"}],
}
DOWN = {
    "dropped": {"kind": "drop", "service": "dynamodb", "action": "*"},
    "denied": {"kind": "deny", "service": "dynamodb", "action": "*"},
}


@pytest.mark.parametrize("down", list(DOWN))
def test_an_emergency_goes_on_while_the_lock_store_is_down_and_says_so(
    lab: Lab, records: Path, tmp_path: Path, down: str
) -> None:
    faults(lab, DOWN[down])
    begun = time.monotonic()
    run = maintain(lab, records, *REASON, playbook=procedure(tmp_path, [PRUNE], front=EMERGENCY))
    guard = run.record["guard"][0]

    assert run.status == 0, run.output
    assert "lambda:DeleteFunction" in run.carried_out()
    assert "WITHOUT the run lock of commerce" in run.said
    assert any("WITHOUT THE RUN LOCK" in line for line in run.summary)
    assert guard["lock"] is None
    assert guard["without_lock"]
    # It gives up soon: nobody waits for a store in the middle of an outage.
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("down", list(DOWN))
def test_a_routine_is_refused_while_the_lock_store_is_down(lab: Lab, records: Path, tmp_path: Path, down: str) -> None:
    faults(lab, DOWN[down])
    run = maintain(lab, records, *REASON, playbook=procedure(tmp_path, [PRUNE]))

    assert run.status != 0
    assert run.changing() == []


def test_an_emergency_skips_window_and_freeze_but_not_the_reason(lab: Lab, records: Path, tmp_path: Path) -> None:
    where = ["-i", inventory_with(tmp_path, closed=CLOSED), "--limit", "closed"]
    playbook = procedure(tmp_path, [PRUNE], front=EMERGENCY)
    without = maintain(lab, records / "1", *where, playbook=playbook)
    given = maintain(lab, records / "2", *where, *REASON, playbook=playbook)

    assert without.status != 0
    assert "no reason is given" in without.said
    assert without.changing() == []
    assert given.status == 0, given.output
    assert given.record["guard"][0]["opening"] == "emergency: the shop is down"
    assert any("begun emergency: the shop is down" in line for line in given.summary)


def test_an_emergency_takes_over_from_the_run_it_names_and_from_no_other(
    lab: Lab, records: Path, tmp_path: Path
) -> None:
    _held_by(lab, "20261121-stuck")
    playbook = procedure(tmp_path, [PRUNE], front=EMERGENCY)
    wrong = maintain(lab, records / "1", *REASON, "-e", "take_over=another", playbook=playbook)
    right = maintain(lab, records / "2", *REASON, "-e", "take_over=20261121-stuck", playbook=playbook)

    assert wrong.status != 0
    assert "it is held by run 20261121-stuck, not by another" in wrong.said
    assert wrong.changing() == []
    assert right.status == 0, right.output
    assert right.record["guard"][0]["lock"]["fence"] == 42
    assert lock_row(lab)["run"] == ""


def test_a_routine_takes_over_from_nobody(lab: Lab, records: Path, tmp_path: Path) -> None:
    _held_by(lab, "20261121-stuck")
    run = maintain(lab, records, "-e", "take_over=20261121-stuck", playbook=procedure(tmp_path, [PRUNE]))

    assert run.status != 0
    assert "only an emergency procedure may" in run.said
    assert lock_row(lab)["run"] == "20261121-stuck"


def test_what_only_reads_needs_no_window_no_confirmation_and_no_lock(lab: Lab, records: Path, tmp_path: Path) -> None:
    _held_by(lab, "20261121-other")
    inventory = inventory_with(tmp_path, closed={**CLOSED, "opsbook_environment": "production"})
    run = maintain(lab, records, "-i", inventory, "--limit", "closed", playbook=procedure(tmp_path, [READ], front=READING))

    assert run.status == 0, run.output
    assert run.changing(None) == []


def test_machines_of_one_system_share_its_lock_in_one_run(lab: Lab, records: Path, tmp_path: Path) -> None:
    machines: dict[str, dict[str, Any]] = {name: {"system": "commerce"} for name in ("shop-1", "shop-2")}
    inventory = inventory_with(tmp_path, **machines)
    run = maintain(lab, records, "-i", inventory, playbook=procedure(tmp_path, [PRUNE]))

    assert run.status == 0, run.output
    assert {guard["lock"]["fence"] for guard in run.record["guard"]} == {1}
    assert run.record["systems"] == ["commerce"]
    assert lock_row(lab)["run"] == ""


def _held_by(lab: Lab, run: str) -> None:
    row = {"system": "commerce", "run": run, "holder": "bob", "procedure": "Fail over", "token_digest": "d"}
    lab.client("dynamodb").put_item(TableName=lab.status["lock_table"], Item={
        **{name: {"S": value} for name, value in row.items()},
        "fence": {"N": "41"}, "expires": {"N": f"{time.time() + 600:.3f}"}})
