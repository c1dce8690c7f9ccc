"""What became of a run: decided from what was seen, never from what papermill says."""

from __future__ import annotations

from typing import Any

import pytest

from opsbook.runner.outcome import CellSeen, Ending, Outcome, decide, exit_code


def cells(*statuses: str) -> list[CellSeen]:
    kinds: dict[str, dict[str, Any]] = {
        "completed": {"count": 1, "finished": True}, "failed": {"count": 1, "finished": True, "error": "KeyError: 'a'"},
        "broken_off": {"count": 0}, "pending": {}}
    return [CellSeen(number, number, f"step {number}", **kinds[status]) for number, status in enumerate(statuses, 1)]


DONE, FAILED = cells("completed", "completed"), cells("completed", "failed", "pending")
BROKEN, WAITING = cells("completed", "broken_off", "pending"), cells("completed", "pending")
FOUND = {"verdict": "suspects"}


@pytest.mark.parametrize(("seen", "ending", "findings", "faults", "status", "said"), [
    (DONE, Ending(), FOUND, (), "ok", ""),
    (DONE, Ending(), None, (), "inconclusive", "none left findings"),
    (DONE, Ending(), FOUND, ("verdict: wrong",), "failed", "verdict: wrong"),
    (DONE, Ending(signal="SIGTERM"), FOUND, (), "ok", ""),
    (DONE, Ending(died="signal SIGKILL"), FOUND, (), "ok", ""),
    (DONE, Ending(unexpected="OSError: x"), FOUND, (), "failed", "OSError"),
    (FAILED, Ending(), None, (), "failed", "cell 2 (step 2): KeyError: 'a'"),
    (FAILED, Ending(), FOUND, (), "failed", "KeyError"),
    (BROKEN, Ending(died="signal SIGKILL"), None, (), "kernel_died", "in cell 2 (step 2): signal SIGKILL"),
    (BROKEN, Ending(died="signal SIGKILL"), FOUND, (), "kernel_died", "SIGKILL"),
    (BROKEN, Ending(late="it took longer than 2s"), None, (), "timed_out", "it took longer than 2s, in cell 2 (step 2)"),
    (BROKEN, Ending(signal="SIGTERM", died="signal SIGKILL"), None, (), "interrupted", "SIGTERM arrived in cell 2"),
    (BROKEN, Ending(late="x", died="signal SIGKILL"), None, (), "timed_out", "x"),
    (WAITING, Ending(signal="SIGINT"), None, (), "interrupted", "SIGINT arrived after cell 1"),
    (WAITING, Ending(), FOUND, (), "failed", "without a reason"),
    (cells("pending"), Ending(unexpected="RuntimeError: no kernel"), None, (), "failed", "no kernel"),
    ([], Ending(), None, (), "failed", "before the first cell"),
])
def test_the_status_is_what_was_seen(
        seen: list[CellSeen], ending: Ending, findings: Any, faults: tuple[str, ...], status: str, said: str) -> None:
    outcome = decide(seen, ending, findings, faults)

    assert outcome.status == status
    assert said in outcome.error


@pytest.mark.parametrize(("status", "verdict", "fail_on", "number", "stored", "withheld", "code"), [
    ("ok", "suspects", (), 0, True, False, 0), ("ok", "suspects", ("suspects",), 0, True, False, 1),
    ("ok", "nothing_wrong", ("suspects",), 0, True, False, 0), ("failed", "", (), 0, True, False, 3),
    ("timed_out", "", (), 0, True, False, 4), ("kernel_died", "", (), 0, True, False, 5),
    ("inconclusive", "", (), 0, True, False, 6), ("interrupted", "", (), 15, True, False, 143),
    ("interrupted", "", (), 2, True, False, 130), ("ok", "suspects", ("suspects",), 0, False, False, 8),
    ("failed", "", (), 0, True, True, 7), ("failed", "", (), 0, False, True, 7),
])
def test_the_exit_status_tells_them_apart(
        status: str, verdict: str, fail_on: tuple[str, ...], number: int, stored: bool, withheld: bool, code: int) -> None:
    assert exit_code(Outcome(status), verdict, fail_on, number, stored, withheld) == code
