"""Signals that end a run: the first ends the cell, none ends the writing of the record."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal arrived before anything had begun that would have to be ended in order."""


class Signals:
    """Which signal arrived first. Until `guard` is called one raises Interrupted; afterwards it calls what it was given."""

    def __init__(self) -> None:
        self.number = 0
        self._react: Callable[[], None] | None = None

    @property
    def name(self) -> str:
        """The first signal's name; empty while there was none."""
        return signal.Signals(self.number).name if self.number else ""

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait until the end of a block: what it begins is known then to those who end it.

        :raises Interrupted: at the end, when one arrived
        """
        self._react = _nothing
        try:
            yield
        finally:
            self._react = None
        if self.number:
            raise Interrupted

    def guard(self, react: Callable[[], None]) -> None:
        """From now on a signal does not end this process; it calls `react`, which ends the kernel.

        :raises Interrupted: when one has arrived already
        """
        self._react = react
        if self.number:
            raise Interrupted

    def __call__(self, number: int, frame: FrameType | None) -> None:
        first = not self.number
        self.number = self.number or number
        if self._react is not None:
            self._react()
        elif first:
            raise Interrupted


def _nothing() -> None:
    """What a signal does while another part of the program has it wait."""


@contextlib.contextmanager
def signals_taken() -> Iterator[Signals]:
    """Take over SIGTERM, SIGINT and SIGHUP for a block; a signal that is ignored (nohup) stays ignored."""
    signals = Signals()
    before = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, signals)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
