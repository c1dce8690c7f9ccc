# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting: bounded, with back-off, an injected clock, progress, and a partial answer when time runs out.

The only place in the library that sleeps.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Callable, Generic, TypeVar

Seen = TypeVar("Seen")


@dataclass
class Clock:
    """Time as the library sees it; tests give their own.

    :param monotonic: seconds that never go back
    :param pause: waits that many seconds, or until told to stop; returns True when told to stop.
        None: a plain wait, which a Run replaces by one that ends when the run is stopped
    """

    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], bool] | None = None


@dataclass(frozen=True)
class Waited(Generic[Seen]):
    """How a wait ended.

    :param done: whether the condition was met
    :param seen: what was seen last, also when time ran out
    :param elapsed: seconds waited
    :param looks: how often was looked
    """

    done: bool
    seen: Seen
    elapsed: float
    looks: int


@dataclass
class Poll:
    """Looks again and again until a condition holds or time is up.

    :param deadline: on the clock's monotonic scale, the moment to give up
    :param clock: injected time
    :param first_delay: seconds before the second look; grows by half each time
    :param longest_delay: seconds that a delay grows to at most
    :param tick: called before each look; raises to end the wait (a lost lease, a dead launcher)
    :param progress: told, as one line of text, how things stand
    """

    deadline: float
    clock: Clock = field(default_factory=Clock)
    first_delay: float = 0.2
    longest_delay: float = 15.0
    tick: Callable[[], None] = lambda: None
    progress: Callable[[str], None] = lambda text: None

    def until(
        self, look: Callable[[], Seen], done: Callable[[Seen], bool], describe: Callable[[Seen], str]
    ) -> Waited[Seen]:
        """Look until `done`, at least once.

        :param look: reads the system
        :param done: whether what was seen ends the wait, for better or worse
        :param describe: one line of progress for what was seen
        :returns: how it ended; `done` is False when time ran out
        """
        pause = self.clock.pause or threading.Event().wait
        started = self.clock.monotonic()
        delay = self.first_delay
        looks = 0
        said = ""
        while True:
            self.tick()
            seen = look()
            looks += 1
            finished = done(seen)
            said = self._say(describe(seen), said)
            elapsed = self.clock.monotonic() - started
            left = self.deadline - self.clock.monotonic()
            if finished or left <= 0 or pause(min(delay, left)):
                return Waited(finished, seen, elapsed, looks)
            delay = min(delay * 1.5, self.longest_delay)

    def _say(self, text: str, said: str) -> str:
        if text != said:
            self.progress(text)
        return text
