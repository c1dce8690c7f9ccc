"""A run under way: what became of each cell, how much time is left, and the notebook on disk after every cell."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opsbook.runner.caps import Allowance
from opsbook.runner.kept import INJECTED, one_line, tidy, truthful
from opsbook.runner.outcome import CellSeen, Ending
from opsbook.runner.scrub import Scrubber
from opsbook.runner.store import RunFolder, Withheld

Say = Callable[[str], None]

LONGEST_TITLE = 80
"""Characters of a cell's title: a line of a terminal."""


def titles_of(cells: Sequence[Mapping[str, Any]]) -> list[CellSeen]:
    """The code cells of a notebook, each with what a person calls it: the heading above it, the comment it begins with."""
    found: list[CellSeen] = []
    heading = ""
    for index, cell in enumerate(cells):
        source = _source(cell)
        if cell["cell_type"] == "markdown":
            heading = _heading(source) or heading
        elif cell["cell_type"] == "code" and source.strip():
            found.append(CellSeen(len(found) + 1, index, _title(cell, source, heading)))
    return found


def _source(cell: Mapping[str, Any]) -> str:
    source = cell["source"]
    return "".join(source) if isinstance(source, list) else str(source)


def _title(cell: Mapping[str, Any], source: str, heading: str) -> str:
    tags = cell["metadata"].get("tags") or []
    if INJECTED in tags:
        return "parameters of this run"
    if "parameters" in tags:
        return "parameters"
    first = source.strip().splitlines()[0].strip()
    named = next((tag for tag in tags if tag.isidentifier()), "")
    said = first.lstrip("# ") if first.startswith("#") else heading or first
    return textwrap.shorten(f"{named}: {said}" if named else said, LONGEST_TITLE, placeholder=" ...")


def _heading(source: str) -> str:
    """What a cell of text announces: its heading, and below a section's heading what the section begins with."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    headed = next((line.lstrip("# ") for line in lines if line.startswith("#")), "")
    said = next((line for line in lines if not line.startswith("#")), "")
    is_section = any(line.startswith("##") for line in lines)
    return f"{headed}: {said}" if headed and said and is_section else headed or said


class Course:
    """Watches a run for the engine, and keeps what is seen."""

    def __init__(
        self, notebook: Any, folder: RunFolder, scrubber: Scrubber, say: Say, deadline: float, cell_timeout: float,
        stopped: Callable[[], str], monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param deadline: moment the whole run ends at, by `monotonic`
        :param stopped: name of the signal that ends the run; empty while there is none
        """
        self.notebook = notebook
        self.cells = {cell.index: cell for cell in titles_of(notebook["cells"])}
        self.deadline = deadline
        self.withheld: Withheld | None = None
        self._folder = folder
        self._run = folder.path.name
        self._scrubber = scrubber
        self._say = say
        self._cell_timeout = cell_timeout
        self._stopped = stopped
        self._monotonic = monotonic
        self._begun = 0.0

    @property
    def seen(self) -> list[CellSeen]:
        """All code cells in order."""
        return list(self.cells.values())

    def cell_starts(self, index: int) -> bool:
        """Note that a cell begins, unless the run is to end."""
        if self._stopped() or self.withheld or self._monotonic() >= self.deadline:
            return False
        cell = self.cells[index]
        self._begun = self._monotonic()
        self._folder.note("cell_started", cell=cell.number, title=cell.title)
        return True

    def seconds_left(self) -> float:
        """How long the cell may take."""
        return min(self._cell_timeout, self.deadline - self._monotonic())

    def cell_ended(self, index: int, allowance: Allowance, error: str) -> None:
        """Keep what a cell has put out, and put it on disk."""
        self._end(index, allowance, finished=True, error=error)

    def cell_broke_off(self, index: int, allowance: Allowance) -> None:
        """Keep what a cell had put out when it was ended."""
        self._end(index, allowance, finished=False, error="")

    def _end(self, index: int, allowance: Allowance, finished: bool, error: str) -> None:
        raw = self.notebook["cells"][index]
        seconds = round(self._monotonic() - self._begun, 3)
        # A cell that was sent to the kernel has begun, also where its number never came back.
        seen = replace(self.cells[index], count=raw.get("execution_count") or 0, finished=finished,
                       error=one_line(error, self._scrubber), seconds=seconds)
        self.cells[index] = seen
        raw["outputs"] = tidy(raw.get("outputs") or [], allowance, self._scrubber)
        if not finished:
            raw["execution_count"] = None
        self._folder.note("cell_finished", cell=seen.number, status=seen.status, seconds=seconds, error=seen.error)
        if finished:
            mark = "  FAILED" if seen.error else ""
            self._say(f"[{seen.number}/{len(self.cells)}] {seen.title}  {seconds:.1f} s{mark}")
        self.keep("running")

    def keep(self, status: str) -> None:
        """Put the notebook on disk as far as it is; one that still holds a secret is not put there, and ends the run."""
        try:
            self._folder.store_notebook(truthful(self.notebook, self.seen, self._run, status, self._scrubber))
        except Withheld as error:
            self.withheld = error

    def ending(self, late: str = "", died: str = "", unexpected: str = "") -> Ending:
        """How the run ended: what interrupted it, or the deadline, or what is said."""
        passed = self._monotonic() >= self.deadline and any(not cell.finished for cell in self.seen)
        late = "the investigation's time is over" if passed else late
        return Ending(self._stopped(), late, died, unexpected)
