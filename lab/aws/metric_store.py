"""Metric data by series, and the statistics of one period.

A series is a namespace, a name and an exact set of dimensions: CloudWatch never aggregates over dimensions that a query
leaves out. Data later than now is not there yet, which lets a seeded future unfold as time passes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, MetricAggregatedDatum, MetricDatumBase
from moto.core.utils import utcnow

SeriesKey = tuple[str, str, frozenset[tuple[str, str]]]
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Bucket:
    """The data of one period of a series."""

    start: datetime
    data: Sequence[MetricDatumBase]


def series_key(namespace: str, name: str, dimensions: Iterable[Mapping[str, str]] | None) -> SeriesKey:
    """The key of a series, from dimensions as requests carry them."""
    return namespace, name, frozenset((item["Name"], item["Value"]) for item in dimensions or ())


def all_series(backend: CloudWatchBackend) -> dict[SeriesKey, list[MetricDatumBase]]:
    """All series that were put, by key; kept on the backend and extended by what came since the last call."""
    index: dict[SeriesKey, list[MetricDatumBase]] = backend.__dict__.setdefault("lab_series", {})
    known: int = backend.__dict__.get("lab_known", 0)
    for datum in backend.metric_data[known:]:
        key = datum.namespace, datum.name, frozenset((item.name, item.value) for item in datum.dimensions)
        index.setdefault(key, []).append(datum)
    backend.lab_known = len(backend.metric_data)
    return index


def buckets(
    data: Iterable[MetricDatumBase], start: datetime, end: datetime, period: int, unit: str | None = None
) -> list[Bucket]:
    """The periods between start (inclusive) and end (exclusive) that have data, oldest first.

    The start is rounded down to the whole minute, for periods below a minute to a multiple of the period; both times
    are UTC without zone.
    """
    grain = period if period < 60 else 60
    start = _EPOCH + timedelta(seconds=(start - _EPOCH) // timedelta(seconds=1) // grain * grain)
    end = min(end, utcnow())
    found: dict[int, list[MetricDatumBase]] = {}
    for datum in data:
        if start <= datum.timestamp < end and (unit is None or datum.unit == unit):
            found.setdefault((datum.timestamp - start) // timedelta(seconds=period), []).append(datum)
    return [Bucket(start + timedelta(seconds=number * period), found[number]) for number in sorted(found)]


def is_known(statistic_name: str) -> bool:
    """Whether the lab computes a statistic: one of the five simple ones, or a percentile."""
    return statistic_name in _SIMPLE or _PERCENTILE.fullmatch(statistic_name) is not None


def statistic(name: str, data: Sequence[MetricDatumBase]) -> float | None:
    """A known statistic of a period's data; None where there is none (a percentile of statistic sets)."""
    return _SIMPLE[name](data) if name in _SIMPLE else _percentile(float(name[1:]), data)


def _percentile(rank: float, data: Sequence[MetricDatumBase]) -> float | None:
    """By nearest rank: the smallest value that at least `rank` percent of the samples do not exceed."""
    weighted: list[tuple[float, float]] = []
    for datum in data:
        if not isinstance(datum, MetricAggregatedDatum):
            weighted.append((datum.value, 1.0))
        elif datum.min == datum.max or datum.sample_count == 1:
            weighted.append((datum.min, datum.sample_count))
        else:
            # AWS, too, has no percentiles of statistic sets whose values differ.
            return None
    weighted.sort()
    needed = max(1.0, math.ceil(rank / 100 * sum(weight for _, weight in weighted) - 1e-9))
    for value, weight in weighted:
        needed -= weight
        if needed <= 0:
            return value
    return weighted[-1][0] if weighted else None


def _count(data: Sequence[MetricDatumBase]) -> float:
    return sum(_part(datum, "sample_count", 1.0) for datum in data)


def _sum(data: Sequence[MetricDatumBase]) -> float:
    return sum(_part(datum, "sum") for datum in data)


def _part(datum: Any, attribute: str, alone: float | None = None) -> float:
    """A part of a statistic set; of a single value, the value itself or `alone`."""
    if isinstance(datum, MetricAggregatedDatum):
        return float(getattr(datum, attribute))
    return float(datum.value) if alone is None else alone


_SIMPLE: dict[str, Callable[[Sequence[MetricDatumBase]], float]] = {
    "SampleCount": _count,
    "Sum": _sum,
    "Average": lambda data: _sum(data) / _count(data),
    "Minimum": lambda data: min(_part(datum, "min") for datum in data),
    "Maximum": lambda data: max(_part(datum, "max") for datum in data),
}
