"""How far a component is from its usual self: each of its metrics in a window against its baseline, in spreads.

A gauge scores by the median of three periods in a row, the most unusual three of the window: what two of three periods show
is what alarms wait for ("2 out of 3 datapoints"), one spike is not. Failures score as a share of requests, pooled over three
periods, so that five failures of six at night and of six thousand at noon are not the same.

What was as bad just before the symptom began does not explain it: where the symptom's onset is known, the reference is the
less favourable of the baseline and the stretch of the window before the onset.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import TypeVar

from opsbook.diagnosis.metrics import DENOMINATORS, ERRORS, HARM, direction_of, family_of
from opsbook.diagnosis.rates import standard_error
from opsbook.diagnosis.robust import BOTH, DOWN, UP, deviation, tail, usual_of
from opsbook.diagnosis.series import COUNT, Series
from opsbook.evidence.pieces import Span

THRESHOLD = 3.0
"""Spreads from which a metric is unusual: the three-sigma rule of control charts (Shewhart, 1931). The median of three
ordinary periods is beyond it by chance less than once in 100,000 times."""
TOGETHER = 3
"""Periods that are looked at together."""
LEAST_SHARE = 0.001
"""The least spread of a share of failures: a tenth of a per cent point, the grain in which service levels are promised."""


Item = TypeVar("Item")
Pair = tuple[datetime, float, float]
"""A period's beginning, failures and requests."""


@dataclass(frozen=True)
class Anomaly:
    """A component's metric in a window.

    :param score: spreads beyond what is usual, positive where it is worse
    :param direction: UP or DOWN: where it went
    :param usual, actual: the level before, and in the most unusual periods; shares (0 to 1) where `share`
    :param increase: how much worse, absolute, per period: of a share, failures a period
    :param at: the start of the most unusual periods
    :param requests: of the component in a period then; None where unknown
    """

    component: str
    metric: str
    unit: str
    score: float
    direction: int
    usual: float
    actual: float
    increase: float
    at: datetime
    share: bool = False
    requests: float | None = None

    @property
    def unusual(self) -> bool:
        """Whether it is beyond the threshold."""
        return self.score >= THRESHOLD

    @property
    def family(self) -> str:
        """Which golden signal it is."""
        return family_of(self.metric)

    def __str__(self) -> str:
        usual, actual = ((f"{self.usual:.2%}", f"{self.actual:.2%} of requests") if self.share
                         else (f"{self.usual:.4g}", f"{self.actual:.4g} {self.unit}"))
        return f"{self.component}: {self.metric} {actual}, usually {usual} ({self.score:.1f} spreads)"


def anomaly_of(
    series: Series, window: Span, baseline: Span, onset: datetime | None = None, direction: int | None = None
) -> Anomaly | None:
    """The most unusual periods of a metric in a window.

    :param onset: when the symptom began; the window counts from there, and what lies before it belongs to what is usual
    :param direction: which way is worse, by default as its name says
    :returns: None where window or baseline have too few points to tell
    """
    side = direction_of(series.metric) if direction is None else direction
    usual = usual_of(_values(series, baseline), series.kind, series.unit, side)
    points = series.filled(max(window.start, onset or window.start), window.end)
    if usual is None or len(points) < TOGETHER - 1:
        return None
    earlier = _values(series, Span(window.start, onset)) if onset else []
    found = [_scored(series, one, points, _reference(usual.level, earlier, one), usual.spread)
             for one in ((UP, DOWN) if side == BOTH else (side,))]
    return max(found, key=lambda anomaly: anomaly.score)


def share_anomaly(
    errors: Series, requests: Series, window: Span, baseline: Span, onset: datetime | None = None
) -> Anomaly | None:
    """The same for failures as a share of requests.

    :param errors, requests: counts; a period without errors where requests were counted had none
    """
    pairs_before = _pairs(errors, requests, baseline)
    pairs = _pairs(errors, requests, Span(max(window.start, onset or window.start), window.end))
    before, asked_before = _sums(pairs_before)
    if len(pairs) < TOGETHER - 1 or not asked_before:
        return None
    pooled = [_sums(some) for some in _together(pairs_before)]
    shares = [had / asked for had, asked in pooled if asked] or [before / asked_before]
    earlier, asked_earlier = _sums(_pairs(errors, requests, Span(window.start, onset)) if onset else [])
    usual = max(before / asked_before, earlier / asked_earlier if asked_earlier else 0.0)
    spread = max(deviation(shares), tail(shares, UP), LEAST_SHARE)
    reference = standard_error(before + earlier, asked_before + asked_earlier)
    found = [_shared(errors, some, usual, math.hypot(spread, reference)) for some in _together(pairs)]
    return max((one for one in found if one), key=lambda anomaly: anomaly.score, default=None)


def anomalies_of(
    series: Iterable[Series], window: Span, baseline: Span, onset: datetime | None = None
) -> tuple[Anomaly, ...]:
    """All metrics of components that can be judged, failures as shares where the requests are known; the worst first."""
    known = {(one.component, one.metric): one for one in series}
    found = []
    for (component, metric), one in known.items():
        requests = requests_of(known, component, metric)
        found.append(share_anomaly(one, requests, window, baseline, onset) if requests
                     else _with_requests(anomaly_of(one, window, baseline, onset), known, window))
    judged = [anomaly for anomaly in found if anomaly]
    return tuple(sorted(judged, key=lambda anomaly: (-anomaly.score, anomaly.component, anomaly.metric)))


def requests_of(known: Mapping[tuple[str, str], Series], component: str, metric: str) -> Series | None:
    """The requests that a count of failures is a share of; None for another metric, or where nobody counted them.

    :param known: series by component and metric
    """
    counted = known[component, metric].kind == COUNT and family_of(metric) == ERRORS and direction_of(metric) == UP
    return _asked(known, component) if counted else None


def _asked(known: Mapping[tuple[str, str], Series], component: str) -> Series | None:
    return next((known[component, name] for name in DENOMINATORS if (component, name) in known), None)


def harm_of(anomalies: Iterable[Anomaly], component: str) -> tuple[Anomaly, ...]:
    """What callers of a component feel of it: failures and latency, the worst first."""
    return tuple(anomaly for anomaly in anomalies if anomaly.component == component and anomaly.family in HARM)


def _values(series: Series, span: Span) -> list[float]:
    return [value for _moment, value in series.filled(span.start, span.end)]


def _reference(level: float, earlier: Sequence[float], side: int) -> float:
    if not earlier:
        return level
    return max(level, median(earlier)) if side == UP else min(level, median(earlier))


def _scored(
    series: Series, side: int, points: Sequence[tuple[datetime, float]], reference: float, spread: float
) -> Anomaly:
    """The worst of all stretches of three periods; of two where there are no more, by the better of both."""
    stretches = list(_together(points))
    actuals = [_middle([value for _moment, value in some], side) for some in stretches]
    worst = max(range(len(stretches)), key=lambda number: side * actuals[number])
    increase = side * (actuals[worst] - reference)
    return Anomaly(series.component, series.metric, series.unit, increase / spread, side, reference, actuals[worst],
                   increase, stretches[worst][0][0])


def _middle(values: Sequence[float], side: int) -> float:
    if len(values) >= TOGETHER:
        return median(values)
    return min(values) if side == UP else max(values)


def _together(items: Sequence[Item]) -> Iterable[Sequence[Item]]:
    """All stretches of three in a row; everything where there are fewer."""
    return (items[first:first + TOGETHER] for first in range(max(1, len(items) - TOGETHER + 1)))


def _pairs(errors: Series, requests: Series, span: Span) -> list[Pair]:
    """Failures and requests of each period in which requests were counted."""
    failed = dict(errors.within(span.start, span.end))
    return [(moment, min(failed.get(moment, 0.0), asked), asked)
            for moment, asked in requests.filled(span.start, span.end)]


def _sums(pairs: Iterable[Pair]) -> tuple[float, float]:
    known = list(pairs)
    return sum(had for _moment, had, _asked in known), sum(asked for _moment, _had, asked in known)


def _shared(errors: Series, pairs: Sequence[Pair], usual: float, spread: float) -> Anomaly | None:
    had, asked = _sums(pairs)
    if not asked:
        return None
    share = had / asked
    score = (share - usual) / math.hypot(spread, standard_error(had, asked))
    return Anomaly(errors.component, errors.metric, errors.unit, score, UP, usual, share,
                   (share - usual) * asked / len(pairs), pairs[0][0], True, asked / len(pairs))


def _with_requests(
    anomaly: Anomaly | None, known: Mapping[tuple[str, str], Series], window: Span
) -> Anomaly | None:
    """A metric's anomaly with how many requests there were in those periods."""
    requests = _asked(known, anomaly.component) if anomaly else None
    if anomaly is None or requests is None:
        return anomaly
    later = requests.filled(anomaly.at, window.end)[:TOGETHER]
    return replace(anomaly, requests=sum(value for _moment, value in later) / len(later)) if later else anomaly
