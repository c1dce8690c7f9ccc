"""Measurements of components over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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
