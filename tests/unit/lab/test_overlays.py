"""What incidents do to metrics: shapes over time, and how slow requests move the high percentiles only."""

from __future__ import annotations

from typing import Any

import pytest

from lab.aws.overlays import Overlay, overlaid, parse_overlay, parts_of
from lab.aws.spreads import Part, quantile

BEGUN = 1000
REQUESTS = ("AWS/X", "Requests", frozenset({("Name", "a")}))


def changed(values: list[float], *overlays: Overlay, first: int = BEGUN - 2, whole: bool = False) -> list[float | None]:
    """The values from two minutes before the onset, with requests of 200 a minute beside."""
    return overlaid(overlays, first, values, lambda key: [200.0] * len(values), whole)


@pytest.mark.parametrize(("options", "strengths"), [
    ({}, [0, 0, 1, 1, 1, 1, 1, 1]), ({"last": BEGUN + 3}, [0, 0, 1, 1, 1, 0, 0, 0]),
    ({"last": BEGUN + 2, "recovery": 3}, [0, 0, 1, 1, 0.75, 0.5, 0.25, 0]),
    ({"shape": "ramp", "minutes": 4}, [0, 0, 0.25, 0.5, 0.75, 1, 1, 1]),
    ({"shape": "spikes", "every": 3, "lasting": 1}, [0, 0, 1, 0, 0, 1, 0, 0]),
])  # fmt: skip
def test_a_change_has_a_shape(options: dict[str, Any], strengths: list[float]) -> None:
    overlay = Overlay(first=BEGUN, **options)
    assert [overlay.strength(BEGUN - 2 + minute) for minute in range(8)] == strengths


def test_an_intermittent_change_is_on_for_a_part_of_the_time_and_always_the_same() -> None:
    overlay = Overlay(first=0, shape="intermittent", part=0.3, chance="x")
    strengths = [overlay.strength(minute) for minute in range(4000)]
    assert 0.25 < sum(strengths) / 4000 < 0.35
    assert strengths == [overlay.strength(minute) for minute in range(4000)]


@pytest.mark.parametrize(("options", "after"), [
    ({"factor": 0.5}, 50.0), ({"plus": 7}, 107.0), ({"level": 3}, 3.0), ({"share": 0.1, "of": REQUESTS}, 120.0),
    ({"slow": 0.25, "level": 500}, 200.0), ({"missing": True}, None),
])  # fmt: skip
def test_a_change_changes_what_comes_after_the_onset(options: dict[str, Any], after: float | None) -> None:
    assert changed([100.0] * 4, Overlay(first=BEGUN, noise=0, **options)) == [100.0, 100.0, after, after]


def test_changes_add_up_in_their_order() -> None:
    twice = Overlay(first=BEGUN, noise=0, factor=2), Overlay(first=BEGUN, noise=0, plus=5)
    assert changed([10.0] * 3, *twice) == [10.0, 10.0, 25.0]


def test_counts_stay_whole_and_right_on_the_average() -> None:
    values = changed([0.0] * 3000, Overlay(first=0, noise=0, plus=0.3), first=0, whole=True)
    numbers = [value for value in values if value is not None]
    assert all(value == int(value) for value in numbers)
    assert 0.25 < sum(numbers) / len(numbers) < 0.35


def test_a_slow_part_moves_the_high_percentiles_and_not_the_median() -> None:
    before = [Part(1.0, 0.1, 0.7)]
    slow = Overlay(first=BEGUN, slow=0.1, level=5.0, noise=0)
    (mean,) = changed([0.1], slow, first=BEGUN)
    assert mean == pytest.approx(0.59)
    after = parts_of([slow], BEGUN, mean or 0, 0.7)
    assert sum(part.weight * part.mean for part in after) == pytest.approx(mean)
    assert quantile(after, 0.5) < 1.3 * quantile(before, 0.5)
    assert quantile(after, 0.95) > 10 * quantile(before, 0.95)


def test_percentiles_of_one_distribution_are_exact() -> None:
    assert quantile([Part(1.0, 1.0, 1e-9)], 0.99) == pytest.approx(1.0)
    two = [Part(0.5, 1.0, 0.01), Part(0.5, 100.0, 0.01)]
    assert quantile(two, 0.25) == pytest.approx(1.0, rel=0.03)
    assert quantile(two, 0.75) == pytest.approx(100.0, rel=0.03)


@pytest.mark.parametrize("item", [
    {"first": 1, "shape": "bump"}, {"first": 1, "plus": float("nan")}, {"first": 1, "colour": 3},
])  # fmt: skip
def test_what_is_no_overlay_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"shape|finite|has no"):
        parse_overlay(item, None)
