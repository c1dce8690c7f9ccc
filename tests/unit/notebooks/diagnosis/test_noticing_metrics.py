"""Signs in metrics: unusual, beyond a limit, gone, near capacity, rising."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from opsbook.diagnosis.noticing.metrics import UNUSUAL, metric_signs
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.series import COUNT, GAUGE, Series
from opsbook.diagnosis.service_map import Component, ServiceMap
from opsbook.diagnosis.signs import Sign
from opsbook.evidence.limits import InvestigationLimits
from opsbook.evidence.metric_table import MEASURES
from opsbook.evidence.pieces import Span
from tests.unit.notebooks.diagnosis.making import at

SCENE = Scene("shop", ServiceMap(), Span(at(180), at(240)), Span(at(0), at(180)), at(240), InvestigationLimits())
ONSET = 210
Shape = Callable[[int], float]


def series(metric: str, before: float, after: float, kind: str = GAUGE, unit: str = "percent", wave: float = 2.0) -> Series:
    """A metric that is one level until the onset, and another from there on, with a little movement."""
    return shaped(metric, lambda minute: (before if minute < ONSET else after) + wave * (minute % 3 - 1), kind, unit)


def shaped(metric: str, shape: Shape, kind: str = GAUGE, unit: str = "percent", component: str = "api") -> Series:
    points = tuple((at(minute), max(0.0, shape(minute))) for minute in range(240))
    return Series(component, metric, unit, kind, points, 60, kind == COUNT)


def signs_of(*given: Series) -> dict[str, Sign]:
    return {sign.kind: sign for sign in metric_signs(SCENE, given, "metrics")}


REQUESTS = series("requests", 600, 600, COUNT, "requests")


@pytest.mark.parametrize(("given", "kinds"), [
    pytest.param([REQUESTS, series("errors", 1, 60, COUNT, "requests", 0)], {"errors-up"}, id="a tenth fails"),
    pytest.param([REQUESTS, series("errors", 3, 3, COUNT, "requests", 1)], set(), id="as many as always"),
    pytest.param([series("latency_p95", 200, 2400, unit="ms", wave=10)], {"latency-up"}, id="late answers"),
    pytest.param([series("latency_p95", 200, 245, unit="ms", wave=1)], set(), id="a fifth later is surely so, and fast"),
    pytest.param([series("latency_p95", 900, 1100, unit="ms", wave=5)], {"latency-up"}, id="a fifth later, and too late"),
    pytest.param([series("throttles", 0, 40, COUNT, "events", 0)], {"throttled"}, id="refused"),
    pytest.param([series("requests", 600, 1500, COUNT, "requests")], {"requests-up"}, id="a surge"),
    pytest.param([series("requests", 600, 700, COUNT, "requests")], set(), id="a busy hour is no surge"),
    pytest.param([series("requests", 600, 380, COUNT, "requests")], {"requests-gone"}, id="a third is gone at once"),
    pytest.param([shaped("requests", lambda minute: 900 - 2 * minute, COUNT, "requests")], set(), id="the evening comes"),
    pytest.param([shaped("requests", lambda minute: 400 + 1.5 * minute, COUNT, "requests")], set(), id="the morning comes"),
    pytest.param([series("requests", 600, 0, COUNT, "requests", 0)], {"requests-gone"}, id="silence"),
    pytest.param([series("cpu_percent", 40, 93)], {"cpu-high"}, id="no CPU left"),
    pytest.param([series("cpu_percent", 40, 70)], set(), id="busy is not full"),
    pytest.param([series("memory_percent", 60, 95)], {"memory-high"}, id="no memory left, at once"),
    pytest.param([shaped("memory_percent", lambda minute: 40 + minute / 5)], {"memory-high", "memory-rising"}, id="a leak"),
    pytest.param([shaped("memory_percent", lambda minute: 20 + minute / 8)], {"memory-rising"}, id="a leak, far from full"),
    pytest.param([series("evictions", 0, 300, COUNT, "keys", 0)], {"evicting"}, id="evictions"),
    pytest.param([series("queue_depth", 5, 1900, unit="messages", wave=1)], {"queue-up"}, id="a backlog"),
    pytest.param([series("queue_depth", 5, 900, unit="messages", wave=1)], set(), id="a queue is there to fill"),
    pytest.param([series("age_of_oldest", 5, 1000, unit="seconds", wave=1)], {"queue-up"}, id="few, and none is worked off"),
])
def test_a_metric_shows_what_it_shows(given: Sequence[Series], kinds: set[str]) -> None:
    assert set(signs_of(*given)) == kinds


@pytest.mark.parametrize("began", [160, 140, 110, 60, 5])
@pytest.mark.parametrize("metric", ["errors", "latency_p95"])
def test_an_outage_that_began_in_the_baseline_is_an_outage(began: int, metric: str) -> None:
    """Or before it: then the limit of the procedures says so."""
    entry = replace(SCENE, service_map=ServiceMap((Component("api", "load_balancer", "app/api/1", entry=True),)))
    levels = {"errors": (1.0, 180.0, COUNT, "requests"), "latency_p95": (200.0, 5000.0, GAUGE, "ms")}
    before, after, kind, unit = levels[metric]
    level = shaped(metric, lambda minute: (before if minute < began else after) * (1 + 0.01 * (minute % 3)), kind, unit)
    given = [REQUESTS, level]
    kinds = {sign.kind for sign in metric_signs(entry, given, "metrics")}

    assert kinds == {"errors-up" if metric == "errors" else "latency-up"}


def test_a_queue_that_says_what_may_wait_is_held_against_that() -> None:
    scene = replace(SCENE, queues={"api": {"queue_depth": 100.0}})
    rising = series("queue_depth", 5, 150, unit="messages", wave=1)

    assert [sign.kind for sign in metric_signs(scene, [rising], "metrics")] == ["queue-up"]
    assert metric_signs(SCENE, [rising], "metrics") == []


def test_what_is_looked_for_is_what_is_measured() -> None:
    known = {measure.metric for measures in MEASURES.values() for measure in measures}

    assert set(UNUSUAL) <= known


def test_a_busy_machine_that_always_was_is_no_news() -> None:
    assert signs_of(series("cpu_percent", 88, 90)) == {}


def test_one_silent_minute_is_none() -> None:
    assert signs_of(shaped("requests", lambda minute: 600 if minute < 239 else 0, COUNT, "requests")) == {}


def test_the_onset_is_where_the_metric_changes() -> None:
    found = signs_of(REQUESTS, series("errors", 1, 60, COUNT, "requests", 0))["errors-up"]

    assert found.onset == at(ONSET)
    assert found.evidence == ("metrics",)


@pytest.mark.parametrize(("used", "kind"), [
    pytest.param(98.0, "near-capacity", id="all of it"), pytest.param(20.0, "below-capacity", id="a fifth of it"),
])
def test_a_table_that_refuses_is_held_against_its_capacity(used: float, kind: str) -> None:
    consumed = series("consumed_read", 60 * 20, 60 * used, COUNT, "units", 0)
    provisioned = series("provisioned_read", 100, 100, unit="units per second", wave=0)
    refused = series("read_throttles", 0, 30, COUNT, "events", 0)

    assert kind in signs_of(consumed, provisioned, refused)


def test_a_table_on_demand_has_no_capacity_to_be_near() -> None:
    assert signs_of(series("consumed_read", 1200, 1200, COUNT, "units", 0)) == {}


def test_a_metric_without_points_is_no_sign() -> None:
    assert signs_of(Series("api", "latency_p95", "ms", GAUGE, ()), Series("api", "requests", "requests", COUNT, ())) == {}
