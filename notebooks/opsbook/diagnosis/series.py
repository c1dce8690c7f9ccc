"""Measurements of components over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

COUNT, GAUGE = "count", "gauge"


@dataclass(frozen=True)
class Series:
    """One metric of one component.

    :param component: its name in the service map
    :param metric: what is measured, in our words, the same for every kind of component that has it: requests, errors,
        latency_p95, throttles, cpu_percent, memory_percent, connections, ...
    :param unit: requests, percent, ms, bytes ...
    :param kind: "count" (of events in each period; a period without a point had none where `zero_if_missing`) or "gauge"
    :param points: (start of the period, value) in time order, UTC
    :param period: seconds that a point stands for
    :param zero_if_missing: whether no point means none happened; else it means that nobody knows
    """

    component: str
    metric: str
    unit: str
    kind: str
    points: tuple[tuple[datetime, float], ...]
    period: int = 60
    zero_if_missing: bool = False

    def within(self, start: datetime, end: datetime) -> tuple[tuple[datetime, float], ...]:
        """The points whose period begins in [start, end)."""
        return tuple(point for point in self.points if start <= point[0] < end)

    def filled(self, start: datetime, end: datetime) -> tuple[tuple[datetime, float], ...]:
        """The same, with a 0 for each period without a point where that means that none happened.

        Periods begin where the points' do; without any point, at `start`. A point in the midst of one belongs to it.
        """
        known = self.within(start, end)
        if not self.zero_if_missing:
            return known
        step = timedelta(seconds=self.period)
        first = self.points[0][0] if self.points else start
        number, last = -((first - start) // step), -((first - end) // step)
        grid = {first + place * step: 0.0 for place in range(number, last)}
        for moment, value in known:
            begun = max(first + (moment - first) // step * step, start)
            grid[begun] = grid.get(begun, 0.0) + value
        return tuple(sorted(grid.items()))
