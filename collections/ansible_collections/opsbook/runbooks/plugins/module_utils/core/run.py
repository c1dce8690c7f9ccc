# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one execution of an operation may use of the world: time, permission to change, progress, the journal."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Callable, Protocol, TypeVar

from .errors import Stopped
from .limits import Limits
from .parallel import Done, map_parallel
from .poll import Clock, Poll

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Writes(Protocol):
    """Where the start and the end of each change are written down before and after it happens."""

    def write(self, event: str, **fields: Any) -> None:
        """Append one event, safely on disk when this returns."""

    def write_all(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Append events that belong together, all safely on disk when this returns."""


class NoJournal:
    """The journal of a library user who keeps none."""

    def write(self, event: str, **fields: Any) -> None:
        """Forget the event."""

    def write_all(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Forget the events."""


def utc_now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(timezone.utc)


@dataclass
class Run:
    """The surroundings of one operation.

    :param timeout: seconds the operation may take, waits included
    :param clock: injected time
    :param now: the wall clock
    :param permit: raises Stopped when nothing new may change (lease lost, launcher gone)
    :param progress: told, as one line of text, how a long wait stands
    :param journal: where changes are written down
    :param limits: blast radius
    :param workers: how many things happen at once
    """

    timeout: float = 600.0
    clock: Clock = field(default_factory=Clock)
    now: Callable[[], datetime] = utc_now
    permit: Callable[[], None] = lambda: None
    progress: Callable[[str], None] = lambda text: None
    journal: Writes = field(default_factory=NoJournal)
    limits: Limits = field(default_factory=Limits)
    workers: int = 8

    def __post_init__(self) -> None:
        self.deadline = self.clock.monotonic() + self.timeout
        self._stop = threading.Event()

    def may_change(self) -> None:
        """Ask before anything changes.

        :raises Stopped: when the deadline passed, the run was stopped, or the permit is refused
        """
        if self._stop.is_set():
            raise Stopped("start a change", "this run", "the run was stopped")
        if self.clock.monotonic() >= self.deadline:
            raise Stopped("start a change", "this run", f"its deadline of {self.timeout:.0f} s passed",
                          "Run again: what is done stays done. Raise wait_timeout if it was too short.")
        self.permit()

    def poll(self, first_delay: float = 0.2, longest_delay: float = 15.0) -> Poll:
        """A wait that ends with this run: at its deadline, when it is stopped, or when the permit is refused."""
        return Poll(self.deadline, Clock(self.clock.monotonic, self._pause), first_delay, longest_delay,
                    self._tick, self.progress)

    def each(self, work: Callable[[Item], Answer], items: Iterable[Item]) -> list[Done[Item, Answer]]:
        """Do the work on each item at once, bounded, answers in the items' order. For reads."""
        return map_parallel(work, items, self.workers, on_stop=self.stop)

    def each_change(
        self, work: Callable[[Item], Answer], items: Iterable[Item], workers: int | None = None
    ) -> list[Done[Item, Answer]]:
        """Like `each`, asking before every item whether it may still begin.

        :param workers: how many at once, where it is not as many as the run allows
        """
        return map_parallel(work, items, workers or self.workers, self.may_change, self.stop)

    def stop(self) -> None:
        """No new change starts from here on, and waits end."""
        self._stop.set()

    def _tick(self) -> None:
        if self._stop.is_set():
            raise Stopped("go on waiting", "this run", "the run was stopped")
        self.permit()

    def _pause(self, seconds: float) -> bool:
        return (self.clock.pause or self._stop.wait)(seconds)
