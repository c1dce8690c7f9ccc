"""What became of an investigation: a pure function of what was seen, since papermill's own words are not to be believed.

papermill 2.7 says `completed` of every cell when the kernel was killed or a cell timed out, also of cells that never ran
(measured). What counts here: how execution ended, the execution count of each cell, and the findings that the last cell
leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OK, FAILED, TIMED_OUT, KERNEL_DIED, INTERRUPTED, INCONCLUSIVE = (
    "ok", "failed", "timed_out", "kernel_died", "interrupted", "inconclusive")

EXIT = {OK: 0, FAILED: 3, TIMED_OUT: 4, KERNEL_DIED: 5, INCONCLUSIVE: 6}
"""Exit status by outcome; of what a signal ended 128 and its number."""
MATCHED, REFUSED, WITHHELD, NOT_STORED = 1, 2, 7, 8

EXIT_CODES = """exit status:
  0  the investigation concluded, whatever it found
  1  it concluded, and found what --fail-on names
  2  refused before it began: parameters, system, notebook; nothing was written
  3  a cell failed, or the findings are not as they must be
  4  a cell or the whole investigation took longer than it may
  5  the kernel died
  6  it ended without a conclusion
  7  the record was withheld: a secret was still in it
  8  the record could not be stored (disk full, no permission); the verdict is on the terminal only
  130, 143  interrupted by SIGINT or SIGTERM"""

PENDING, BROKEN_OFF, COMPLETED, CELL_FAILED = "pending", "broken_off", "completed", "failed"


@dataclass(frozen=True)
class CellSeen:
    """A code cell as it was seen.

    :param number: its place among the code cells, from 1
    :param index: its place among all cells
    :param title: what it is called, for people
    :param count: the kernel's execution count; None when it never began
    :param finished: whether its end was seen
    :param error: what it raised, in one line; empty where it raised nothing
    """

    number: int
    index: int
    title: str
    count: int | None = None
    finished: bool = False
    error: str = ""
    seconds: float = 0.0

    @property
    def status(self) -> str:
        """What became of it."""
        if self.finished:
            return CELL_FAILED if self.error else COMPLETED
        return PENDING if self.count is None else BROKEN_OFF


@dataclass(frozen=True)
class Ending:
    """How execution ended, each empty where it did not end so.

    :param signal: name of the signal that ended it
    :param late: what took longer than it may, in words
    :param died: how the kernel ended, in words
    :param unexpected: an error of the runner itself
    """

    signal: str = ""
    late: str = ""
    died: str = ""
    unexpected: str = ""


@dataclass(frozen=True)
class Outcome:
    """The status of a run and, where it is not ok, why."""

    status: str
    error: str = ""


def decide(
    cells: Sequence[CellSeen], ending: Ending, findings: Mapping[str, Any] | None, faults: Sequence[str] = ()
) -> Outcome:
    """The true status of a run.

    :param findings: what the final cell left; None where it left nothing
    :param faults: what is wrong with the findings
    """
    raised = next((cell for cell in cells if cell.error), None)
    whole = bool(cells) and all(cell.status == COMPLETED for cell in cells)
    if not whole:
        where = _where(cells)
        for status, why in ((INTERRUPTED, ending.signal and f"{ending.signal} arrived {where}"),
                            (TIMED_OUT, ending.late and f"{ending.late}, {where}"),
                            (FAILED, raised and f"{_cell(raised)}: {raised.error}"),
                            (KERNEL_DIED, ending.died and f"the kernel died {where}: {ending.died}")):
            if why:
                return Outcome(status, str(why))
        return Outcome(FAILED, ending.unexpected or f"it ended {where} without a reason")
    if ending.unexpected:
        return Outcome(FAILED, ending.unexpected)
    if findings is None:
        return Outcome(INCONCLUSIVE, "every cell ran, and none left findings")
    if faults:
        return Outcome(FAILED, f"the findings are not as they must be: {'; '.join(faults[:5])}")
    return Outcome(OK)


def _where(cells: Sequence[CellSeen]) -> str:
    current = next((cell for cell in cells if cell.status == BROKEN_OFF), None)
    if current:
        return f"in {_cell(current)}"
    done = [cell for cell in cells if cell.finished]
    return f"after {_cell(done[-1])}" if done else "before the first cell"


def _cell(cell: CellSeen) -> str:
    return f"cell {cell.number} ({cell.title})"


def exit_code(
    outcome: Outcome, verdict: str, fail_on: Sequence[str], signal_number: int, stored: bool, withheld: bool
) -> int:
    """The exit status of the command."""
    if withheld:
        return WITHHELD
    if not stored:
        return NOT_STORED
    if outcome.status == INTERRUPTED:
        return 128 + signal_number
    if outcome.status == OK and verdict in fail_on:
        return MATCHED
    return EXIT[outcome.status]
