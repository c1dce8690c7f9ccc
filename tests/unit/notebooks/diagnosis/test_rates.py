"""Rates: honest for few requests and for none, and a silence that is more than a quiet minute."""

from __future__ import annotations

import pytest

from opsbook.diagnosis.rates import compare, rate, rate_within, silence_of
from tests.unit.notebooks.diagnosis.making import BASELINE, WINDOW, at, counts, from_minute, with_window


@pytest.mark.parametrize(("events", "of", "low", "high"), [
    # The intervals of Brown, Cai and DasGupta (2001) for Wilson's method.
    pytest.param(0, 10, 0.0, 0.2775, id="none of ten may still be a quarter"),
    pytest.param(10, 10, 0.7225, 1.0, id="all of ten"),
    pytest.param(5, 10, 0.2366, 0.7634, id="half of ten"),
    pytest.param(50, 1000, 0.0381, 0.0653, id="one in twenty of many"),
])
def test_the_interval_holds_what_so_few_can_tell(events: float, of: float, low: float, high: float) -> None:
    found = rate(events, of)
    assert found.low == pytest.approx(low, abs=2e-4)
    assert found.high == pytest.approx(high, abs=2e-4)


def test_no_requests_are_no_rate_and_not_zero() -> None:
    found = rate(0, 0)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert str(found) == "no rate: there were no requests"


@pytest.mark.parametrize(("events", "of"), [(-1, 10), (11, 10), (1, 0), (0, -1)])
def test_what_cannot_be_a_share_is_refused(events: float, of: float) -> None:
    with pytest.raises(ValueError, match="no rate"):
        rate(events, of)


@pytest.mark.parametrize(("now", "before", "higher", "lower"), [
    pytest.param((50, 1000), (10, 3000), True, False, id="a jump"),
    pytest.param((11, 1000), (30, 3000), False, False, id="about as before"),
    pytest.param((1, 3), (0, 3000), False, False, id="one of three requests proves nothing"),
    pytest.param((30, 60), (3, 3000), True, False, id="half of sixty do"),
    pytest.param((0, 1000), (300, 3000), False, True, id="it got better"),
    pytest.param((0, 0), (300, 3000), False, False, id="nobody asks now"),
    pytest.param((5, 10), (0, 0), False, False, id="nobody asked before"),
])
def test_a_rate_is_another_only_beyond_what_chance_brings(
    now: tuple[int, int], before: tuple[int, int], higher: bool, lower: bool
) -> None:
    compared = compare(rate(*now), rate(*before))
    assert (compared.higher, compared.lower) == (higher, lower)


def test_a_rate_of_series_takes_no_more_failures_than_requests() -> None:
    requests, errors = counts([1.0] * 240), counts([2.0] * 240, "errors")
    assert rate_within(errors, requests, WINDOW).value == 1.0


BURSTS = [200.0 if minute % 15 == 0 else 0.0 for minute in range(240)]


def silent_from(minute: int, values: list[float]) -> list[float]:
    return with_window(values, from_minute(minute, 0.0))


@pytest.mark.parametrize(("values", "since", "believable"), [
    pytest.param(silent_from(40, [20.0] * 240), 40, True, id="steady requests fell to nothing"),
    pytest.param(silent_from(59, [20.0] * 240), 59, True, id="even for a minute, of twenty"),
    pytest.param(silent_from(59, [1.0] * 240), 59, False, id="one silent minute of one request a minute"),
    pytest.param(silent_from(50, [1.0] * 240), 50, True, id="ten of them"),
    pytest.param(silent_from(46, BURSTS), 46, False, id="requests always came in bursts a quarter of an hour apart"),
    pytest.param(silent_from(16, BURSTS), 16, True, id="and two bursts did not come"),
])
def test_a_silence_is_believed_against_how_requests_used_to_come(values: list[float], since: int, believable: bool) -> None:
    found = silence_of(counts(values), WINDOW, BASELINE)
    assert found is not None
    assert (found.since, found.believable) == (at(since), believable)


@pytest.mark.parametrize("values", [
    pytest.param([20.0] * 240, id="somebody asked in the last minute"),
    pytest.param([0.0] * 240, id="nobody ever asked"),
])
def test_there_is_no_silence_to_speak_of(values: list[float]) -> None:
    assert silence_of(counts(values), WINDOW, BASELINE) is None


def test_periods_that_are_not_published_are_silence_only_where_idle_ones_never_are() -> None:
    values = [20.0] * 200
    assert silence_of(counts(values), WINDOW, BASELINE) is not None
    assert silence_of(counts(values, zero=False), WINDOW, BASELINE) is None
