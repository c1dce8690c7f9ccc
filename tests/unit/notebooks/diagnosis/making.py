"""Series and maps for tests: a value a minute, three hours of baseline and an hour of window."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from opsbook.diagnosis.series import COUNT, GAUGE, Series
from opsbook.diagnosis.service_map import ServiceMap, service_map_of
from opsbook.evidence.pieces import Span

MINUTE = timedelta(minutes=1)
START = datetime(2026, 11, 21, 8, tzinfo=UTC)
BASELINE = Span(START, START + 180 * MINUTE)
WINDOW = Span(BASELINE.end, BASELINE.end + 60 * MINUTE)


def at(minute: int) -> datetime:
    """A minute of the window; negative in the baseline."""
    return WINDOW.start + minute * MINUTE


def noisy(level: float, spread: float, count: int = 240, seed: int = 1) -> list[float]:
    """Normally distributed values, the same each time."""
    drawn = random.Random(seed)
    return [drawn.gauss(level, spread) for _number in range(count)]


def with_window(values: Sequence[float], changed: Mapping[int, float]) -> list[float]:
    """The values with some minutes of the window replaced."""
    return [changed.get(number - 180, value) for number, value in enumerate(values)]


def from_minute(first: int, value: float, last: int = 60) -> dict[int, float]:
    """The same value from one minute of the window to another."""
    return dict.fromkeys(range(first, last), value)


def series(
    values: Sequence[float | None], metric: str = "latency_p95", unit: str = "ms", kind: str = GAUGE, component: str = "api",
    zero_if_missing: bool = False,
) -> Series:
    """A series of a value a minute from the beginning of the baseline; None is a period without a point."""
    points = tuple((START + number * MINUTE, value) for number, value in enumerate(values) if value is not None)
    return Series(component, metric, unit, kind, points, 60, zero_if_missing)


def counts(values: Sequence[float | None], metric: str = "requests", component: str = "api", zero: bool = True) -> Series:
    """The same for a count."""
    return series(values, metric, "requests", COUNT, component, zero)


def mapped(calls: Mapping[str, Sequence[str]], not_ours: Sequence[str] = ()) -> ServiceMap:
    """A map by who calls whom."""
    names = dict.fromkeys([*calls, *(callee for callees in calls.values() for callee in callees)])
    return service_map_of({"name": name, "kind": "external" if name in not_ours else "ecs_service",
                           "calls": list(calls.get(name, ()))} for name in names)
