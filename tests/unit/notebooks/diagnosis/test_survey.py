"""A survey: series of a whole system to a symptom and to where it comes from."""

from __future__ import annotations

import pytest

from opsbook.diagnosis.metrics import ERRORS, LATENCY
from opsbook.diagnosis.series import Series
from opsbook.diagnosis.survey import survey
from tests.unit.notebooks.diagnosis.making import (
    BASELINE,
    WINDOW,
    at,
    counts,
    from_minute,
    mapped,
    noisy,
    series,
    with_window,
)

MAP = mapped({"web": ["shop"], "shop": ["stock", "pay"], "batch": []})


def latency(component: str, seed: int, changed: dict[int, float] | None = None) -> Series:
    return series(with_window(noisy(100, 5, seed=seed), changed or {}), component=component)


def failures(component: str, first: int | None = None) -> list[Series]:
    errors = with_window([1.0] * 240, from_minute(first, 80.0) if first is not None else {})
    return [counts([1000.0] * 240, component=component), counts(errors, "errors", component)]


def test_a_slow_callee_is_found_with_its_onset() -> None:
    slower = from_minute(25, 400.0)
    found = survey(MAP, [latency("web", 1, slower), latency("shop", 2, slower), latency("stock", 3, slower),
                         latency("pay", 4), latency("batch", 5, from_minute(25, 900.0))], WINDOW, BASELINE, "web", LATENCY)
    assert found.present is True
    assert found.onset == at(25)
    first = found.localisation.candidates[0]
    assert (first.component, first.onset, first.path) == ("stock", at(25), ("web", "shop", "stock"))
    assert found.localisation.candidates[-1].component == "batch"


def test_failing_requests_are_followed_by_their_share() -> None:
    found = survey(MAP, [*failures("web", 30), *failures("shop", 30), *failures("stock"), *failures("pay", 30)],
                   WINDOW, BASELINE, "web", ERRORS)
    assert (found.present, found.onset, found.localisation.candidates[0].component) == (True, at(30), "pay")


def test_an_incident_that_is_over_is_still_found() -> None:
    slower = from_minute(10, 400.0, 20)
    found = survey(MAP, [latency("web", 1, slower), latency("shop", 2, slower)], WINDOW, BASELINE, "web", LATENCY)
    assert found.change is not None
    assert (found.onset, found.change.until) == (at(10), at(20))
    assert found.localisation.candidates[0].component == "shop"


def test_one_that_began_in_the_baseline_does_not_count_as_usual() -> None:
    slower = from_minute(-60, 400.0)
    found = survey(MAP, [latency("web", 1, slower), latency("shop", 2, slower)], WINDOW, BASELINE, "web", LATENCY)
    assert (found.present, found.onset, found.localisation.candidates[0].component) == (True, at(-60), "shop")


def test_trouble_that_was_there_all_along_does_not_explain_a_new_symptom() -> None:
    found = survey(MAP, [latency("web", 1, from_minute(30, 400.0)), latency("shop", 2, from_minute(30, 400.0)),
                         latency("stock", 3), latency("pay", 4, from_minute(2, 400.0))], WINDOW, BASELINE, "web", LATENCY)
    assert found.localisation.candidates[0].component == "shop"
    assert found.localisation.place_of("pay") is None


def test_nothing_wrong_is_an_answer() -> None:
    found = survey(MAP, [latency(name, seed) for seed, name in enumerate(("web", "shop", "stock", "pay", "batch"))],
                   WINDOW, BASELINE, "web", LATENCY)
    assert (found.present, found.change, found.localisation.candidates) == (False, None, ())


@pytest.mark.parametrize("given", [
    pytest.param([], id="nothing was read"),
    pytest.param([latency("shop", 2)], id="only others were"),
    pytest.param(failures("web"), id="another symptom was"),
])
def test_a_symptom_that_was_not_measured_is_unknown(given: list[Series]) -> None:
    assert survey(MAP, given, WINDOW, BASELINE, "web", LATENCY).present is None


def test_more_traffic_is_no_onset_of_failures() -> None:
    requests = counts(with_window([1000.0] * 240, from_minute(20, 4000.0)), component="web")
    errors = counts(with_window([20.0] * 240, from_minute(20, 80.0)), "errors", "web")
    found = survey(MAP, [requests, errors], WINDOW, BASELINE, "web", ERRORS)
    assert (found.present, found.change) == (False, None)
