"""Change points: when a metric changed, how far, and whether it is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsbook.diagnosis.change_point import RAMP, STEP, change_point, fits
from opsbook.diagnosis.robust import BOTH, DOWN, UP
from tests.unit.notebooks.diagnosis.making import BASELINE, WINDOW, at, counts, from_minute, noisy, series, with_window

USUAL = noisy(100, 5)
RISING = {minute: 100.0 + 10 * (minute - 20) for minute in range(20, 60)}


@pytest.mark.parametrize(("values", "onset", "until", "slack"), [
    pytest.param(with_window(USUAL, from_minute(20, 300.0)), 20, None, 0, id="a step"),
    pytest.param(with_window(USUAL, from_minute(20, 300.0, 30)), 20, 30, 0, id="one that is over"),
    pytest.param(with_window(USUAL, from_minute(57, 300.0)), 57, None, 0, id="three minutes old"),
    pytest.param(with_window(USUAL, RISING), 20, None, 4, id="a ramp, from its foot"),
    pytest.param(with_window(USUAL, {minute: 300.0 for minute in range(10, 60) if minute % 3}), 10, None, 0,
                 id="one that comes and goes"),
    pytest.param(with_window(USUAL, from_minute(-30, 300.0)), -30, None, 0, id="older than the window"),
    pytest.param(with_window(USUAL, from_minute(-120, 300.0)), -120, None, 0, id="for most of the baseline"),
    pytest.param(with_window([100.0] * 240, from_minute(20, 150.0)), 20, None, 0, id="after a constant baseline"),
])
def test_the_onset_and_the_end(values: list[float], onset: int, until: int | None, slack: int) -> None:
    found = change_point(series(values), WINDOW, BASELINE, UP)
    assert found is not None
    assert found.believable
    assert abs(found.onset - at(onset)) <= timedelta(minutes=slack)
    assert found.until == (None if until is None else at(until))


@pytest.mark.parametrize(("values", "direction"), [
    pytest.param(USUAL, BOTH, id="nothing happened"),
    pytest.param([100.0] * 240, BOTH, id="nothing ever happens"),
    pytest.param([300.0] * 240, UP, id="older than all that was seen: no change"),
    pytest.param(with_window(USUAL, {30: 3000.0}), UP, id="one spike, however high"),
    pytest.param(with_window(USUAL, from_minute(20, 20.0)), UP, id="it fell, and a rise was asked for"),
    pytest.param(with_window(USUAL, from_minute(20, 112.0)), UP, id="a change that nobody would notice"),
    pytest.param([value + (200 if 60 <= minute < 90 else 0) for minute, value in enumerate(USUAL)], UP,
                 id="trouble that was over before the window"),
])
def test_what_is_no_change_is_not_believed(values: list[float], direction: int) -> None:
    found = change_point(series(values), WINDOW, BASELINE, direction)
    assert found is None or not found.believable


def test_noise_alone_is_hardly_ever_believed() -> None:
    found = [change_point(series(noisy(100, 10, seed=seed)), WINDOW, BASELINE) for seed in range(200)]
    assert sum(one is not None and one.believable for one in found) <= 2


def test_a_fall_is_found_where_either_is_looked_for() -> None:
    found = change_point(series(with_window(USUAL, from_minute(20, 20.0))), WINDOW, BASELINE, BOTH)
    assert found is not None
    assert found.size < -3
    assert found.onset == at(20)


def test_the_shape_tells_a_ramp_from_a_step() -> None:
    ramp = change_point(series(with_window(USUAL, RISING)), WINDOW, BASELINE, UP)
    step = change_point(series(with_window(USUAL, from_minute(20, 300.0))), WINDOW, BASELINE, UP)
    assert ramp is not None
    assert step is not None
    assert (ramp.shape, step.shape) == (RAMP, STEP)


def test_gaps_do_not_hide_a_change() -> None:
    values = with_window(USUAL, from_minute(20, 300.0))
    gappy = [None if number % 4 == 1 else value for number, value in enumerate(values)]
    found = change_point(series(gappy), WINDOW, BASELINE, UP)
    assert found is not None
    assert found.believable
    assert found.onset - at(20) <= timedelta(minutes=1)


@pytest.mark.parametrize("direction", [UP, DOWN, BOTH])
def test_too_few_points_tell_nothing(direction: int) -> None:
    assert change_point(series([100.0] * 4), WINDOW, BASELINE, direction) is None
    assert change_point(series([]), WINDOW, BASELINE, direction) is None


@pytest.mark.parametrize(("failures", "believable"), [
    pytest.param(1.0, False, id="one a minute, as chance has it"),
    pytest.param(6.0, True, id="six a minute where there were none"),
])
def test_counts_scatter_as_independent_events_do(failures: float, believable: bool) -> None:
    errors = counts(with_window([0.0] * 240, from_minute(20, failures)), "errors")
    found = change_point(errors, WINDOW, BASELINE, UP)
    assert bool(found and found.believable) is believable


@pytest.mark.parametrize(("onset", "symptom", "expected"), [
    (10, 10, True), (0, 10, True), (12, 10, True), (13, 10, False), (None, 10, None), (10, None, None)])
def test_a_cause_begins_before_its_effect(onset: int | None, symptom: int | None, expected: bool | None) -> None:
    moments = [None if minute is None else at(minute) for minute in (onset, symptom)]
    assert fits(*moments, timedelta(minutes=2)) is expected
