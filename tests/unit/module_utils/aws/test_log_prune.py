"""Which log groups go, and which stay and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_groups import LogGroup
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_prune import Groups, GroupUse, plan_prune
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected, Coverage, Gap
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.limits import Limits

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
LEAST = timedelta(days=30)
GROUP = LogGroup("/shop/a", NOW - timedelta(days=400), retention_days=30)
EMPTY = GroupUse(GROUP)


def collected(groups: Groups, missing: tuple[Gap, ...] = ()) -> Collected[Groups]:
    return Collected(groups, NOW, Coverage(missing=missing))


def written(days: float, retention: int = 30) -> GroupUse:
    return GroupUse(replace(GROUP, retention_days=retention), NOW - timedelta(days=days))


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        pytest.param(EMPTY, "", id="deletes_an_empty_one"),
        pytest.param(GroupUse(replace(GROUP, retention_days=0)), "", id="deletes_an_empty_one_without_a_policy"),
        pytest.param(written(200), "", id="deletes_one_whose_events_are_all_expired"),
        pytest.param(written(29), "written to within its retention (30 d)", id="keeps_one_with_events"),
        pytest.param(written(30.5), "written to within its retention (30 d)", id="allows_for_late_times_of_streams"),
        pytest.param(written(31), "", id="past_retention_and_margin"),
        pytest.param(written(900, retention=0), "no retention policy, and it has events", id="without_a_policy"),
        pytest.param(replace(EMPTY, subscriptions=("to-s3",)), "read by the subscription filter to-s3", id="subscribed"),
        pytest.param(replace(EMPTY, function="mailer"), "the Lambda function mailer writes to it", id="of_a_function"),
        pytest.param(GroupUse(replace(GROUP, metric_filters=1)), "read by metric filters", id="metric_filtered"),
        pytest.param(GroupUse(replace(GROUP, is_protected=True)), "its deletion protection is on", id="aws_protects"),
        pytest.param(GroupUse(replace(GROUP, stored_bytes=9)), "still stores events", id="keeps_one_that_stores_bytes"),
        pytest.param(GroupUse(replace(GROUP, stored_bytes=9), NOW - LEAST * 3), "still stores events", id="stores_old"),
    ],
)
def test_decides_on_a_group(use: GroupUse, reason: str) -> None:
    plan = plan_prune(collected(Groups((use,))), LEAST, Limits())

    assert [item.reason for item in plan.kept] == ([reason] if reason else [])
    assert [change.resource for change in plan.changes] == ([] if reason else ["log-group:/shop/a"])


def test_keeps_young_absent_unread_and_protected_groups() -> None:
    young = replace(GROUP, name="/shop/young")
    gap = Gap("log-group:/shop/unread", "AccessDeniedException: no")
    plan = plan_prune(collected(Groups((EMPTY,), (young,), ("/shop/absent",)), (gap,)), LEAST, Limits(protected=("*/a",)))

    assert plan.changes == ()
    assert {item.resource: item.reason for item in plan.kept} == {
        "log-group:/shop/a": "protected",
        "log-group:/shop/young": "created within the last 30 d",
        "log-group:/shop/absent": "does not exist",
        "log-group:/shop/unread": "could not be read (AccessDeniedException: no)",
    }


def test_a_digest_does_not_depend_on_when_it_was_read() -> None:
    one = plan_prune(collected(Groups((written(200),))), LEAST, Limits())
    later = plan_prune(Collected(Groups((written(200),)), NOW + timedelta(hours=3)), LEAST, Limits())

    assert one.digest == later.digest
    assert one.digest != plan_prune(collected(Groups((EMPTY,))), LEAST, Limits()).digest
