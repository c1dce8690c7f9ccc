"""The statistics of one period's data."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from moto.cloudwatch.models import MetricAggregatedDatum, MetricDatumBase

from lab.aws.metric_store import Bucket
from lab.aws.spreads import quantile

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")


def is_known(name: str) -> bool:
    """Whether the lab computes a statistic: one of the five simple ones, or a percentile."""
    return name in _SIMPLE or _PERCENTILE.fullmatch(name) is not None


def statistic(name: str, bucket: Bucket) -> float | None:
    """A known statistic of a period's data; None where there is none (a percentile of statistic sets)."""
    return _SIMPLE[name](bucket) if name in _SIMPLE else _percentile(float(name[1:]), bucket)


def _percentile(rank: float, bucket: Bucket) -> float | None:
    """By nearest rank: the smallest value that at least `rank` percent of the samples do not exceed."""
    if bucket.parts and not bucket.data:
        return _at(bucket, rank / 100)
    weighted = _weighted(bucket.data)
    if weighted is None:
        return None
    weighted += [(value, 1.0) for value in bucket.values]
    weighted.sort()
    needed = max(1.0, math.ceil(rank / 100 * sum(weight for _, weight in weighted) - 1e-9))
    for value, weight in weighted:
        needed -= weight
        if needed <= 0:
            return value
    return weighted[-1][0] if weighted else None


def _weighted(data: Sequence[MetricDatumBase]) -> list[tuple[float, float]] | None:
    """Values with how often each occurred; None where that is not known."""
    weighted: list[tuple[float, float]] = []
    for datum in data:
        if not isinstance(datum, MetricAggregatedDatum):
            weighted.append((datum.value, 1.0))
        elif datum.min == datum.max or datum.sample_count == 1:
            weighted.append((datum.min, datum.sample_count))
        else:
            # AWS, too, has no percentiles of statistic sets whose values differ.
            return None
    return weighted


def _count(bucket: Bucket) -> float:
    return len(bucket.values) + sum(_part(datum, "sample_count", 1.0) for datum in bucket.data)


def _sum(bucket: Bucket) -> float:
    return math.fsum(bucket.values) + sum(_part(datum, "sum") for datum in bucket.data)


def _part(datum: Any, attribute: str, alone: float | None = None) -> float:
    """A part of a statistic set; of a single value, the value itself or `alone`."""
    if isinstance(datum, MetricAggregatedDatum):
        return float(getattr(datum, attribute))
    return float(datum.value) if alone is None else alone


def _at(bucket: Bucket, part: float) -> float:
    """The value that `part` of a period's requests do not exceed; the extremes are those of as many requests."""
    furthest = 1 / (bucket.samples + 1)
    value = quantile(bucket.parts, min(1 - furthest, max(furthest, part)))
    return round(min(value, bucket.most) if bucket.most else value, 4)


def _extreme(bucket: Bucket, name: str, pick: Callable[[list[float]], float]) -> float:
    spread = [_at(bucket, 0.0 if name == "min" else 1.0)] if bucket.parts else bucket.values
    return pick([*spread, *(_part(datum, name) for datum in bucket.data)])


_SIMPLE: dict[str, Callable[[Bucket], float]] = {
    "SampleCount": _count,
    "Sum": _sum,
    "Average": lambda bucket: _sum(bucket) / _count(bucket),
    "Minimum": lambda bucket: _extreme(bucket, "min", min),
    "Maximum": lambda bucket: _extreme(bucket, "max", max),
}
