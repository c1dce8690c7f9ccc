"""When a metric changed, by how much, and whether it is over: one change, around the window that is looked at.

Searching a series for all its changes with a penalty names too many of them, so one is looked for: the stretch that leaves
the baseline furthest behind. It is the maximum of a cumulative sum (Page, 1954): each point adds by how many spreads it is
beyond the baseline less `ALLOWANCE`, and the stretch with the greatest sum is the change. That needs no
length, bears gaps, finds an incident that is over as well as one that goes on, and puts a ramp's beginning near its foot.

The baseline's spread is here the median absolute deviation without the tail (see `robust`): half of the baseline may be the
incident. One that began earlier still moves the baseline itself; then the series is cut in two where both halves are closest
to their means (least squares), and the cut is the change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from statistics import median

from opsbook.diagnosis.robust import BOTH, DOWN, LEAST_POINTS, UP, deviation, floor_of
from opsbook.diagnosis.series import Series
from opsbook.evidence.pieces import Span

BELIEVED = 3.0
"""Spreads between the level before and after. The median of two normal points is beyond that once in 90,000 pairs."""
ALLOWANCE = BELIEVED / 2
"""Half of the change to be found, as Page's test has it: points in between speak for neither side."""
CLIPPED = 2 * BELIEVED
"""What one point counts at most: a single spike carries the sum over three ordinary points and no further."""
CARRIED = 2 * CLIPPED
"""What a stretch carries on at most: eight ordinary points end one, however long it was, and what follows is another."""
LEAST_CHANGED = 2
"""One point is a spike, two are a change."""
LEAST_RAMP = 6
"""A ramp's first and last third need two points each."""
STEP, RAMP = "step", "ramp"

Points = Sequence[tuple[datetime, float]]


@dataclass(frozen=True)
class ChangePoint:
    """A change of a series' level.

    :param onset: the start of the first period that is changed
    :param until: the start of the first that is not any more; None where it goes on to the end
    :param before, after: the levels: the baseline's median, and that of the changed stretch
    :param size: what lies between, in spreads; negative where it fell
    :param points: how many periods the changed stretch has
    :param shape: step, or ramp where it kept moving
    :param believable: whether it is large and long enough to speak of
    """

    onset: datetime
    until: datetime | None
    before: float
    after: float
    size: float
    points: int
    shape: str
    believable: bool


def change_point(series: Series, window: Span, baseline: Span, direction: int = BOTH) -> ChangePoint | None:
    """The change of a series that is in the window, or reaches into it from before; None where nothing moved or too little
    is known. What was over before the window began is not looked for.

    None for an incident that is older than the baseline as well: the level then never changes in what was seen.

    :param baseline: the stretch before the window that says what is usual
    :param direction: look for a rise (UP), a fall (DOWN) or either
    """
    before = [value for _moment, value in series.filled(baseline.start, baseline.end)]
    points = series.filled(min(baseline.start, window.start), window.end)
    if len(before) < LEAST_POINTS:
        return None
    level = median(before)
    spread = max(deviation(before), floor_of(level, series.kind, series.unit))
    sides = (UP, DOWN) if direction == BOTH else (direction,)
    stretches = [_stretch(points, level, spread, side, window.start) for side in sides]
    found = max(stretches, key=lambda stretch: abs(stretch.size) * stretch.points if stretch else 0.0)
    if found and found.believable:
        return found
    return _cut(points, sides, lambda usual: floor_of(usual, series.kind, series.unit)) or found


def _stretch(points: Points, level: float, spread: float, side: int, reaches: datetime) -> ChangePoint | None:
    """The stretch whose sum beyond the baseline is greatest, of those that reach a moment."""
    best, best_sum, first, total, carried = None, 0.0, 0, 0.0, 0.0
    for number, (moment, value) in enumerate(points):
        if carried <= 0:
            first, total, carried = number, 0.0, 0.0
        beyond = min(side * (value - level) / spread, CLIPPED) - ALLOWANCE
        total, carried = total + beyond, min(carried + beyond, CARRIED)
        if total > best_sum and moment >= reaches:
            best, best_sum = (first, number + 1), total
    return _described(points, *best, level, spread) if best else None


def _cut(points: Points, sides: Sequence[int], floor: Callable[[float], float]) -> ChangePoint | None:
    """The cut of the series in two that leaves least squares; None where the halves are not `BELIEVED` apart."""
    values = [value for _moment, value in points]
    sums, total = [0.0, *accumulate(values)], sum(values)
    places = range(LEAST_POINTS, len(values) - LEAST_CHANGED + 1)

    def between(place: int) -> float:
        difference = sums[place] / place - (total - sums[place]) / (len(values) - place)
        return place * (len(values) - place) * difference * difference

    place = max(places, key=between, default=None)
    if place is None:
        return None
    level = median(values[:place])
    found = _described(points, place, len(points), level, max(deviation(values[:place]), floor(level)))
    return found if found.believable and (UP if found.size > 0 else DOWN) in sides else None


def _described(points: Points, first: int, last: int, level: float, spread: float) -> ChangePoint:
    changed = [value for _moment, value in points[first:last]]
    after = median(changed)
    size = (after - level) / spread
    until = points[last][0] if last < len(points) else None
    believable = abs(size) >= BELIEVED and len(changed) >= LEAST_CHANGED
    return ChangePoint(points[first][0], until, level, after, size, len(changed), _shape(changed, level, spread), believable)


def _shape(changed: Sequence[float], level: float, spread: float) -> str:
    """A ramp where most of the change happens between the first and the last third of the stretch."""
    if len(changed) < LEAST_RAMP:
        return STEP
    third = len(changed) // 3
    moved = abs(median(changed[-third:]) - median(changed[:third]))
    return RAMP if moved >= max(BELIEVED * spread, abs(median(changed[-third:]) - level) / 2) else STEP


def fits(onset: datetime | None, symptom: datetime | None, tolerance: timedelta) -> bool | None:
    """Whether what began at `onset` can have caused what began at `symptom`; None where one of both is not known.

    A cause may have begun earlier (a leak, a queue that fills); it cannot begin after its effect, by more than metrics are
    coarse.

    :param tolerance: two periods of the coarser metric: either may see its first bad second at a period's end
    """
    if onset is None or symptom is None:
        return None
    return onset <= symptom + tolerance
