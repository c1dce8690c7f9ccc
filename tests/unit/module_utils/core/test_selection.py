"""Choosing resources by name or by shell-style pattern."""

from __future__ import annotations

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.selection import has_pattern, select

EXISTING = ("shop-web", "shop-api", "batch", "alarm[prod]")


@pytest.mark.parametrize(
    ("wanted", "chosen", "absent"),
    [
        pytest.param([], EXISTING, (), id="none_wanted_means_all"),
        pytest.param(["batch"], ("batch",), (), id="a_name"),
        pytest.param(["shop-*"], ("shop-web", "shop-api"), (), id="a_pattern_in_the_order_of_the_existing"),
        pytest.param(["shop-api", "shop-*", "shop-api"], ("shop-web", "shop-api"), (), id="each_once"),
        pytest.param(["gone", "batch"], ("batch",), ("gone",), id="a_missing_name_is_told"),
        pytest.param(["gone-*"], (), (), id="a_pattern_may_match_nothing"),
        pytest.param(["Batch"], (), ("Batch",), id="case_matters"),
        pytest.param(["sho"], (), ("sho",), id="a_name_is_whole"),
        pytest.param(["shop-???"], ("shop-web", "shop-api"), (), id="question_marks"),
        pytest.param(["[!s]*"], ("batch", "alarm[prod]"), (), id="a_class"),
        pytest.param(["alarm[prod]"], ("alarm[prod]",), (), id="a_name_that_looks_like_a_pattern"),
    ],
)
def test_selects(wanted: list[str], chosen: tuple[str, ...], absent: tuple[str, ...]) -> None:
    selection = select(wanted, iter(EXISTING))

    assert (selection.chosen, selection.absent) == (chosen, absent)


@pytest.mark.parametrize(("names", "has"), [
    ([], False), (["a", "b/c_d.e"], False), (["a", "b*"], True), (["a?"], True), (["[ab]"], True), (["a]"], False),
])
def test_tells_a_pattern_from_a_name(names: list[str], has: bool) -> None:
    assert has_pattern(names) is has
