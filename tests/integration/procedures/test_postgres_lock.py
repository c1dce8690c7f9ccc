"""The run lock of the media system is a row in its own PostgreSQL: held, waited for, taken over, missed when it is down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.support.ailments import frozen_postgres
from tests.support.labs import Lab
from tests.support.locks import lock_row
from tests.support.playbooks import start_playbook
from tests.support.procedures import (
    FRONT_MATTER,
    PLAYBOOK,
    faults,
    inventory_altered,
    maintain,
    named,
    procedure,
)
from tests.support.waiting import eventually

MEDIA = ("--limit", "media")
LEASE_SECONDS = 4
# Of each of several calls; less than the client's patience for an answer.
SLOW_SECONDS = 20
GUARD = "Check the parameters, the account and the window, and take the run lock"
EMERGENCY = {**FRONT_MATTER, "class": "emergency", "title": "An emergency of a test"}
REASON = ["-e", '{"override_reason": "the site is down"}']
DOWN: dict[str, dict[str, Any]] = {
    "refusing": {"reason": "Connection refused", "days": 90},
    "frozen": {"reason": "timeout expired", "days": 180},
}


@contextmanager
def slow_metrics(lab: Lab) -> Iterator[None]:
    """The media system's maintenance takes much longer than a lease lasts, without changing anything."""
    faults(lab, {"kind": "latency", "service": "cloudwatch", "action": "*", "seconds": SLOW_SECONDS,
                 "account": lab.status["accounts"]["media"]["account_id"]})
    try:
        yield
    finally:
        faults(lab)


def test_a_second_run_waits_for_a_first_that_renews_and_a_third_takes_over_from_one_that_died(
    seeded_estate: Lab, records: Path
) -> None:
    with slow_metrics(seeded_estate):
        first = start_playbook(seeded_estate, PLAYBOOK, *MEDIA, records=records / "1", capture=False)
        try:
            held = eventually(lambda: (row := lock_row(seeded_estate, "media")).get("run") and row)
            second = maintain(seeded_estate, records / "2", *MEDIA)
            renewed = lock_row(seeded_estate, "media")
            assert first.poll() is None
        finally:
            first.kill()
            first.wait()
    assert second.status != 0
    assert f"waiting for the lock: run {held['run']} ({held['holder']}) holds it until" in second.said
    assert f"run {held['run']} of {held['holder']} holds it and keeps renewing it. Wait for that run" in second.said
    assert [task["task"] for task in second.record["tasks"] if task["status"] == "failed"] == [GUARD]
    assert second.changing(None) == []
    assert (renewed["run"], renewed["fence"]) == (held["run"], held["fence"])
    assert float(renewed["expires"]) > float(held["expires"]) + LEASE_SECONDS / 2

    third = maintain(seeded_estate, records / "3", *MEDIA)
    assert third.status == 0, third.output
    assert third.record["guard"][0]["lock"]["fence"] == int(held["fence"]) + 1
    assert {change["outcome"] for change in third.record["changes"]} == {"done"}
    assert lock_row(seeded_estate, "media")["run"] == ""
    assert [named(call) for call in third.calls if call["purpose"] == "control"] == []


def test_a_routine_is_refused_while_the_database_of_the_lock_is_down(
    seeded_estate: Lab, records: Path, tmp_path: Path
) -> None:
    run = maintain(seeded_estate, records, *MEDIA, "-i", inventory_altered(tmp_path, media=_with_a_lock_that_is_down))
    assert run.status != 0
    assert [task["task"] for task in run.record["tasks"] if task["status"] == "failed"] == [GUARD]
    assert "Could not connect to PostgreSQL" in run.said
    assert "Connection refused" in run.said
    assert run.changing(None) == []


@pytest.mark.parametrize("down", list(DOWN))
def test_an_emergency_goes_on_without_the_lock_and_says_so(
    seeded_estate: Lab, records: Path, tmp_path: Path, down: str
) -> None:
    inventory = inventory_altered(tmp_path, media=_with_a_lock_that_is_down)
    playbook = procedure(tmp_path, [_work(DOWN[down]["days"])], front=EMERGENCY)
    begun = time.monotonic()
    with frozen_postgres(seeded_estate) if down == "frozen" else nullcontext():
        run = maintain(seeded_estate, records, *MEDIA, *REASON, *(["-i", inventory] if down == "refusing" else []),
                       playbook=playbook)
    guard = run.record["guard"][0]

    assert run.status == 0, run.output
    assert run.carried_out() == ["logs:PutRetentionPolicy"]
    assert "WITHOUT the run lock of media" in run.said
    assert any("WITHOUT THE RUN LOCK" in line for line in run.summary)
    assert guard["lock"] is None
    assert DOWN[down]["reason"] in guard["without_lock"]
    # Nobody waits long for a store in the middle of an outage.
    assert time.monotonic() - begun < 40


def _with_a_lock_that_is_down(variables: dict[str, Any]) -> None:
    variables["opsbook_lock"]["postgres"] = {**variables["opsbook_postgres"], "login_port": 9}


def _work(days: int) -> dict[str, Any]:
    return {"name": "Give a log group a retention policy", "opsbook.runbooks.log_group_retention": {
        "rules": [{"pattern": "/media-search/cron", "days": days}], "change_existing": True}}
