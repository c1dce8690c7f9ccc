# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a CloudWatch gauge is heading, and when it will be full: storage, file systems, quotas (procedure 001-04).

The slope is the median of those between all pairs of points (Theil and Sen, 1968): one clean-up or one night's rise does
not turn it. It says what happens if things go on as they did, no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from ..core.coverage import Collected
from ..core.errors import Refused
from ..core.evidence import Evidence
from ..core.run import Run
from .client import Connect
from .metrics import KIND, Measurements, Reading, collect_metrics, metric_of

HOUR = 3600
LEAST_POINTS = 24
GAUGES = ("Minimum", "Maximum")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Target:
    """What a gauge must not reach soon.

    :param full: its value when nothing is left: 0 for free bytes, 100 for per cent used
    :param minimum_days: it is unhealthy when that is fewer days away
    """

    full: float
    minimum_days: float


@dataclass(frozen=True)
class Trend:
    """How a gauge moves.

    :param newest: its last value
    :param a_day: how much it changes a day
    :param days_left: days until it is full if it goes on like this; None when it does not get nearer
    """

    newest: float
    a_day: float
    days_left: float | None


def targets_of(given: Sequence[Mapping[str, Any]]) -> dict[str, Target]:
    """The targets among the metrics' options, by name.

    :raises Refused: for a statistic that is no gauge's, a number of days below 0, or a name used twice
    """
    targets: dict[str, Target] = {}
    for one in given:
        name = one["name"]
        if one["stat"] not in GAUGES:
            raise Refused("read a trend", name, f"{one['stat']} has no one value a point in time",
                          f"Give {' or '.join(GAUGES)}.")
        if one["minimum_days"] < 0 or name in targets:
            raise Refused("read a trend", name, "its minimum_days is below 0, or its name is used twice", "Correct it.")
        targets[name] = Target(one["full"], one["minimum_days"])
    return targets


def collect_trends(
    connect: Connect, run: Run, given: Sequence[Mapping[str, Any]], length: timedelta
) -> Collected[Measurements]:
    """Read the gauges hour by hour; one that is denied or came incomplete is a gap."""
    return collect_metrics(connect, run, [metric_of(one) for one in given], None, length, HOUR)


def trend_of(series: Mapping[datetime, float], full: float) -> Trend | None:
    """The trend of a series; None where there are too few points to tell."""
    points = sorted(series.items())
    if len(points) < LEAST_POINTS:
        return None
    a_day = median((value - before) / ((moment - earlier) / _DAY)
                   for number, (moment, value) in enumerate(points) for earlier, before in points[:number])
    newest = points[-1][1]
    left = full - newest
    if left == 0:
        return Trend(newest, a_day, 0.0)
    return Trend(newest, a_day, left / a_day if a_day * left > 0 else None)


def evaluate_trends(collected: Collected[Measurements], targets: Mapping[str, Target]) -> list[Evidence]:
    """Hold each gauge that was read against its target."""
    return [_evidence(reading, targets[reading.metric.name]) for reading in collected.state.readings]


def describe_trends(collected: Collected[Measurements], targets: Mapping[str, Target]) -> dict[str, Any]:
    """The gauges as plain data, each with its trend where there is one."""
    return {"trends": [_described(reading, trend_of(reading.series, targets[reading.metric.name].full))
                       for reading in collected.state.readings]}


def _evidence(reading: Reading, target: Target) -> Evidence:
    trend = trend_of(reading.series, target.full)
    expected = f"at least {target.minimum_days:g} days until it is {target.full:g}"
    if trend is None:
        return Evidence("trend", f"{KIND}:{reading.metric.name}", expected,
                        f"{reading.points} points, {LEAST_POINTS} are needed", None)
    ok = trend.days_left is None or trend.days_left >= target.minimum_days
    return Evidence("trend", f"{KIND}:{reading.metric.name}", expected, _described(reading, trend), ok)


def _described(reading: Reading, trend: Trend | None) -> dict[str, Any]:
    told = {"name": reading.metric.name, "query": reading.metric.query, "points": reading.points}
    if trend is None:
        return {**told, "newest": reading.newest, "a_day": None, "days_left": None}
    days = None if trend.days_left is None else round(trend.days_left, 1)
    return {**told, "newest": trend.newest, "a_day": float(f"{trend.a_day:.4g}"), "days_left": days}
