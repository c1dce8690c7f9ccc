"""What names and patterns choose, what is absent, and what a list that cannot be read says: nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.listings import Found, absences, choose
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Denied

THERE = {"b": 2, "a": 1, "ab": 12}


@pytest.mark.parametrize(
    ("wanted", "items", "absent"),
    [
        pytest.param([], (1, 12, 2), (), id="none_means_all_sorted_by_name"),
        pytest.param(["b", "a"], (1, 2), (), id="names"),
        pytest.param(["a*"], (1, 12), (), id="a_pattern"),
        pytest.param(["a*", "gone", "a"], (1, 12), ("gone",), id="a_name_that_does_not_exist"),
        pytest.param(["x*"], (), (), id="a_pattern_that_matches_nothing_is_no_fault"),
    ],
)
def test_chooses_among_what_exists(wanted: list[str], items: tuple[int, ...], absent: tuple[str, ...]) -> None:
    found, coverage = choose("thing", wanted, lambda: THERE)

    assert found == Found(items, absent)
    assert coverage.read == (f"things matching {', '.join(wanted) or '*'}",)
    assert coverage.complete


def test_a_list_that_cannot_be_read_is_a_gap_and_nothing_is_absent() -> None:
    def denied() -> Mapping[str, int]:
        raise Denied("list things", "all", "AccessDenied: no")

    found, coverage = choose("thing", ["a"], denied)

    assert found == Found((), ())
    assert [(gap.resource, gap.reason) for gap in coverage.missing] == [("things matching a", "AccessDenied: no")]


def test_what_is_absent_is_a_fault() -> None:
    [evidence] = absences("thing", ["a"])

    assert (evidence.resource, evidence.expected, evidence.actual, evidence.ok) == (
        "thing:a", "exists", "does not exist", False)
