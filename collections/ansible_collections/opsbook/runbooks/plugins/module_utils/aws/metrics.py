# Copyright: opsbook contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CloudWatch metrics reduced to one number each over one window, without averaging averages.

Sources, CloudWatch API reference (GetMetricData, MetricStat, MetricDataResult):

* A query names the exact set of dimensions; any other set answers with no data, not with an error.
* The start is rounded down to the minute (5 minutes when older than 15 days, the hour when older than 63), and only
  periods that are multiples of that are kept so long. A window here is always a whole number of such periods.
* A result is whole only with status Complete; PartialData goes on in the next page.

Periods begin at the start that was asked for (measured by others, boto/boto3 issue 3457), which the reference does not
promise: a percentile, asked for with one period over the whole window, is believed only when its point begins there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from ..core.coverage import Collected, Coverage, Gap
from ..core.errors import Refused
from ..core.run import Run
from .client import Connect
from .errors import explaining

KIND = "cloudwatch-metric"
QUERIES_PER_CALL = 500
COUNTS = ("Sum", "SampleCount")
SIMPLE = (*COUNTS, "Average", "Maximum", "Minimum")
PERCENTILE = re.compile(r"p(\d{1,2}(\.\d{1,10})?|100)")
MINUTE = 60
# How old a window's start is, in days, and the seconds that CloudWatch rounds it to and keeps data in from then on.
GRAINS = ((63, 3600), (15, 300), (0, MINUTE))


@dataclass(frozen=True)
class Bounds:
    """What a number should be; None where it does not matter.

    :param at_most_times, plus: compared with an earlier value, at most `before * at_most_times + plus`
    """

    maximum: float | None = None
    minimum: float | None = None
    at_most_times: float | None = None
    plus: float | None = None

    @property
    def compares(self) -> bool:
        """Whether an earlier value matters."""
        return self.at_most_times is not None or self.plus is not None


@dataclass(frozen=True)
class Metric:
    """One number to read.

    :param name: what it is called in the result
    :param dimensions: the exact set, as published
    :param stat: Sum, SampleCount, Average, Maximum, Minimum or a percentile ("p95")
    :param missing: what no data means: "unknown" or "zero"
    """

    name: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    stat: str
    missing: str = "unknown"
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def query(self) -> str:
        """The query in one line, for evidence."""
        dimensions = ", ".join(f"{name}={value}" for name, value in sorted(self.dimensions.items()))
        return f"{self.stat} of {self.namespace} {self.metric} {{{dimensions}}}"


@dataclass(frozen=True)
class Window:
    """Whole periods from `start` (inclusive) to `end` (exclusive), both UTC."""

    start: datetime
    end: datetime
    period: int

    @property
    def seconds(self) -> int:
        """Its length."""
        return int((self.end - self.start).total_seconds())


@dataclass(frozen=True)
class Reading:
    """What a metric was over the window.

    :param value: None where there is no data and that does not mean zero
    :param points: how many data points it was computed from
    :param series: those points by the start of their period; empty for an average, which has no one number a period
    """

    metric: Metric
    value: float | None
    points: int
    series: Mapping[datetime, float] = field(default_factory=dict, compare=False)

    @property
    def newest(self) -> float | None:
        """The last data point, what a gauge shows now; None where there is none."""
        return self.series[max(self.series)] if self.series else None

    @property
    def greatest(self) -> float | None:
        """The greatest data point, of a sum that of the busiest period; None where there is none."""
        return max(self.series.values(), default=None)


@dataclass(frozen=True)
class Measurements:
    """Everything read over one window; metrics that could not be read are in the coverage instead."""

    window: Window
    readings: tuple[Reading, ...]


@dataclass
class Series:
    """The points of one query, as far as they have come.

    :param status: the last page's word on it: Complete, PartialData, InternalError, Forbidden; empty before any
    """

    points: dict[datetime, float] = field(default_factory=dict)
    status: str = ""


def metric_of(given: Mapping[str, Any]) -> Metric:
    """A metric from a module's options.

    :raises Refused: for an unknown statistic, or `missing: zero` where no data cannot mean zero
    """
    metric = Metric(
        given["name"], given["namespace"], given["metric"],
        {str(name): str(value) for name, value in (given.get("dimensions") or {}).items()},
        given["stat"], given.get("missing") or "unknown", bounds_of(given))
    if metric.stat not in SIMPLE and not PERCENTILE.fullmatch(metric.stat):
        raise Refused("read a metric", metric.name, f"there is no statistic {metric.stat!r}",
                      f"Give one of {', '.join(SIMPLE)}, or a percentile such as p95.")
    if metric.missing == "zero" and metric.stat not in COUNTS:
        raise Refused("read a metric", metric.name, f"no data does not mean that its {metric.stat} is zero",
                      f"`missing: zero` is for counts ({' and '.join(COUNTS)}).")
    return metric


def bounds_of(given: Mapping[str, Any]) -> Bounds:
    """The bounds among a metric's or a rate's options."""
    return Bounds(given.get("maximum"), given.get("minimum"), given.get("at_most_times"), given.get("plus"))


def window_of(now: datetime, end: str | None, length: timedelta, period: int) -> Window:
    """The window that ends at `end` (ISO 8601, UTC where it names no zone) or now, in whole periods.

    :param length: rounded up to whole periods
    :param period: seconds, rounded up to what CloudWatch still keeps at that age
    :raises Refused: for an end that is no time or not yet, or a period that is no whole number of minutes
    """
    if period < MINUTE or period % MINUTE:
        raise Refused("choose a window", f"period {period}", "it is not a multiple of 60 seconds", "Give 60 or 300.")
    last = _moment(end) if end else now
    if last > now or length <= timedelta(0):
        raise Refused("choose a window", f"{length} before {end or 'now'}", "it is empty or not over yet",
                      "Give an end that has passed, and a length.")
    # An hour more, since rounding moves the start back.
    days = (now - last + length + timedelta(hours=1)) / timedelta(days=1)
    grain = next(seconds for least, seconds in GRAINS if days >= least)
    period = -(-period // grain) * grain
    closing = int(last.timestamp()) // grain * grain
    opening = closing - -(-int(length.total_seconds()) // period) * period
    return Window(datetime.fromtimestamp(opening, timezone.utc), datetime.fromtimestamp(closing, timezone.utc), period)


def collect_metrics(
    connect: Connect, run: Run, metrics: Sequence[Metric], end: str | None, length: timedelta, period: int
) -> Collected[Measurements]:
    """Read all metrics over the window; one that is denied or came incomplete is a gap."""
    now = run.now()
    window = window_of(now, end, length, period)
    asked = [_queries(number, metric, window) for number, metric in enumerate(metrics)]
    answers, failures = ask(connect, run, [query for queries in asked for query in queries], window)
    readings: list[Reading] = []
    missing: list[Gap] = []
    for metric, queries in zip(metrics, asked):
        ids = [query["Id"] for query in queries]
        reading = reduce_metric(metric, [answers.get(one, Series()) for one in ids], window)
        if isinstance(reading, Reading):
            readings.append(reading)
        else:
            missing.append(Gap(f"{KIND}:{metric.name}", next((failures[one] for one in ids if one in failures), reading)))
    read = tuple(f"{KIND}:{reading.metric.name}" for reading in readings)
    return Collected(Measurements(window, tuple(readings)), now, Coverage(read, tuple(missing)))


def reduce_metric(metric: Metric, series: Sequence[Series], window: Window) -> Reading | str:
    """One number for the whole window, or the reason why there is none that could be trusted.

    :param series: one per statistic asked for: of an average its Sum and SampleCount, else the statistic itself
    """
    for one in series:
        if one.status != "Complete":
            return f"CloudWatch's answer was not complete ({one.status or 'no answer'})"
    points = series[0].points
    if not points:
        return Reading(metric, 0.0 if metric.missing == "zero" else None, 0)
    if metric.stat == "Average":
        samples = sum(series[1].points.values())
        return Reading(metric, sum(points.values()) / samples if samples else None, len(points))
    if metric.stat in SIMPLE:
        reduced = {"Maximum": max, "Minimum": min}.get(metric.stat, sum)(points.values())
        return Reading(metric, float(reduced), len(points), points)
    if list(points) != [window.start]:
        return "CloudWatch cut the window differently, and percentiles cannot be joined: give an `end` on a full hour"
    return Reading(metric, points[window.start], 1, points)


def _queries(number: int, metric: Metric, window: Window) -> list[dict[str, Any]]:
    """What to ask for one metric: an average of averages is not the average, sum and count of the window give it."""
    dimensions = [{"Name": name, "Value": value} for name, value in sorted(metric.dimensions.items())]
    stats = COUNTS if metric.stat == "Average" else (metric.stat,)
    return [
        {
            "Id": f"m{number}_{place}",
            "MetricStat": {
                "Metric": {"Namespace": metric.namespace, "MetricName": metric.metric, "Dimensions": dimensions},
                "Period": window.period if stat in SIMPLE else window.seconds,
                "Stat": stat,
            },
        }
        for place, stat in enumerate(stats)
    ]


def ask(
    connect: Connect, run: Run, queries: Sequence[dict[str, Any]], window: Window
) -> tuple[dict[str, Series], dict[str, str]]:
    """Ask any number of queries over a window: the series by query id, and why the others are missing."""

    def ask_for(batch: Sequence[dict[str, Any]]) -> dict[str, Series]:
        with explaining("read CloudWatch metrics", f"{len(batch)} queries"):
            pages = connect("cloudwatch").get_paginator("get_metric_data").paginate(
                MetricDataQueries=batch, StartTime=window.start, EndTime=window.end)
            return join_pages(pages)

    answers: dict[str, Series] = {}
    failures: dict[str, str] = {}
    batches = [queries[first:first + QUERIES_PER_CALL] for first in range(0, len(queries), QUERIES_PER_CALL)]
    for done in run.each(ask_for, batches):
        answers.update(done.answer or {})
        if done.error is not None:
            failures.update({query["Id"]: done.error.reason for query in done.item})
    return answers, failures


def join_pages(pages: Iterable[Mapping[str, Any]]) -> dict[str, Series]:
    """The series of all pages by query id: a point counts once, the last page's status counts."""
    series: dict[str, Series] = {}
    for page in pages:
        for result in page.get("MetricDataResults") or ():
            one = series.setdefault(result["Id"], Series())
            moments = (moment.astimezone(timezone.utc) for moment in result.get("Timestamps") or ())
            one.points.update(zip(moments, result.get("Values") or ()))
            one.status = result.get("StatusCode") or ""
    return series


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip()))
    except ValueError as error:
        raise Refused("choose a window", text, "it is not a time", "Give ISO 8601: 2026-11-22T02:30:00Z.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
