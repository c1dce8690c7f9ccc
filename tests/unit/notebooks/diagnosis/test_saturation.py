"""Saturation: what was at its limit and for how long, and what is on its way there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsbook.diagnosis.saturation import leak_of, rising, saturation_of
from opsbook.evidence.pieces import Span
from tests.unit.notebooks.diagnosis.making import BASELINE, WINDOW, at, from_minute, noisy, series, with_window

WHOLE = Span(BASELINE.start, WINDOW.end)
LOW = [40.0] * 240


@pytest.mark.parametrize(("values", "seconds", "since", "saturated", "full"), [
    pytest.param(LOW, 0, None, False, False, id="far from it"),
    pytest.param(with_window(LOW, from_minute(20, 90.0)), 2400, 20, True, False, id="above the threshold for long"),
    pytest.param(with_window(LOW, from_minute(20, 100.0, 23)), 180, 20, True, True, id="full for three minutes"),
    pytest.param(with_window(LOW, {5: 99.0, 30: 99.0, 50: 99.0}), 180, 5, False, True, id="three spikes"),
    pytest.param(with_window(LOW, from_minute(10, 90.0, 12) | from_minute(30, 90.0, 40)), 720, 30, True, False,
                 id="the longest stretch counts"),
])
def test_time_at_the_limit(values: list[float], seconds: float, since: int | None, saturated: bool, full: bool) -> None:
    found = saturation_of(series(values, "cpu_percent", "percent"), WINDOW, 100.0, 80.0)
    assert found is not None
    assert (found.seconds, found.saturated, found.full) == (seconds, saturated, full)
    assert found.since == (None if since is None else at(since))
    assert found.headroom == pytest.approx(1 - max(values[180:]) / 100)


def test_a_limit_that_was_read_works_like_one_of_per_cent() -> None:
    found = saturation_of(series(with_window([20.0] * 240, from_minute(30, 97.0)), "connections"), WINDOW, 100.0, 80.0)
    assert found is not None
    assert (found.saturated, found.full, found.peak) == (True, True, 97.0)


def test_what_was_not_measured_is_not_below_its_limit() -> None:
    assert saturation_of(series([90.0] * 180, "cpu_percent"), WINDOW, 100.0, 80.0) is None


@pytest.mark.parametrize(("limit", "threshold"), [(0.0, 0.0), (-1.0, -2.0), (100.0, 101.0)])
def test_limits_that_are_none_are_refused(limit: float, threshold: float) -> None:
    with pytest.raises(ValueError, match="are none"):
        saturation_of(series(LOW), WINDOW, limit, threshold)


RISING = [40 + 0.2 * minute for minute in range(240)]
SAWTOOTH = [40 + minute % 30 for minute in range(240)]


@pytest.mark.parametrize(("values", "leaks"), [
    pytest.param(RISING, True, id="it rises all the time"),
    pytest.param([value + noise for value, noise in zip(RISING, noisy(0, 3), strict=True)], True, id="with noise"),
    pytest.param([40 + 10 * (minute // 60) for minute in range(240)], True, id="in steps"),
    pytest.param(LOW, False, id="it stands still"),
    pytest.param(noisy(60, 5), False, id="it wanders"),
    pytest.param(SAWTOOTH, False, id="it is given back each half hour"),
    pytest.param(list(reversed(RISING)), False, id="it falls"),
    pytest.param([40 + 0.01 * minute for minute in range(240)], False, id="it rises too little to matter"),
    pytest.param(RISING[:20], False, id="too few points"),
])
def test_a_leak_rises_for_most_of_the_time_and_notably(values: list[float], leaks: bool) -> None:
    assert (leak_of(series(values, "memory_percent", "percent"), WHOLE, 100.0) is not None) is leaks


def test_two_days_by_the_minute_leak_as_four_hours_do() -> None:
    days = Span(WHOLE.start, WHOLE.start + timedelta(days=2))
    found = leak_of(series([20 + minute / 60 for minute in range(2880)], "memory_percent", "percent"), days, 100.0)
    assert found is not None
    assert found.an_hour == pytest.approx(1)
    assert found.newest == pytest.approx(68, abs=0.2)


def test_a_leak_says_when_its_limit_is_reached() -> None:
    found = leak_of(series(RISING, "memory_percent", "percent"), WHOLE, 100.0)
    assert found is not None
    assert found.an_hour == pytest.approx(12)
    assert found.hours_left == pytest.approx((100 - RISING[-1]) / 12)


@pytest.mark.parametrize(("values", "sign"), [
    ([1.0, 2.0, 3.0, 4.0], 1), ([4.0, 3.0, 2.0, 1.0], -1), ([2.0] * 4, 0), ([], 0)])
def test_mann_and_kendalls_statistic_has_the_sign_of_the_trend(values: list[float], sign: int) -> None:
    assert (rising(values) > 0) - (rising(values) < 0) == sign
