"""Levels and spreads that a few strange points do not move; what every comparison with a baseline here rests on.

A spread is in the metric's own unit, and one spread is one standard deviation where the values are normally distributed, so
that "three spreads" means the same for a gauge, a count and a ratio. It is the greatest of these; each alone has a hole:

* the median absolute deviation times 1.4826 (Hampel, 1974), which half of the points cannot move, and which is 0 for a
  metric that mostly stands still;
* the distance from the median to the 95th percentile on the side that matters, by 1.645: a metric that has always had a
  long tail (a Lambda function's cold starts) is not unusual when it shows it. A twentieth of a baseline may be trouble
  itself, 9 minutes of 3 hours, before this hides anything;
* of a count, the square root of its level: events that are independent scatter by that (Poisson), and by one event where
  there were none;
* of a gauge, a twentieth of its level and `RESOLUTION`: a constant baseline does not make each wrinkle infinitely strange,
  and three spreads are then a change of 15 %, below which nobody would call it an incident.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from opsbook.diagnosis.series import COUNT

UP, DOWN, BOTH = 1, -1, 0
"""Which way is worse."""

NORMAL_MAD = 1.4826
TAIL, TAIL_SPREADS = 0.95, 1.645
"""The 95th percentile of a normal distribution lies 1.645 standard deviations above its median."""
RELATIVE = 0.05
RESOLUTION = {"percent": 1.0, "ms": 1.0, "s": 0.001}
"""What a person would not tell apart: one per cent point, one millisecond."""
LEAST_POINTS = 5
"""A median of fewer is moved by two strange points."""


@dataclass(frozen=True)
class Usual:
    """What a metric is like when nothing is wrong.

    :param level: its median
    :param spread: how far it usually strays, see above; above 0
    :param points: how many values it was taken from
    """

    level: float
    spread: float
    points: int


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile with linear interpolation between the two nearest values (Hyndman and Fan's definition 7).

    :param values: at least one
    :param share: 0 to 1
    """
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def deviation(values: Sequence[float]) -> float:
    """The median absolute deviation, scaled to a standard deviation; 0 for values that mostly stand still."""
    middle = median(values)
    return NORMAL_MAD * median(abs(value - middle) for value in values)


def tail(values: Sequence[float], direction: int) -> float:
    """How far the tail on the side that matters reaches, scaled to a standard deviation."""
    middle = median(values)
    above = (quantile(values, TAIL) - middle) / TAIL_SPREADS
    below = (middle - quantile(values, 1 - TAIL)) / TAIL_SPREADS
    return {UP: above, DOWN: below}.get(direction, max(above, below))


def floor_of(level: float, kind: str, unit: str) -> float:
    """The least spread that a metric of this level has."""
    if kind == COUNT:
        return math.sqrt(max(level, 1.0))
    return max(RELATIVE * abs(level), RESOLUTION.get(unit, 0.0)) or 1.0


def usual_of(values: Sequence[float], kind: str, unit: str, direction: int = BOTH) -> Usual | None:
    """What values of a baseline are like; None where there are too few to tell.

    :param values: one a period
    :param kind: the series' kind, count or gauge
    :param direction: which way is worse
    """
    if len(values) < LEAST_POINTS:
        return None
    level = median(values)
    return Usual(level, max(deviation(values), tail(values, direction), floor_of(level, kind, unit)), len(values))
