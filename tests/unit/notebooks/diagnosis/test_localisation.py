"""Localisation: the deepest component of ours that is unusual and explains what its callers lost."""

from __future__ import annotations

from datetime import datetime

import pytest

from opsbook.diagnosis.anomaly import Anomaly
from opsbook.diagnosis.localisation import APART, BESIDE, ON_THE_WAY, ORIGIN, Measured, localise, share_of
from opsbook.diagnosis.metrics import ERRORS, LATENCY
from opsbook.diagnosis.robust import UP
from tests.unit.notebooks.diagnosis.making import at, mapped

CHAIN = {"web": ["shop"], "shop": ["stock", "pay"], "stock": ["table"], "pay": ["provider"]}


def slow(
    name: str, score: float = 10.0, increase: float = 100.0, onset: datetime | None = None, metric: str = "latency_p95",
    requests: float | None = None,
) -> tuple[str, Measured]:
    anomaly = Anomaly(name, metric, "ms", score, UP, 100.0, 100.0 + increase, increase, at(20), requests=requests)
    return name, Measured((anomaly,), onset)


def failing(name: str, score: float = 10.0, increase: float = 50.0) -> tuple[str, Measured]:
    anomaly = Anomaly(name, "errors", "requests", score, UP, 0.0, 0.1, increase, at(20), share=True)
    return name, Measured((anomaly,), None)


def fine(name: str) -> tuple[str, Measured]:
    return slow(name, 0.5, 1.0)


def names(calls: dict[str, list[str]], *measured: tuple[str, Measured], family: str = LATENCY) -> list[tuple[str, str]]:
    found = localise(mapped(calls, ["provider"]), dict(measured), "web", family, at(20))
    return [(one.component, one.place) for one in found.candidates]


@pytest.mark.parametrize(("measured", "expected"), [
    pytest.param([slow("web"), slow("shop"), slow("stock"), slow("table"), fine("pay")],
                 [("table", ORIGIN), ("stock", ON_THE_WAY), ("shop", ON_THE_WAY), ("web", ON_THE_WAY)],
                 id="two calls deeper"),
    pytest.param([slow("web"), slow("shop"), fine("stock"), fine("pay")],
                 [("shop", ORIGIN), ("web", ON_THE_WAY)], id="what it calls is well"),
    pytest.param([slow("web", 3.1), fine("shop")], [("web", ORIGIN)], id="the alarmed component itself"),
    pytest.param([slow("web"), slow("shop"), slow("stock", increase=20.0), fine("pay")],
                 [("shop", ORIGIN), ("web", ON_THE_WAY), ("stock", BESIDE)], id="a callee too little slower to explain it"),
    pytest.param([slow("web"), slow("shop"), slow("stock", 9.0, 60.0), slow("pay", 8.0, 45.0), fine("table")],
                 [("stock", ORIGIN), ("shop", ON_THE_WAY), ("web", ON_THE_WAY), ("pay", BESIDE)],
                 id="the larger part goes first"),
    pytest.param([slow("web"), slow("shop"), slow("stock", 9.0, 40.0), slow("pay", 8.0, 40.0), fine("table")],
                 [("stock", ORIGIN), ("pay", ORIGIN), ("shop", ON_THE_WAY), ("web", ON_THE_WAY)],
                 id="two that explain it only together"),
    pytest.param([slow("web"), slow("stock"), slow("table")],
                 [("table", ORIGIN), ("stock", ON_THE_WAY), ("web", ON_THE_WAY)], id="through one that nobody measured"),
    pytest.param([slow("web"), fine("shop"), slow("stock")],
                 [("web", ORIGIN), ("stock", BESIDE)], id="what lies behind a healthy one does not explain it"),
    pytest.param([slow("web"), slow("shop"), slow("pay"), slow("provider"), fine("stock")],
                 [("pay", ORIGIN), ("provider", ON_THE_WAY), ("shop", ON_THE_WAY), ("web", ON_THE_WAY)],
                 id="a provider is named behind the component of ours that calls it"),
])
def test_the_origin_is_the_deepest_that_explains_its_callers(
    measured: list[tuple[str, Measured]], expected: list[tuple[str, str]]
) -> None:
    assert names(CHAIN, *measured) == expected


def test_what_the_alarmed_one_does_not_call_ranks_last_however_unusual() -> None:
    found = names({**CHAIN, "batch": []}, slow("web"), fine("shop"), slow("batch", 900.0))
    assert found == [("web", ORIGIN), ("batch", APART)]


def test_a_circle_of_calls_ends() -> None:
    circle = {"web": ["shop"], "shop": ["stock"], "stock": ["shop", "web"]}
    assert names(circle, slow("web"), slow("shop"), slow("stock"))[0] == ("stock", ORIGIN)


def test_components_that_nobody_measured_are_named_and_not_taken_for_healthy() -> None:
    found = localise(mapped(CHAIN, ["provider"]), dict([slow("web"), fine("pay")]), "web", LATENCY)
    assert set(found.not_seen) == {"shop", "stock", "table", "provider"}


def test_nothing_unusual_names_nobody() -> None:
    assert names(CHAIN, fine("web"), fine("shop"), fine("stock")) == []


def test_an_effect_of_another_kind_counts_where_none_of_the_same_kind_explains() -> None:
    assert names(CHAIN, failing("web"), failing("shop"), slow("stock"), fine("pay"), family=ERRORS)[0] == ("stock", ORIGIN)
    assert names(CHAIN, failing("web"), failing("shop"), slow("stock"), failing("pay"), family=ERRORS)[0] == ("pay", ORIGIN)


def test_what_began_after_the_symptom_is_not_walked_to() -> None:
    measured = dict([slow("web"), slow("shop", onset=at(35)), fine("stock")])
    found = localise(mapped(CHAIN), measured, "web", LATENCY, at(20)).candidates
    assert [(one.component, one.place, one.late) for one in found] == [("web", ORIGIN, False), ("shop", BESIDE, True)]


def test_mean_latencies_add_up_call_by_call() -> None:
    caller = slow("web", increase=100.0, metric="latency_avg", requests=10.0)[1].anomalies[0]
    callee = slow("stock", increase=20.0, metric="latency_avg", requests=40.0)[1].anomalies[0]
    assert share_of(callee, caller) == pytest.approx(0.8)


def test_failures_and_milliseconds_are_not_compared() -> None:
    assert share_of(failing("stock")[1].anomalies[0], slow("web")[1].anomalies[0]) is None


def test_the_path_and_the_rank_are_told() -> None:
    found = localise(mapped(CHAIN, ["provider"]), dict([slow("web"), slow("stock"), slow("table")]), "web", LATENCY)
    assert found.candidates[0].path == ("web", "shop", "stock", "table")
    assert (found.place_of("stock"), found.place_of("pay")) == (2, None)


def test_the_answer_does_not_depend_on_the_order_of_what_was_measured() -> None:
    measured = [slow("web"), slow("shop"), slow("stock", 9.0, 40.0), slow("pay", 9.0, 40.0), fine("table")]
    assert names(CHAIN, *measured) == names(CHAIN, *reversed(measured))


def test_an_alarm_of_an_unknown_component_is_refused() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        localise(mapped(CHAIN), {}, "nowhere", LATENCY)
