"""Metric data by series: what was put, and what signals say for the minutes that nothing was put for.

A series is a namespace, a name and an exact set of dimensions: CloudWatch never aggregates over dimensions that a query
leaves out. Data later than now is not there yet, which lets a seeded future unfold as time passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from moto.cloudwatch.models import CloudWatchBackend, MetricDatumBase
from moto.core.utils import utcnow

from lab.aws.overlays import Overlay, SeriesKey, overlaid, parts_of
from lab.aws.signals import HISTORY_MINUTES, Signal, key_of
from lab.aws.spreads import Part

_EPOCH = datetime(1970, 1, 1)
_MINUTE = timedelta(minutes=1)


@dataclass
class Bucket:
    """The data of one period of a series: data that was put, and values of a signal.

    Of a series with a spread, `parts` says how the requests of all its minutes spread, `samples` about how many they are,
    `most` what none of them exceeds (0: nothing).
    """

    start: datetime
    unit: str | None = None
    data: list[MetricDatumBase] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    samples: float = 0.0
    most: float = 0.0


@dataclass(frozen=True)
class Window:
    """A request's time and period: from start (inclusive) to end (exclusive), UTC without zone.

    The start is rounded down to the whole minute, for periods below a minute to a multiple of the period.
    """

    start: datetime
    end: datetime
    period: int

    @classmethod
    def asked(cls, start: datetime, end: datetime, period: int) -> Window:
        """The window of a request, which ends now at the latest."""
        grain = period if period < 60 else 60
        rounded = _EPOCH + timedelta(seconds=(start - _EPOCH) // timedelta(seconds=1) // grain * grain)
        return cls(rounded, min(end, utcnow()), period)

    def number(self, moment: datetime) -> int:
        """Which period a moment falls into."""
        return (moment - self.start) // timedelta(seconds=self.period)


def series_key(namespace: str, name: str, dimensions: Iterable[Mapping[str, str]] | None) -> SeriesKey:
    """The key of a series, from dimensions as requests carry them."""
    return namespace, name, frozenset((item["Name"], item["Value"]) for item in dimensions or ())


def put_series(backend: CloudWatchBackend) -> dict[SeriesKey, list[MetricDatumBase]]:
    """All series that were put, by key; kept on the backend and extended by what came since the last call."""
    index: dict[SeriesKey, list[MetricDatumBase]] = backend.__dict__.setdefault("lab_series", {})
    known: int = backend.__dict__.get("lab_known", 0)
    for datum in backend.metric_data[known:]:
        key = datum.namespace, datum.name, frozenset((item.name, item.value) for item in datum.dimensions)
        index.setdefault(key, []).append(datum)
    backend.lab_known = len(backend.metric_data)
    return index


def signals(backend: CloudWatchBackend) -> dict[SeriesKey, Signal]:
    """The signals of an account and region, kept on its backend."""
    found: dict[SeriesKey, Signal] = backend.__dict__.setdefault("lab_signals", {})
    return found


def overlays(backend: CloudWatchBackend) -> dict[SeriesKey, tuple[Overlay, ...]]:
    """What an incident does to the series of an account and region, kept on its backend."""
    found: dict[SeriesKey, tuple[Overlay, ...]] = backend.__dict__.setdefault("lab_overlays", {})
    return found


def known_series(backend: CloudWatchBackend) -> set[SeriesKey]:
    """Every series that has data."""
    return {*put_series(backend), *signals(backend)}


def buckets(
    backend: CloudWatchBackend, key: SeriesKey, window: Window, unit: str | None = None, seed: int = 1
) -> list[Bucket]:
    """The periods of a window that have data of a series (in a unit, if one is asked for), oldest first."""
    found: dict[int, Bucket] = {}
    put_minutes: set[int] = set()
    for datum in put_series(backend).get(key, ()):
        if window.start <= datum.timestamp < window.end:
            put_minutes.add((datum.timestamp - _EPOCH) // _MINUTE)
            if unit is None or datum.unit == unit:
                _bucket(found, window, window.number(datum.timestamp), datum.unit).data.append(datum)
    signal = signals(backend).get(key)
    if signal is not None and unit in (None, signal.unit):
        _add_signal(found, window, backend, key, put_minutes, seed)
    return [found[number] for number in sorted(found)]


def minute_values(backend: CloudWatchBackend, key: SeriesKey, first: int, last: int, seed: int = 1) -> list[float | None]:
    """The values of a signal, minutes `first` to before `last` since the epoch, as an incident leaves them.

    None where nothing is published.
    """
    signal = signals(backend).get(key)
    if signal is None:
        return [None] * (last - first)
    plain = _plain(backend, key, signal, first, last, seed)
    over = overlays(backend).get(key, ())
    values: list[float | None] = list(plain)
    if over:
        values = overlaid(over, first, plain, lambda other: _others(backend, other, first, last, seed), signal.whole)
    return [None if signal.sparse and not value else value for value in values] if signal.sparse else values


def _plain(backend: CloudWatchBackend, key: SeriesKey, signal: Signal, first: int, last: int, seed: int) -> list[float]:
    chance = key_of(seed, backend.account_id, backend.region_name, key[0], key[1], sorted(key[2]))
    return signal.values(chance, first, last)


def _others(backend: CloudWatchBackend, key: SeriesKey, first: int, last: int, seed: int) -> list[float]:
    """What a share is of: the other series with its own changes; nothing where it is not published."""
    return [value or 0.0 for value in minute_values(backend, key, first, last, seed)]


def _add_signal(
    found: dict[int, Bucket], window: Window, backend: CloudWatchBackend, key: SeriesKey, taken: set[int], seed: int
) -> None:
    """Add a signal's values, but for the minutes that somebody has put something for."""
    now = utcnow()
    first = max(-((_EPOCH - window.start) // _MINUTE), (now - _EPOCH) // _MINUTE - HISTORY_MINUTES)
    last = -((_EPOCH - window.end) // _MINUTE)
    if first >= last:
        return
    signal, over = signals(backend)[key], overlays(backend).get(key, ())
    begin = (_EPOCH + first * _MINUTE - window.start) // timedelta(seconds=1)
    if taken or window.period < 60 or over or signal.spread or signal.sparse:
        for offset, value in enumerate(minute_values(backend, key, first, last, seed)):
            if first + offset not in taken and value is not None:
                bucket = _bucket(found, window, (begin + 60 * offset) // window.period, signal.unit)
                bucket.values.append(value)
                _spread(bucket, signal, over, first + offset, value)
        return
    values = _plain(backend, key, signal, first, last, seed)
    minutes = window.period // 60
    number, missing = divmod(begin // 60, minutes)
    position = 0
    while position < len(values):
        part = values[position : position + minutes - missing]
        _bucket(found, window, number, signal.unit).values += part
        number, position, missing = number + 1, position + len(part), 0


def _spread(bucket: Bucket, signal: Signal, over: tuple[Overlay, ...], minute: int, mean: float) -> None:
    """Note how the requests of a minute spread around their mean."""
    if signal.spread:
        bucket.parts += parts_of(over, minute, mean, signal.spread)
        bucket.samples += signal.samples
        bucket.most = signal.most


def _bucket(found: dict[int, Bucket], window: Window, number: int, unit: str | None) -> Bucket:
    if number not in found:
        found[number] = Bucket(window.start + timedelta(seconds=number * window.period), unit)
    return found[number]
