"""What an incident does to a metric: a change of its values over a stretch of time, in a shape.

Nothing is stored: an overlay is evaluated with the signal below it when somebody reads the minute. The same overlay gives
the same minute the same value, whoever asks and how often.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from lab.aws.spreads import Part

SHAPES = ("step", "ramp", "spikes", "intermittent")
SeriesKey = tuple[str, str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Overlay:
    """One change of one series, from minute `first` (since the epoch) to before `last` (None: it goes on).

    :param shape: step: all at once; ramp: over `minutes`; spikes: `lasting` minutes in every `every`; intermittent: some
        minutes, a part of `part` of them, by chance
    :param recovery: minutes in which it fades after `last`
    :param factor, plus, level: times so much; so much more; becomes this
    :param share: so much more for each of another series' (`of`): errors that are a part of the requests
    :param slow: this part of the requests takes `level` (with `spread`): the mean and the high percentiles move
    :param missing: nothing is published
    :param noise: standard deviation of what is added, as a part of it
    """

    first: int
    last: int | None = None
    shape: str = "step"
    minutes: int = 10
    every: int = 12
    lasting: int = 3
    part: float = 0.4
    recovery: int = 0
    factor: float = 1.0
    plus: float = 0.0
    level: float | None = None
    share: float = 0.0
    slow: float = 0.0
    spread: float = 0.4
    missing: bool = False
    noise: float = 0.08
    chance: str = ""
    of: SeriesKey | None = field(default=None)

    def strength(self, minute: int) -> float:
        """How far the change is in force in a minute, from 0 to 1."""
        if minute < self.first:
            return 0.0
        if self.last is not None and minute >= self.last:
            return max(0.0, 1 - (minute - self.last + 1) / (self.recovery + 1)) if self.recovery else 0.0
        age = minute - self.first
        if self.shape == "ramp":
            return min(1.0, (age + 1) / max(1, self.minutes))
        if self.shape == "spikes":
            return 1.0 if age % self.every < self.lasting else 0.0
        if self.shape == "intermittent":
            return 1.0 if self._draw(minute // 2, "on").random() < self.part else 0.0
        return 1.0

    def applied(self, minute: int, value: float, other: float) -> float:
        """The minute's value, where the series had `value` and the one that `share` is of had `other`."""
        strength = self.strength(minute)
        if not strength:
            return value
        wobble = self._wobble(minute)
        if self.slow and self.level is not None:
            return value + strength * self.slow * (self.level * wobble - value)
        if self.level is not None:
            value += strength * (self.level * wobble - value)
        value *= 1 + strength * (self.factor * (wobble if self.factor > 1 else 1) - 1)
        return max(0.0, value + strength * wobble * (self.plus + self.share * other))

    def slow_part(self, minute: int) -> Part | None:
        """The slow part of a minute's requests."""
        strength = self.strength(minute)
        if not self.slow or self.level is None or not strength:
            return None
        return Part(self.slow * strength, self.level * self._wobble(minute), self.spread)

    def _wobble(self, minute: int) -> float:
        return max(0.0, 1 + self._draw(minute, "noise").gauss(0, self.noise))

    def _draw(self, minute: int, what: str) -> random.Random:
        return random.Random(f"{self.chance}:{what}:{minute}")


def overlaid(
    overlays: Sequence[Overlay], first: int, values: Sequence[float], other: Callable[[SeriesKey], Sequence[float]],
    whole: bool = False,
) -> list[float | None]:
    """The values of the minutes from `first` with the changes, in their order; None where nothing is published.

    :param other: the values of another series for the same minutes
    :param whole: they are counts, rounded by chance
    """
    others = {overlay.of: other(overlay.of) for overlay in overlays if overlay.of is not None}
    changed: list[float | None] = []
    for offset, value in enumerate(values):
        minute, now = first + offset, value
        if any(overlay.missing and overlay.strength(minute) for overlay in overlays):
            changed.append(None)
            continue
        for overlay in overlays:
            now = overlay.applied(minute, now, others[overlay.of][offset] if overlay.of is not None else 0.0)
        if whole and now != value:
            now = float(math.floor(now + random.Random(f"{overlays[0].chance}:round:{minute}").random()))
        changed.append(round(now, 3))
    return changed


def parts_of(overlays: Sequence[Overlay], minute: int, mean: float, spread: float) -> list[Part]:
    """How a minute's requests spread when its mean over all of them is `mean`."""
    slow = [part for part in (overlay.slow_part(minute) for overlay in overlays) if part is not None]
    weight = sum(part.weight for part in slow)
    if not slow or weight >= 1:
        return [*slow, *([] if slow else [Part(1.0, mean, spread)])]
    fast = max(1e-6, (mean - sum(part.weight * part.mean for part in slow)) / (1 - weight))
    return [Part(1 - weight, fast, spread), *slow]


_NUMBERS = ("factor", "plus", "level", "share", "slow", "spread", "noise", "part")
_KNOWN = frozenset(each.name for each in fields(Overlay)) - {"of"}


def parse_overlay(item: Mapping[str, Any], of: SeriesKey | None) -> Overlay:
    """An overlay as it came from outside; raises ValueError for what is not one."""
    unknown = sorted(set(item) - _KNOWN)
    if unknown:
        raise ValueError(f"an overlay has no {', '.join(unknown)}")
    overlay = Overlay(**item)
    if overlay.shape not in SHAPES:
        raise ValueError(f"shape must be one of {', '.join(SHAPES)}, not {overlay.shape!r}")
    numbers: dict[str, Any] = {name: float(item[name]) for name in _NUMBERS if item.get(name) is not None}
    if not all(math.isfinite(number) for number in numbers.values()):
        raise ValueError("numbers must be finite")
    return replace(overlay, of=of, **numbers)
