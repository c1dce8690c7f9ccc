"""One disturbed run: the maintenance is cut off at a moment, run again at once, and judged."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.estate_state import differences, done_twice, end_state
from tests.support.labs import Lab
from tests.support.playbooks import Finished, run_playbook, start_playbook
from tests.support.procedures import faults

PLAYBOOK = "playbooks/weekly-maintenance.yml"
TIMEOUT_SECONDS = 600

HOSTILE = (
    {"kind": "latency", "seconds": 2, "probability": 0.02},
    {"kind": "drop", "when": "before", "probability": 0.02},
    {"kind": "drop", "when": "after", "probability": 0.01},
    {"kind": "throttle", "probability": 0.3},
)
"""A bad day: three of ten calls throttled, connections dropped before and after the work is done, and calls of two
seconds. Reading and writing the run lock is not spared."""

SIGNS = ("did not answer", "Throttl", "TooManyRequests", "ThroughputExceeded", "SlowDown", "Rate exceeded")
"""How a message names these faults."""


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: how long it takes, in seconds, and the state it ends in."""

    seconds: float
    state: dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What became of a disturbed run.

    :param status: exit status of the last run
    :param differences: what differs from the end of an undisturbed run
    :param twice: what was done more than once
    :param unsealed: runs whose record says nothing of how they ended
    :param unexplained: failures of a run on a bad day that name no injected fault
    :param runs: how many runs it took, after the one that was cut off
    :param output: of the last run
    """

    status: int
    differences: dict[str, Any]
    twice: dict[str, int]
    unsealed: list[str]
    unexplained: list[str]
    runs: int
    output: str

    @property
    def ok(self) -> bool:
        """Whether the last run ended well, in the same state, nothing was done twice, and everything is on record."""
        return self.status == 0 and not (self.differences or self.twice or self.unsealed or self.unexplained)


def undisturbed(lab: Lab, records: Path) -> Reference:
    """Run the maintenance once on a fresh estate.

    :raises RuntimeError: when it does not end well
    """
    lab.reset()
    begun = time.monotonic()
    finished = _maintain(lab, records)
    if finished.status:
        raise RuntimeError(f"the undisturbed run failed:\n{finished.output}")
    return Reference(time.monotonic() - begun, end_state(lab))


def disturb(
    lab: Lab, records: Path, reference: Reference, after: float, sent: signal.Signals, seed: int | None = None
) -> Verdict:
    """Cut a run off after so many seconds by a signal to the ansible-playbook process alone, and run it again at once.

    :param seed: of the faults that both runs meet (HOSTILE); None for a lab without faults
    """
    lab.reset()
    faults(lab, *(HOSTILE if seed is not None else ()), seed=seed or 1)
    process = start_playbook(lab, PLAYBOOK, records=records, capture=False)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(sent)
    process.wait(60)
    return judge_rerun(lab, records, reference)


def judge_rerun(lab: Lab, records: Path, reference: Reference) -> Verdict:
    """Run the maintenance again and compare with the undisturbed run.

    On a bad day a run may fail, if every failure names the fault that it met; then the next one, on a day without faults,
    has to end well.
    """
    again, runs, unexplained = _maintain(lab, records), 1, list[str]()
    if again.status:
        unexplained = _unexplained(again)
        faults(lab)
        again, runs = _maintain(lab, records), 2
    faults(lab)
    return Verdict(again.status, differences(reference.state, end_state(lab)), done_twice(lab), _unsealed(records),
                   unexplained, runs, again.output)


def _unexplained(run: Finished) -> list[str]:
    """Failed tasks of a run whose message names none of the faults that were injected."""
    return [f"{task['system']}: {task['task']}: {task['message']}" for task in run.record["tasks"]
            if task["status"] in ("failed", "unreachable") and not any(sign in task["message"] for sign in SIGNS)]


def _maintain(lab: Lab, records: Path) -> Finished:
    return run_playbook(lab, PLAYBOOK, records=records, timeout=TIMEOUT_SECONDS)


def _unsealed(records: Path) -> list[str]:
    """Runs that left a journal and no record."""
    return sorted(path.parent.name for path in records.glob("*/journal.jsonl") if not (path.parent / "record.json").exists())
