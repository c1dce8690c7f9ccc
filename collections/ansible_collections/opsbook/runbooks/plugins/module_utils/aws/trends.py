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
STALE = timedelta(hours=3)
"""A newest point older than this says nothing about now: who reported it may have gone with the full disk."""
FREE, USED = "Minimum", "Maximum"
"""The statistic that suits a gauge of what is free, which runs down, and one of what is used, which runs up."""
GAUGES = (FREE, USED)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Target:
    """What a gauge must not reach soon.

    :param stat: which way it runs: Minimum of what is free, Maximum of what is used
    :param full: its value when nothing is left: 0 for free bytes, 100 for per cent used
    :param minimum_days: it is unhealthy when that is fewer days away
    :param minimum_left: and when less than this is left, in the gauge's own unit
    """

    stat: str
    full: float
    minimum_days: float
    minimum_left: float = 0.0


@dataclass(frozen=True)
class Trend:
    """How a gauge moves.

    :param newest: its last value
    :param at: when its last hour began
    :param left: how far it is from full; negative where it is past that
    :param a_day: how much it changes a day
    :param days_left: days until it is full if it goes on like this; None when it does not get nearer
    """

    newest: float
    at: datetime
    left: float
    a_day: float
    days_left: float | None


def targets_of(given: Sequence[Mapping[str, Any]]) -> dict[str, Target]:
    """The targets among the metrics' options, by name.

    :raises Refused: for a statistic that is no gauge's, a number below 0, or a name used twice
    """
    targets: dict[str, Target] = {}
    for one in given:
        name = one["name"]
        if one["stat"] not in GAUGES:
            raise Refused("read a trend", name, f"{one['stat']} has no one value a point in time",
                          f"Give {' or '.join(GAUGES)}.")
        if one["minimum_days"] < 0 or one["minimum_left"] < 0 or name in targets:
            raise Refused("read a trend", name, "minimum_days or minimum_left is below 0, or its name is used twice",
                          "Correct it.")
        targets[name] = Target(one["stat"], one["full"], one["minimum_days"], one["minimum_left"])
    return targets


def collect_trends(
    connect: Connect, run: Run, given: Sequence[Mapping[str, Any]], length: timedelta
) -> Collected[Measurements]:
    """Read the gauges hour by hour; one that is denied or came incomplete is a gap."""
    return collect_metrics(connect, run, [metric_of(one) for one in given], None, length, HOUR)


def trend_of(series: Mapping[datetime, float], target: Target) -> Trend | None:
    """The trend of a series; None where there are too few points to tell."""
    points = sorted(series.items())
    if len(points) < LEAST_POINTS:
        return None
    a_day = median((value - before) / ((moment - earlier) / _DAY)
                   for number, (moment, value) in enumerate(points) for earlier, before in points[:number])
    at, newest = points[-1]
    left, closer = (newest - target.full, -a_day) if target.stat == FREE else (target.full - newest, a_day)
    if left <= 0:
        return Trend(newest, at, left, a_day, 0.0)
    return Trend(newest, at, left, a_day, left / closer if closer > 0 else None)


def evaluate_trends(collected: Collected[Measurements], targets: Mapping[str, Target]) -> list[Evidence]:
    """Hold each gauge that was read against its target."""
    return [_evidence(reading, targets[reading.metric.name], collected.now) for reading in collected.state.readings]


def describe_trends(collected: Collected[Measurements], targets: Mapping[str, Target]) -> dict[str, Any]:
    """The gauges as plain data, each with its trend where there is one."""
    return {"trends": [_described(reading, trend_of(reading.series, targets[reading.metric.name]))
                       for reading in collected.state.readings]}


def _evidence(reading: Reading, target: Target, now: datetime) -> Evidence:
    trend = trend_of(reading.series, target)
    expected = f"at least {target.minimum_days:g} days until it is {target.full:g}, more than {target.minimum_left:g} left"
    resource = f"{KIND}:{reading.metric.name}"
    if trend is None:
        return Evidence("trend", resource, expected, f"{reading.points} points, {LEAST_POINTS} are needed", None)
    if now - trend.at > STALE:
        return Evidence("trend", resource, expected, f"nothing was reported since {trend.at:%Y-%m-%d %H:%M} UTC", None)
    soon = trend.days_left is not None and trend.days_left < target.minimum_days
    return Evidence("trend", resource, expected, _described(reading, trend), not soon and trend.left > target.minimum_left)


def _described(reading: Reading, trend: Trend | None) -> dict[str, Any]:
    told = {"name": reading.metric.name, "query": reading.metric.query, "points": reading.points}
    if trend is None:
        return {**told, "newest": reading.newest, "left": None, "a_day": None, "days_left": None}
    days = None if trend.days_left is None else round(trend.days_left, 1)
    return {**told, "newest": trend.newest, "left": float(f"{trend.left:.6g}"), "a_day": float(f"{trend.a_day:.4g}"),
            "days_left": days}
