"""The metric values of the lab: the same for the same seed, hour by hour, whenever the lab starts."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from lab.estate.model import Metric

MINUTES_BEFORE = 3 * 60
MINUTES_AFTER = 12 * 60
_MINUTES_A_DAY = 1440
_NOISE = 0.04


def points(metric: Metric, now: datetime, seed: int = 1) -> Iterator[tuple[datetime, float]]:
    """One point a minute from three hours before `now` to twelve hours after: time that passes reveals them."""
    dimensions = ",".join(f"{name}={value}" for name, value in sorted(metric.dimensions.items()))
    generator = random.Random(f"{seed}:{metric.namespace}:{metric.name}:{dimensions}")
    start = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES_BEFORE)
    for minute in range(MINUTES_BEFORE + MINUTES_AFTER + 1):
        wave = metric.swing * math.sin(2 * math.pi * minute / _MINUTES_A_DAY)
        value = max(0.0, metric.level + wave + generator.gauss(0, _NOISE * metric.level))
        yield start + timedelta(minutes=minute), _whole(value, generator) if metric.whole else round(value, 3)


def _whole(value: float, generator: random.Random) -> float:
    """A count: rounded up or down by chance, so that rare events stay rare instead of vanishing."""
    return float(math.floor(value + generator.random()))
