"""One disturbed run: the maintenance is cut off at a moment, run again at once, and judged."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.estate_state import done_twice, end_state
from tests.support.labs import Lab
from tests.support.playbooks import run_playbook, start_playbook

PLAYBOOK = "playbooks/weekly-maintenance.yml"


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: how long it takes, in seconds, and the state it ends in."""

    seconds: float
    state: dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What became of a disturbed run; all empty when it ended as an undisturbed one does."""

    status: int
    differences: dict[str, Any]
    twice: dict[str, int]
    output: str

    @property
    def ok(self) -> bool:
        """Whether the re-run ended well, in the same state, with nothing done twice."""
        return self.status == 0 and not self.differences and not self.twice


def undisturbed(lab: Lab, records: Path) -> Reference:
    """Run the maintenance once on a fresh estate.

    :raises RuntimeError: when it does not end well
    """
    lab.reset()
    begun = time.monotonic()
    finished = run_playbook(lab, PLAYBOOK, records=records)
    if finished.status:
        raise RuntimeError(f"the undisturbed run failed:\n{finished.output}")
    return Reference(time.monotonic() - begun, end_state(lab))


def disturb(lab: Lab, records: Path, reference: Reference, after: float, sent: signal.Signals) -> Verdict:
    """Cut a run off after so many seconds by a signal to the ansible-playbook process alone, and run it again at once."""
    lab.reset()
    process = start_playbook(lab, PLAYBOOK, records=records, capture=False)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(sent)
    process.wait(60)
    return judge_rerun(lab, records, reference)


def judge_rerun(lab: Lab, records: Path, reference: Reference) -> Verdict:
    """Run the maintenance again and compare with the undisturbed run."""
    again = run_playbook(lab, PLAYBOOK, records=records)
    state = end_state(lab)
    differences = {part: {"expected": reference.state[part], "actual": state[part]}
                   for part in reference.state if state[part] != reference.state[part]}
    return Verdict(again.status, differences, done_twice(lab), again.output)
