"""log_group_retention against the lab's AWS: check, run, run again, and what may go wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing


@pytest.fixture
def groups(aws: Aws, unique: str) -> str:
    """Three groups below one prefix: without policy, with 14 days, with 90 days."""
    client = aws.client("logs")
    for name, days in (("none", 0), ("short", 14), ("long", 90)):
        client.create_log_group(logGroupName=f"/{unique}/{name}")
        if days:
            client.put_retention_policy(logGroupName=f"/{unique}/{name}", retentionInDays=days)
    return f"/{unique}"


def retention(aws: Aws, prefix: str) -> dict[str, int]:
    pages = aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    return {group["logGroupName"].rpartition("/")[2]: group.get("retentionInDays", 0)
            for page in pages for group in page["logGroups"]}


def rule(prefix: str, days: int) -> list[dict[str, Any]]:
    return [{"pattern": f"{prefix}/*", "days": days}]


def test_check_then_run_then_run_again(aws: Aws, operate: Operate, groups: str) -> None:
    with aws.calls() as calls:
        checked = operate("log_group_retention", check_mode=True, diff=True, rules=rule(groups, 30))
    assert changing(calls) == []
    assert checked["changed"] is True
    assert [entry["before_header"] for entry in checked["diff"]] == [f"log-group:{groups}/none (set_retention)"]
    # community.aws's module really changed the retention in check mode.
    assert retention(aws, groups) == {"none": 0, "short": 14, "long": 90}

    done = operate("log_group_retention", rules=rule(groups, 30))
    assert done["changed"] is True
    assert done["plan_digest"] == checked["plan_digest"]
    assert all(item["ok"] for item in done["evidence"])
    assert retention(aws, groups) == {"none": 30, "short": 14, "long": 90}

    with aws.calls() as calls:
        again = operate("log_group_retention", rules=rule(groups, 30))
    assert again["changed"] is False
    assert len(again["evidence"]) == 3
    assert changing(calls) == []


def test_changes_existing_policies_only_when_asked_and_shortens_only_when_allowed(
    aws: Aws, operate: Operate, groups: str
) -> None:
    result = operate("log_group_retention", rules=rule(groups, 30), change_existing=True)
    assert retention(aws, groups) == {"none": 30, "short": 30, "long": 90}
    assert result["kept"] == [{"resource": f"log-group:{groups}/long",
                               "reason": "would be shortened from 90 d to 30 d (allow_shorter is false)"}]
    operate("log_group_retention", rules=rule(groups, 30), change_existing=True, allow_shorter=True)
    assert retention(aws, groups) == {"none": 30, "short": 30, "long": 30}


def test_undo_gives_back_what_was_there(aws: Aws, operate: Operate, groups: str) -> None:
    done = operate("log_group_retention", rules=rule(groups, 30), change_existing=True, allow_shorter=True)
    for change in done["changes"]:
        undo = change["undo"]
        assert operate(undo["module"].rpartition(".")[2], **undo["arguments"])["changed"] is True
    assert retention(aws, groups) == {"none": 0, "short": 14, "long": 90}


@pytest.mark.parametrize("days", [31, 2, -1])
def test_an_unlisted_value_is_refused_and_the_group_stays(aws: Aws, operate: Operate, groups: str, days: int) -> None:
    # community.aws's module deleted the existing group.
    with aws.calls() as calls:
        result = operate("log_group_retention", rules=rule(groups, days), change_existing=True, allow_shorter=True)
    assert result["failed"] is True
    assert "value of days must be one of" in result["msg"]
    assert list(calls) == []
    assert retention(aws, groups) == {"none": 0, "short": 14, "long": 90}


def test_reaches_groups_beyond_the_first_page(aws: Aws, operate: Operate, unique: str) -> None:
    for number in range(55):
        aws.client("logs").create_log_group(logGroupName=f"/{unique}/{number:02d}")
    result = operate("log_group_retention", rules=rule(f"/{unique}", 30), max_affected="100%")
    assert len(result["changes"]) == 55
    assert set(retention(aws, f"/{unique}").values()) == {30}


def test_refuses_more_than_max_affected_before_anything_changes(aws: Aws, operate: Operate, groups: str) -> None:
    with aws.calls() as calls:
        result = operate("log_group_retention", rules=rule(groups, 60), change_existing=True, max_affected="1")
    assert "max_affected (1) allows 1 of 3 log groups that a rule matches" in result["msg"]
    assert changing(calls) == []


def test_a_denied_listing_is_an_error_not_an_empty_answer(aws: Aws, operate: Operate, groups: str) -> None:
    aws.control("faults", {"faults": [{"service": "logs", "action": "DescribeLogGroups", "kind": "deny"}]})
    result = operate("log_group_retention", rules=rule(groups, 30))
    assert result["failed"] is True
    assert "list log groups" in result["msg"]
    assert "AccessDenied" in result["msg"]


def test_a_denied_change_names_each_group_and_fails(aws: Aws, operate: Operate, groups: str) -> None:
    aws.control("faults", {"faults": [{"service": "logs", "action": "PutRetentionPolicy", "kind": "deny"}]})
    result = operate("log_group_retention", rules=rule(groups, 60), change_existing=True)
    assert result["changed"] is False
    assert [entry["resource"] for entry in result["failed_resources"]] == [
        f"log-group:{groups}/none", f"log-group:{groups}/short"]


def test_reaches_the_same_end_under_throttling(aws: Aws, operate: Operate, groups: str) -> None:
    aws.control("faults", {"seed": 7, "faults": [
        {"service": "logs", "action": "*", "kind": "throttle", "probability": 0.3}]})
    result = operate("log_group_retention", rules=rule(groups, 60), change_existing=True, allow_shorter=True)
    aws.control("faults", {"faults": []})
    assert "msg" not in result
    assert retention(aws, groups) == {"none": 60, "short": 60, "long": 60}


def test_a_missing_group_is_named_not_read_as_empty(operate: Operate) -> None:
    result = operate("log_group_retention", rules=[{"pattern": "/no/such/group", "days": 30}])
    assert "log-group:/no/such/group: does not exist" in result["msg"]


def test_secrets_stay_out_of_results(aws: Aws, operate: Operate, groups: str) -> None:
    aws.control("faults", {"faults": [{"service": "logs", "action": "*", "kind": "deny"}]})
    result = operate("log_group_retention", rules=rule(groups, 30))
    assert result["failed"] is True
    assert aws.connection["secret_key"] not in str(result)
