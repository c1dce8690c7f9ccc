"""Signals as functions of time: waves, weekends, noise and counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import fmean, stdev

import pytest

from lab.aws.signals import Signal, key_of, parse_signal

KEY = key_of(1, "123456789012", "us-east-1", "App", "Requests")
WEDNESDAY = datetime(2026, 3, 4, tzinfo=UTC)
SATURDAY = WEDNESDAY + timedelta(days=3)


def values(signal: Signal, day: datetime, hours: float = 24, key: bytes = KEY) -> list[float]:
    first = int(day.timestamp()) // 60
    return signal.values(key, first, first + int(hours * 60))


def test_a_part_is_the_same_as_in_the_whole() -> None:
    signal = Signal("Count", 40, daily=0.3, weekly=0.2, noise=0.2, whole=True)
    day, first = values(signal, WEDNESDAY), int(WEDNESDAY.timestamp()) // 60
    for begin, end in ((0, 1), (59, 61), (17, 193), (1439, 1440)):
        assert signal.values(KEY, first + begin, first + end) == day[begin:end]


def test_afternoons_are_busier_than_nights() -> None:
    day = values(Signal("Count", 100, daily=0.4), WEDNESDAY)
    assert max(day) == pytest.approx(140)
    assert min(day) == pytest.approx(60)
    assert 13 * 60 < day.index(max(day)) < 15 * 60


def test_weekends_are_quieter() -> None:
    signal = Signal("Count", 100, weekly=0.4)
    assert fmean(values(signal, WEDNESDAY)) == 100
    assert fmean(values(signal, SATURDAY + timedelta(hours=6))) == pytest.approx(60)
    week = values(signal, WEDNESDAY, 168)
    assert max(abs(one - other) for one, other in pairwise(week)) < 1, "without jumps"


def test_noise_is_as_strong_as_told() -> None:
    noisy = values(Signal("Percent", 100, noise=0.05), WEDNESDAY, 168)
    assert fmean(noisy) == pytest.approx(100, abs=0.3)
    assert stdev(noisy) == pytest.approx(5, rel=0.05)


def test_rare_events_stay_rare_instead_of_vanishing() -> None:
    rare = values(Signal("Count", 0.02, whole=True), WEDNESDAY, 336)
    assert set(rare) == {0.0, 1.0}
    assert fmean(rare) == pytest.approx(0.02, rel=0.25)


def test_nothing_is_negative() -> None:
    assert min(values(Signal("Count", 1, daily=1, noise=2), WEDNESDAY)) == 0


def test_another_series_moves_otherwise() -> None:
    signal = Signal("Count", 50, noise=0.2)
    assert values(signal, WEDNESDAY) != values(signal, WEDNESDAY, key=key_of(2, "App"))


@pytest.mark.parametrize("item", [{"level": "x"}, {"level": float("nan")}, {"level": 1, "noise": float("inf")}])
def test_what_is_no_number_is_refused(item: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"finite|could not convert"):
        parse_signal(item)
