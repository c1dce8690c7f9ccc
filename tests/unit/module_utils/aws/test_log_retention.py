"""Which log groups get which policy, and which keep theirs and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_groups import LogGroup
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_retention import Rule, Wishes, plan_retention
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
GROUP = LogGroup("/shop/a", NOW)


def collected(*groups: LogGroup, missing: tuple[Gap, ...] = ()) -> Collected[tuple[LogGroup, ...]]:
    return Collected(groups, NOW, Coverage(missing=missing))


def wishes(days: int, change_existing: bool = False, allow_shorter: bool = False) -> Wishes:
    return Wishes((Rule("/shop/*", days),), change_existing, allow_shorter)


@pytest.mark.parametrize(
    ("present", "wanted", "after"),
    [
        pytest.param(0, wishes(30), 30, id="sets_one_where_there_is_none"),
        pytest.param(30, wishes(30), None, id="leaves_the_right_one"),
        pytest.param(14, wishes(30), None, id="leaves_another_one_by_default"),
        pytest.param(14, wishes(30, change_existing=True), 30, id="lengthens_when_asked"),
        pytest.param(90, wishes(30, change_existing=True), None, id="never_shortens_by_default"),
        pytest.param(90, wishes(30, change_existing=True, allow_shorter=True), 30, id="shortens_when_allowed"),
        pytest.param(90, wishes(30, allow_shorter=True), None, id="allow_shorter_alone_changes_no_policy"),
        pytest.param(90, wishes(0), None, id="keeps_a_policy_that_a_rule_would_remove"),
        pytest.param(90, wishes(0, change_existing=True), 0, id="for_ever_is_never_shorter"),
        pytest.param(0, wishes(0), None, id="for_ever_already"),
    ],
)
def test_decides_on_a_policy(present: int, wanted: Wishes, after: int | None) -> None:
    plan = plan_retention(collected(replace(GROUP, retention_days=present)), wanted, Limits())

    assert [change.after for change in plan.changes] == ([] if after is None else [{"retention_days": after}])
    assert len(plan.kept) == (1 if after is None else 0)


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        pytest.param(replace(GROUP, account_policy="all-30"), "the account policy all-30 decides", id="account_policy"),
        pytest.param(replace(GROUP, log_class="DELIVERY"), "delivery class", id="delivery_class"),
        pytest.param(replace(GROUP, name="/shop/audit"), "protected", id="protected"),
        pytest.param(replace(GROUP, retention_days=60), "policy of its own (60 d", id="policy_of_its_own"),
    ],
)
def test_says_why_a_group_keeps_its_retention(group: LogGroup, reason: str) -> None:
    plan = plan_retention(collected(group), wishes(30), Limits(protected=("/shop/audit",)))

    assert plan.changes == ()
    assert plan.kept[0].resource == f"log-group:{group.name}"
    assert reason in plan.kept[0].reason


def test_the_first_rule_that_matches_counts() -> None:
    rules = Wishes((Rule("/shop/audit*", 365), Rule("/shop/*", 30)))
    audit, other = replace(GROUP, name="/shop/audit-log"), replace(GROUP, name="/else")

    plan = plan_retention(collected(audit, GROUP, other), rules, Limits())

    assert {change.resource: change.after for change in plan.changes} == {
        "log-group:/shop/audit-log": {"retention_days": 365}, "log-group:/shop/a": {"retention_days": 30}}


def test_undo_is_the_same_module_with_the_former_value() -> None:
    plan = plan_retention(collected(replace(GROUP, retention_days=14)), wishes(30, change_existing=True), Limits())

    undo = plan.changes[0].undo
    assert undo.module == "opsbook.runbooks.log_group_retention"
    assert undo.arguments == {"rules": [{"pattern": "/shop/a", "days": 14}], "change_existing": True, "allow_shorter": True}


def test_refuses_a_rule_on_a_group_that_does_not_exist() -> None:
    with pytest.raises(Refused, match="log-group:/shop/x: does not exist"):
        plan_retention(collected(GROUP, missing=(Gap("log-group:/shop/x", "does not exist"),)), wishes(30), Limits())
