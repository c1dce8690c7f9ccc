"""Metrics that are evaluated when somebody reads them: a value a minute, from fifteen days ago until now.

A value depends on the seed, the series and the minute of absolute UTC time, on nothing else: whenever a lab with the
same seed starts, the same minute has the same value. Nothing is stored, so that thousands of series cost nothing until
they are read. Chance comes from a hash of the series and the hour: two numbers a minute, one for the noise and one for
the rounding of counts.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

HISTORY_MINUTES = 15 * 1440
_HOUR, _DAY, _WEEK = 60, 1440, 7 * 1440
_BUSIEST_MINUTE = 14 * 60
_NUMBERS = struct.Struct(f"<{2 * _HOUR}H")
_STEPS = 1 << 16
# The epoch was a Thursday: minutes of a week are counted from Monday, 00:00 UTC.
_MONDAY = 3 * _DAY
_SATURDAY = 5 * _DAY
# How long activity takes to go down before Saturday and to come up after Sunday.
_TRANSITION = 180
_FIGURES = ("level", "daily", "weekly", "noise", "spread", "samples", "most")


@dataclass(frozen=True)
class Signal:
    """How a series moves: `daily`, `weekly` and `noise` are parts of `level`.

    `daily` is how far the day's wave goes up and down, `weekly` how much less there is at weekends, `noise` a standard
    deviation. A `whole` series is of counts: rounded by chance, so that rare events stay rare instead of vanishing.
    A series with a `spread` is of durations: each value is the mean of about `samples` requests a minute whose logarithms
    have that deviation, none above `most` (0: no bound). A `sparse` one is published only while it is not zero.
    """

    unit: str
    level: float
    daily: float = 0.0
    weekly: float = 0.0
    noise: float = 0.0
    whole: bool = False
    spread: float = 0.0
    samples: float = 1000.0
    most: float = 0.0
    sparse: bool = False

    def values(self, key: bytes, first: int, last: int) -> list[float]:
        """The values of the minutes from `first` to before `last`, as minutes since the epoch.

        :param key: what chance depends on, see `key_of`
        """
        found: list[float] = []
        for hour in range(first // _HOUR, -(-last // _HOUR)):
            begin, end = max(first, hour * _HOUR), min(last, (hour + 1) * _HOUR)
            found += self._part_of_hour(key, hour, begin % _HOUR, end - begin)
        return found

    def _part_of_hour(self, key: bytes, hour: int, skipped: int, length: int) -> list[float]:
        numbers = _NUMBERS.unpack(hashlib.shake_128(key + hour.to_bytes(6, "big")).digest(_NUMBERS.size))
        minute = (hour * _HOUR + skipped + _MONDAY) % _WEEK
        waves = _daily_wave()[minute % _DAY : minute % _DAY + length]
        rests = _weekend()[minute : minute + length]
        level, daily, weekly = self.level, self.level * self.daily, self.level * self.weekly
        deviation, normal = self.level * self.noise, _normal()
        exact = [
            max(0.0, level + daily * wave - weekly * rest + deviation * normal[number >> 6])
            for wave, rest, number in zip(waves, rests, numbers[skipped : skipped + length], strict=True)
        ]
        if not self.whole:
            return [round(value, 3) for value in exact]
        chances = numbers[_HOUR + skipped : _HOUR + skipped + length]
        return [float(int(value + chance / _STEPS)) for value, chance in zip(exact, chances, strict=True)]


def key_of(*identity: Any) -> bytes:
    """What a series' chance depends on: seed, account, region and the series itself."""
    return hashlib.blake2b(repr(identity).encode(), digest_size=16).digest()


def parse_signal(item: Mapping[str, Any]) -> Signal:
    """A signal as it came from outside; raises ValueError where it is not one."""
    numbers = {name: float(item[name]) for name in _FIGURES if name in item}
    if not all(math.isfinite(number) for number in numbers.values()):
        raise ValueError("numbers must be finite")
    return Signal(
        unit=str(item.get("unit", "None")), level=numbers.pop("level", 0.0), whole=bool(item.get("whole", False)),
        sparse=bool(item.get("sparse", False)), **numbers,
    )  # fmt: skip


@cache
def _daily_wave() -> list[float]:
    """By minute of the day, from -1 at night to 1 in the early afternoon."""
    return [math.cos(2 * math.pi * (minute - _BUSIEST_MINUTE) / _DAY) for minute in range(_DAY)]


@cache
def _weekend() -> list[float]:
    """By minute of the week, 1 at the weekend and 0 on working days."""

    def rest(minute: int) -> float:
        # The beginning of Monday belongs to the weekend before.
        minute = minute if minute > _DAY else minute + _WEEK
        return 0.5 + min(minute - _SATURDAY, _WEEK - minute) / _TRANSITION

    return [min(1.0, max(0.0, rest(minute))) for minute in range(_WEEK)]


@cache
def _normal() -> list[float]:
    """The standard normal distribution in 1024 equally likely steps."""
    distribution = NormalDist()
    return [distribution.inv_cdf((step + 0.5) / 1024) for step in range(1024)]
