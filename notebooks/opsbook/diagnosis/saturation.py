"""What is at its limit, since when, how much is left, and what is on its way there (a leak)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.trends import LEAST_POINTS, USED, Target, trend_of
from opsbook.diagnosis.series import Series
from opsbook.evidence.pieces import Span

FULL = 0.95
"""At 95 % of a hard limit a metric of whole minutes has touched it within some of their seconds."""
LASTING = 3
"""Periods above a threshold that are no spike: CloudWatch's alarms of these procedures ask for as many."""
SURE = 3.0
"""Standard deviations of Mann and Kendall's statistic from which a series rises, and does not only wander."""
LEAST_RISE = 0.1
"""A rise over the stretch of less than a tenth of the limit is no leak that this incident comes from."""
MOST_POINTS = 240
"""Of a trend, which looks at all pairs: four hours by the minute. Two days by the minute have four million pairs."""


@dataclass(frozen=True)
class Saturation:
    """A metric against its limit.

    :param limit: the value that cannot be passed: 100 of per cent, or what is declared or read (max_connections)
    :param threshold: from where on it counts as saturated
    :param peak, typical: the greatest value and the median, in the window
    :param headroom: what is left to the limit at the peak, as a share of the limit, 0 to 1
    :param seconds: for how long it was at or above the threshold
    :param since: the start of the first period of the longest such stretch
    :param saturated: for `LASTING` periods in a row, or for the whole of a shorter window
    :param full: whether it reached the limit itself
    """

    component: str
    metric: str
    unit: str
    limit: float
    threshold: float
    peak: float
    typical: float
    headroom: float
    seconds: float
    since: datetime | None
    saturated: bool
    full: bool


@dataclass(frozen=True)
class Leak:
    """A metric that keeps rising towards its limit.

    :param an_hour: by how much, the median of the slopes between all pairs of points
    :param risen: by how much over the stretch, as a share of the limit
    :param hours_left: until the limit if it goes on like this; 0 where it is reached
    :param sure: how surely it rises, in standard deviations
    """

    component: str
    metric: str
    unit: str
    limit: float
    newest: float
    an_hour: float
    risen: float
    hours_left: float
    sure: float


def saturation_of(series: Series, window: Span, limit: float, threshold: float) -> Saturation | None:
    """How close a metric came to its limit in a window; None where nothing was measured in it.

    :param limit: in the metric's unit, above 0
    :param threshold: in the metric's unit: the procedures' (002-03: 80 % CPU, 85 % memory), or the inventory's
    :raises ValueError: for a limit that is none
    """
    if limit <= 0 or threshold > limit:
        raise ValueError(f"{series.metric}: a limit of {limit} and a threshold of {threshold} are none")
    points = series.filled(window.start, window.end)
    if not points:
        return None
    values = [value for _moment, value in points]
    first, length = _longest([value >= threshold for value in values])
    peak = max(values)
    return Saturation(
        series.component, series.metric, series.unit, limit, threshold, peak, median(values), max(0.0, 1 - peak / limit),
        sum(value >= threshold for value in values) * float(series.period), points[first][0] if length else None,
        length >= min(LASTING, len(values)), peak >= FULL * limit)


def leak_of(series: Series, span: Span, limit: float) -> Leak | None:
    """Whether a metric keeps rising towards its limit; None where it does not, or too few points tell.

    It rises where Mann and Kendall's test says so (Mann, 1945: most later points are above most earlier ones, whatever the
    shape), and by a notable part of its limit. The slope is Theil and Sen's, as in `module_utils/aws/trends`.

    :param span: window and baseline together: a leak takes hours
    """
    points = dict(_thinned(series.filled(span.start, span.end)))
    trend = trend_of(points, Target(USED, limit, 0.0)) if limit > 0 and len(points) >= LEAST_POINTS else None
    if trend is None or trend.a_day <= 0:
        return None
    values = [value for _moment, value in sorted(points.items())]
    hours = (max(points) - min(points)).total_seconds() / 3600
    an_hour, sure = trend.a_day / 24, rising(values)
    risen = an_hour * hours / limit
    if sure < SURE or risen < LEAST_RISE:
        return None
    left = max(0.0, trend.left) / an_hour
    return Leak(series.component, series.metric, series.unit, limit, trend.newest, an_hour, risen, left, sure)


def _thinned(points: Sequence[tuple[datetime, float]]) -> list[tuple[datetime, float]]:
    """At most `MOST_POINTS`, each the median of as many neighbours; the newest stays last."""
    size = -(-len(points) // MOST_POINTS) or 1
    groups = [points[max(0, end - size):end] for end in range(len(points), 0, -size)]
    return [(group[-1][0], median(value for _at, value in group)) for group in reversed(groups)]


def rising(values: Sequence[float]) -> float:
    """How surely a series rises: Mann and Kendall's statistic in its standard deviations; negative where it falls."""
    count = len(values)
    pairs = sum((later > earlier) - (later < earlier)
                for number, later in enumerate(values) for earlier in values[:number])
    return pairs / math.sqrt(count * (count - 1) * (2 * count + 5) / 18) if count > 1 else 0.0


def _longest(flags: Sequence[bool]) -> tuple[int, int]:
    """Beginning and length of the longest run that is true."""
    best, first = (0, 0), 0
    for number, flag in enumerate(flags):
        if not flag:
            first = number + 1
        elif number + 1 - first > best[1]:
            best = (first, number + 1 - first)
    return best
