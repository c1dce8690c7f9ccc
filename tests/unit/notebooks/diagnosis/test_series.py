"""Series: a period without a point had none where idle ones are not published, and is unknown elsewhere."""

from __future__ import annotations

from datetime import timedelta

from opsbook.diagnosis.series import COUNT, Series
from tests.unit.notebooks.diagnosis.making import MINUTE, START, WINDOW, counts


def test_missing_periods_are_none_happened_only_where_that_is_so() -> None:
    values = [3.0, None, 2.0, None]
    end = START + 4 * MINUTE
    assert [value for _moment, value in counts(values).filled(START, end)] == [3, 0, 2, 0]
    assert [value for _moment, value in counts(values, zero=False).filled(START, end)] == [3, 2]


def test_a_series_without_points_had_none_all_the_time() -> None:
    assert [value for _moment, value in counts([]).filled(WINDOW.start, WINDOW.end)] == [0] * 60


def test_points_off_the_grid_are_not_lost() -> None:
    late = timedelta(seconds=7)
    points = ((START, 1.0), (START + MINUTE + late, 2.0), (START + MINUTE + 3 * late, 4.0), (START + 3 * MINUTE + late, 8.0))
    found = Series("api", "errors", "requests", COUNT, points, 60, True).filled(START, START + 5 * MINUTE)
    assert found == tuple((START + number * MINUTE, value) for number, value in enumerate((1.0, 6.0, 0.0, 8.0, 0.0)))


def test_a_stretch_that_begins_between_periods_has_only_whole_ones() -> None:
    found = counts([1.0] * 10).filled(START + MINUTE / 2, START + 3 * MINUTE)
    assert [moment for moment, _value in found] == [START + MINUTE, START + 2 * MINUTE]
