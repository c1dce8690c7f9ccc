"""Rates with their denominators: how sure a share of failures is, whether it changed, and whether anybody asked at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opsbook.diagnosis.series import Series
from opsbook.evidence.pieces import Span

SURE = 1.96
"""Standard errors of an interval that holds the true rate 19 times of 20."""
THRESHOLD = 3.0
"""Standard errors from which two rates differ: one comparison in 370 does by chance (normal distribution, both sides)."""
UNLIKELY = math.log(1000)
"""Where this many requests were expected, none came by chance once in 1000 times: exp(-6.9), a Poisson count."""


@dataclass(frozen=True)
class Rate:
    """A share of events: so many of so many.

    :param events: how many had the property, as failed requests
    :param of: how many there were
    :param low, high: Wilson's interval of the true share; it stays inside 0 to 1 and is honest for few events and for none
        (Wilson, 1927; Brown, Cai and DasGupta, 2001). None where nothing was asked
    """

    events: float
    of: float
    low: float | None
    high: float | None

    @property
    def value(self) -> float | None:
        """The share, 0 to 1; None where there were none to have it: no requests are not 0 % errors."""
        return self.events / self.of if self.of > 0 else None

    def __str__(self) -> str:
        if self.value is None:
            return "no rate: there were no requests"
        return f"{self.value:.2%} ({self.events:,.0f} of {self.of:,.0f}, {self.low:.2%} to {self.high:.2%})"


@dataclass(frozen=True)
class Comparison:
    """A rate held against an earlier one.

    :param difference: now less before, in shares; None where one of both is no rate
    :param times: now by before; None where before was 0 or one of both is no rate
    :param errors: the difference in standard errors
    :param higher, lower: whether it is that by `THRESHOLD` standard errors
    """

    now: Rate
    before: Rate
    difference: float | None
    times: float | None
    errors: float | None

    @property
    def higher(self) -> bool:
        """Whether the rate is higher now."""
        return self.errors is not None and self.errors >= THRESHOLD

    @property
    def lower(self) -> bool:
        """Whether the rate is lower now."""
        return self.errors is not None and self.errors <= -THRESHOLD


@dataclass(frozen=True)
class Silence:
    """A stretch up to the end of the window in which nobody asked.

    :param since: when it began: the first of the periods without any
    :param expected: how many requests the baseline's rate would have brought in it
    :param longest_before: the longest such stretch in the baseline, in seconds
    :param believable: whether it is more than a quiet minute: chance would need luck of 1 in 1000, and the baseline, whose
        requests may come in bursts, had none half as long
    """

    since: datetime
    expected: float
    longest_before: float
    believable: bool


def rate(events: float, of: float, sure: float = SURE) -> Rate:
    """The share of events among so many, with Wilson's interval.

    :param sure: how many standard errors the interval has on each side
    :raises ValueError: for more events than there could be, or fewer than none
    """
    if events < 0 or of < 0 or events > of:
        raise ValueError(f"{events} of {of} is no rate")
    if of == 0:
        return Rate(events, of, None, None)
    share, weight = events / of, sure * sure / of
    middle = (share + weight / 2) / (1 + weight)
    half = sure * math.sqrt(share * (1 - share) / of + weight / (4 * of)) / (1 + weight)
    return Rate(events, of, max(0.0, middle - half), min(1.0, middle + half))


def rate_within(events: Series, of: Series, span: Span) -> Rate:
    """The rate over a stretch. Where more events were counted than asked (two counters, read a moment apart, or retries
    that only one of them counts), as many as were asked are taken.

    :param events: a count, as errors
    :param of: the count that it is part of, as requests
    """
    asked = sum(value for _moment, value in of.within(span.start, span.end))
    had = sum(value for _moment, value in events.within(span.start, span.end))
    return rate(min(had, asked), asked)


def standard_error(events: float, of: float) -> float:
    """The standard error of a share that does not become 0 for none or all of few (Agresti and Coull, 1998).

    It adds half the threshold squared of both kinds, so that one failure of three requests is no proof.
    """
    added = THRESHOLD * THRESHOLD
    total = of + added
    share = (events + added / 2) / total
    return math.sqrt(share * (1 - share) / total)


def compare(now: Rate, before: Rate) -> Comparison:
    """Hold a rate against an earlier one, by the standard errors of both."""
    if now.value is None or before.value is None:
        return Comparison(now, before, None, None, None)
    difference = now.value - before.value
    error = math.hypot(standard_error(now.events, now.of), standard_error(before.events, before.of))
    return Comparison(now, before, difference, now.value / before.value if before.value else None, difference / error)


def silence_of(requests: Series, window: Span, baseline: Span) -> Silence | None:
    """The silence at the end of a window; None where somebody asked in its last period, or nobody ever did in the baseline.

    :param requests: a count a period, `zero_if_missing` where idle periods have no point. Without that, a period without
        a point is unknown, and the silence is what was counted as 0
    """
    before = requests.filled(baseline.start, baseline.end)
    silent = _trailing_zeros(requests.filled(window.start, window.end))
    asked = sum(value for _moment, value in before)
    if not silent or not asked:
        return None
    length = len(silent) * requests.period
    expected = asked / (len(before) * requests.period) * length
    longest = float(_longest_zeros([value for _moment, value in before]) * requests.period)
    return Silence(silent[0][0], expected, longest, expected >= UNLIKELY and length >= 2 * longest)


def _trailing_zeros(points: Sequence[tuple[datetime, float]]) -> list[tuple[datetime, float]]:
    first = len(points)
    while first > 0 and points[first - 1][1] == 0:
        first -= 1
    return list(points[first:])


def _longest_zeros(values: Sequence[float]) -> int:
    longest = run = 0
    for value in values:
        run = run + 1 if value == 0 else 0
        longest = max(longest, run)
    return longest
