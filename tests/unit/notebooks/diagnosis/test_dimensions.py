"""Dimensions: what the additional failures have in common, and that they have nothing in common."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import product

import pytest

from opsbook.diagnosis.dimensions import Tally, explain

ROUTES, VERSIONS, ZONES = ("/cart", "/search", "/pay", "/items"), ("v1", "v2"), ("a", "b", "c")
DIMS = ("route", "version", "az")


def tallies(failing: Mapping[str, str] | None, before: float = 2.0, after: float = 80.0, of: float = 200.0) -> list[Tally]:
    """Requests of each route, version and zone; those that fit `failing` fail later, all of them where it is empty."""
    found = []
    for route, version, zone in product(ROUTES, VERSIONS, ZONES):
        dims = {"route": route, "version": version, "az": zone}
        hit = failing is not None and all(dims[name] == value for name, value in failing.items())
        found += [Tally(dims, before, of, False), Tally(dims, after if hit else before, of, True)]
    return found


@pytest.mark.parametrize("failing", [
    pytest.param({"route": "/pay"}, id="one route"),
    pytest.param({"version": "v2"}, id="one version"),
    pytest.param({"az": "b"}, id="one zone"),
    pytest.param({"route": "/pay", "az": "b"}, id="one route in one zone"),
    pytest.param({"route": "/pay", "version": "v2"}, id="one route of one version"),
])
def test_the_group_that_fails_comes_first(failing: dict[str, str]) -> None:
    found = explain(tallies(failing), DIMS)
    assert found.explanations[0].group == failing
    assert found.explanations[0].share == pytest.approx(1.0, abs=0.02)
    assert not found.everywhere


def test_failures_everywhere_are_said_to_be_everywhere() -> None:
    found = explain(tallies({}), DIMS)
    assert (found.jumped, found.everywhere, found.explanations) == (True, True, ())


def test_a_new_version_that_takes_all_traffic_explains_nothing_by_being_there() -> None:
    later = [Tally({"version": "v2", "route": route}, 80 if route == "/pay" else 2, 200, True) for route in ROUTES]
    before = [Tally({"version": "v1", "route": route}, 2, 200, False) for route in ROUTES]
    found = explain([*before, *later], ("version", "route"))
    assert [one.group for one in found.explanations] == [{"route": "/pay"}]


def test_a_new_version_of_half_the_traffic_is_named_where_it_fails() -> None:
    rows = [Tally({"version": "v1"}, 4, 2000, False), Tally({"version": "v1"}, 2, 1000, True),
            Tally({"version": "v2"}, 300, 1000, True)]
    found = explain(rows, ("version",))
    assert found.explanations[0].group == {"version": "v2"}
    assert found.explanations[0].lift == pytest.approx(150)


def test_a_route_that_always_failed_does_not_explain_a_jump_elsewhere() -> None:
    always = [Tally({"route": "/old", "az": "a", "version": "v1"}, 500, 1000, later) for later in (False, True)]
    assert explain([*tallies({"route": "/cart"}), *always], DIMS).explanations[0].group == {"route": "/cart"}


def test_a_group_of_a_few_requests_does_not_win() -> None:
    tiny = [Tally({"route": "/rare", "az": "a", "version": "v1"}, 3, 3, True)]
    found = explain([*tallies({"az": "b"}, after=12.0), *tiny], DIMS)
    assert found.explanations[0].group == {"az": "b"}
    assert all(one.group.get("route") != "/rare" for one in found.explanations)


@pytest.mark.parametrize("given", [
    pytest.param(tallies(None), id="nothing changed"),
    pytest.param([tally for tally in tallies({"az": "b"}) if tally.later], id="nobody asked before"),
    pytest.param([tally for tally in tallies({"az": "b"}) if not tally.later], id="nobody asks now"),
    pytest.param([], id="no rows"),
    pytest.param([Tally({"az": "a"}, 1, 1000, False), Tally({"az": "a"}, 3, 1000, True)], id="two failures more"),
])
def test_without_a_jump_there_is_nothing_to_explain(given: list[Tally]) -> None:
    found = explain(given, DIMS)
    assert (found.jumped, found.everywhere, found.explanations) == (False, False, ())


def test_latency_is_explained_by_its_milliseconds() -> None:
    slow = [Tally(one.dims, 100 * one.of * (5 if one.later and one.dims["route"] == "/search" else 1), one.of, one.later)
            for one in tallies(None)]
    found = explain(slow, DIMS, counted=False)
    assert found.explanations[0].group == {"route": "/search"}
    assert (found.explanations[0].before, found.explanations[0].after) == (pytest.approx(100), pytest.approx(500))


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = tallies({"route": "/pay", "az": "b"})
    shuffled = random.Random(4).sample(rows, len(rows))
    assert explain(rows, DIMS) == explain(shuffled, DIMS)


def test_hostile_names_and_values_stay_values() -> None:
    name, value = 'x"; DROP TABLE t; --', "'); SELECT 1; --\u0000<script>"
    rows = [Tally({name: value}, 0, 100, False), Tally({name: value}, 80, 100, True),
            Tally({name: "fine"}, 0, 100, False), Tally({name: "fine"}, 0, 100, True)]
    assert explain(rows, (name,)).explanations[0].group == {name: value}


@pytest.mark.parametrize("dims", [(), ("a", "a"), tuple(f"d{number}" for number in range(13))])
def test_dimensions_are_bounded(dims: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="dimensions"):
        explain([], dims)
