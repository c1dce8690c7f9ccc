"""A clock that tests wind themselves: nothing waits, every pause is written down."""

from __future__ import annotations

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.poll import Clock


class ScriptedClock:
    """Time that passes only in pauses.

    :param stopped_after: the pause of this number is cut short, as when a run is stopped; None never
    """

    def __init__(self, stopped_after: int | None = None) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self._stopped_after = stopped_after

    def clock(self) -> Clock:
        return Clock(self.monotonic, self.pause)

    def monotonic(self) -> float:
        return self.now

    def pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.now += seconds
        return len(self.pauses) == self._stopped_after
