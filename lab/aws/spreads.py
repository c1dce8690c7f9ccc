"""How single requests spread around a minute's mean: what percentiles of a latency are made from.

Latencies are roughly lognormal. A minute is one such distribution, or several where an incident makes a part of the
requests slow: then the 95th percentile moves, and the median does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

_HALVINGS = 48
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Part:
    """A part of a minute's requests: how many of all (0 to 1), their mean, and the sigma of their logarithms."""

    weight: float
    mean: float
    spread: float

    def below(self, value: float) -> float:
        """Which part of these requests does not exceed a value."""
        if value <= 0 or self.mean <= 0:
            return 1.0 if value >= self.mean else 0.0
        median = math.log(self.mean) - self.spread**2 / 2
        return _NORMAL.cdf((math.log(value) - median) / self.spread)

    def quantile(self, part: float) -> float:
        """The value that `part` of these requests do not exceed."""
        if self.mean <= 0:
            return 0.0
        return self.mean * math.exp(self.spread * _NORMAL.inv_cdf(part) - self.spread**2 / 2)


def quantile(parts: Sequence[Part], wanted: float) -> float:
    """The value that `wanted` (between 0 and 1) of all parts' requests together do not exceed."""
    if len(parts) == 1:
        return parts[0].quantile(wanted)
    low, high = (pick(part.quantile(wanted) for part in parts) for pick in (min, max))
    total = sum(part.weight for part in parts)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if sum(part.weight * part.below(middle) for part in parts) < wanted * total:
            low = middle
        else:
            high = middle
    return high
