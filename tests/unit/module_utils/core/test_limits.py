"""How much one run may change, and what it may never touch."""

from __future__ import annotations

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import Plan, one_step
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import (
    Limits,
    bare_name,
    parse_max_affected,
    refuse_beyond,
)
from tests.support.toys import change


def plan(count: int, considered: int, first: int = 0) -> Plan:
    return one_step([change(f"switch:{number}") for number in range(first, first + count)], [], considered, "switches")


def earlier(count: int, first: int = 1000) -> frozenset[str]:
    return frozenset(f"switch:{number}" for number in range(first, first + count))


@pytest.mark.parametrize(("text", "read"), [
    ("10", (10, False)), ("0", (0, False)), ("25%", (25, True)), ("100%", (100, True)), (" 5 ", (5, False)), (7, (7, False)),
])
def test_reads_a_count_or_a_percentage(text: str, read: tuple[int, bool]) -> None:
    assert parse_max_affected(text) == read


@pytest.mark.parametrize("text", ["", "-1", "101%", "1.5%", "all", "10 %", "%", None, "10%%", "1e9"])
def test_refuses_what_is_neither(text: str) -> None:
    with pytest.raises(Refused, match="neither a count nor a percentage"):
        parse_max_affected(text)


@pytest.mark.parametrize(("limit", "considered", "allowed"), [
    ("25%", 100, 25), ("25%", 7, 1), ("33%", 10, 3), ("25%", 1, 1), ("0%", 100, 0), ("100%", 3, 3), ("10", 3, 10),
    ("0", 3, 0), ("1%", 0, 1),
])
def test_a_percentage_rounds_down_to_at_least_one(limit: str, considered: int, allowed: int) -> None:
    assert Limits(limit).allowed(considered) == allowed


@pytest.mark.parametrize(
    ("wanted", "limits"),
    [
        pytest.param(plan(25, 100), Limits("25%"), id="just_the_percentage"),
        pytest.param(plan(3, 100), Limits("3"), id="just_the_count"),
        pytest.param(plan(0, 100), Limits("0"), id="an_empty_plan_is_always_allowed"),
        pytest.param(plan(0, 0), Limits("1", already_affected=earlier(9)), id="an_empty_plan_after_many_changes"),
        pytest.param(plan(1, 1), Limits("25%"), id="one_of_one"),
        pytest.param(plan(2, 2), Limits("3", already_affected=earlier(1)), id="with_those_of_earlier_items"),
        pytest.param(plan(2, 2), Limits("2", already_affected=earlier(2, first=0)), id="the_same_resources_again"),
    ],
)
def test_lets_pass_what_is_within_the_limit(wanted: Plan, limits: Limits) -> None:
    refuse_beyond(wanted, limits)


@pytest.mark.parametrize(
    ("wanted", "limits", "said"),
    [
        pytest.param(plan(26, 100), Limits("25%"), "26 resources .* allows 25 of 100 switches", id="percentage"),
        pytest.param(plan(4, 100), Limits("3"), "4 resources .* allows 3 of 100", id="count"),
        pytest.param(plan(1, 100), Limits("0"), "1 resources .* allows 0", id="none_allowed"),
        pytest.param(plan(1, 1), Limits("3", already_affected=earlier(3)), "4 resources", id="a_loop_reaches_the_count"),
        pytest.param(plan(5, 5), Limits("50%", already_affected=earlier(5)), "10 resources", id="a_loop_of_whole_items"),
        pytest.param(plan(2, 0), Limits("50%"), "2 resources .* of 0 switches", id="a_plan_without_a_denominator"),
    ],
)
def test_refuses_more(wanted: Plan, limits: Limits, said: str) -> None:
    with pytest.raises(Refused, match=said):
        refuse_beyond(wanted, limits)


def test_a_loop_over_items_never_gets_further_than_one_task_over_all() -> None:
    """Twenty items of one switch each, 25% allowed: item by item each is 1 of 1, together they are 20 of 20."""
    done: frozenset[str] = frozenset()
    for number in range(20):
        try:
            refuse_beyond(plan(1, 20 - len(done), first=number), Limits("25%", already_affected=done))
        except Refused:
            break
        done |= {f"switch:{number}"}

    assert len(done) == 5


@pytest.mark.parametrize(
    ("patterns", "name", "protects"),
    [
        pytest.param(("main",), "main", True, id="a_name"),
        pytest.param(("main",), "main2", False, id="a_name_is_whole"),
        pytest.param(("prod-*",), "prod-db", True, id="a_pattern"),
        pytest.param(("Prod-*",), "prod-db", False, id="case_matters"),
        pytest.param(("*",), "a/b:c", True, id="everything"),
        pytest.param((), "main", False, id="nothing"),
        pytest.param(("aws_db_instance.main[0]",), "aws_db_instance.main[0]", True, id="a_terraform_address_of_a_list"),
        pytest.param(('m["a"].x',), 'm["a"].x', True, id="a_terraform_address_of_a_map"),
        pytest.param(("[prod] errors",), "[prod] errors", True, id="an_alarm_named_in_brackets"),
    ],
)
def test_knows_what_is_protected(patterns: tuple[str, ...], name: str, protects: bool) -> None:
    assert Limits(protected=patterns).protects(name) is protects


def test_refuses_the_whole_plan_for_one_protected_resource() -> None:
    with pytest.raises(Refused, match=r"switch:1.*protected") as refused:
        refuse_beyond(plan(3, 3), Limits(protected=("1",)))

    assert "switch:0" not in str(refused.value)


@pytest.mark.parametrize(("resource", "name"), [
    ("secret:a/b", "a/b"), ("lambda-version:f:3", "f:3"), ("plain", "plain"), ("kind:", "kind:"),
])
def test_a_bare_name_has_no_kind(resource: str, name: str) -> None:
    assert bare_name(resource) == name
