"""Tables of medians, for the terminal and for the documentation."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

WIDTH = 120
AIMS = "Aims"


@dataclass(frozen=True)
class Table:
    """A table with a heading and what is to be known to read it.

    :param once: measured once, however many rounds there are
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    note: str = ""
    once: bool = False

    def as_text(self) -> str:
        """For a terminal."""
        widths = [max(len(line[column]) for line in (self.columns, *self.rows)) for column in range(len(self.columns))]
        lines = [_aligned(line, widths) for line in (self.columns, tuple("-" * width for width in widths), *self.rows)]
        return "\n".join([f"\n{self.title}\n", *_wrapped(self.note.replace("`", "")), *lines])

    def as_markdown(self) -> str:
        """For documentation."""
        rule = ("---", *("---:" for _column in self.columns[1:]))
        lines = ["| " + " | ".join(line) + " |" for line in (self.columns, rule, *self.rows)]
        return "\n".join([f"## {self.title}", "", *_wrapped(self.note), *lines, ""])


def seconds(values: Iterable[float]) -> str:
    """The median in seconds, with the least and the greatest value."""
    known = list(values)
    return _spread(known, 3 if statistics.median(known) < 1 else 1)


def ratio(values: Iterable[float]) -> str:
    """The median of the rounds' ratios, with the least and the greatest."""
    known = list(values)
    return _spread(known, 3 if statistics.median(known) < 1 else 1)


def quotients(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours by theirs, round by round: what disturbs a round disturbs both."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def _spread(values: Sequence[float], digits: int) -> str:
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def _wrapped(note: str) -> list[str]:
    lines = textwrap.wrap(note, WIDTH, break_on_hyphens=False)
    return [*lines, ""] if lines else []


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (text.ljust(width) if column == 0 else text.rjust(width)
                      for column, (text, width) in enumerate(zip(line, widths, strict=True)))
    return "  ".join([first, *others]).rstrip()
