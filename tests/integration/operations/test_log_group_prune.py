"""log_group_prune against the lab's AWS: check, run, run again, and what may go wrong."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.client import connector
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_prune import prune
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.engine import carry_out
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import carried_out, changing


def write(aws: Aws, name: str, days_ago: float = 0) -> None:
    """Write an event, and age it."""
    client = aws.client("logs")
    client.create_log_stream(logGroupName=name, logStreamName="s")
    client.put_log_events(logGroupName=name, logStreamName="s", logEvents=[
        {"timestamp": int(time.time() * 1000), "message": "canary-of-the-log"}])
    if days_ago:
        aws.control("backdate", {"kind": "log-stream", "name": f"{name}:s", "days": days_ago})


def make(aws: Aws, name: str, age: float, retention: int = 0, written: float | None = None) -> None:
    client = aws.client("logs")
    client.create_log_group(logGroupName=name)
    if written is not None:
        write(aws, name, written)
    if retention:
        client.put_retention_policy(logGroupName=name, retentionInDays=retention)
    aws.control("backdate", {"kind": "log-group", "name": name, "days": age})


@pytest.fixture
def groups(aws: Aws, unique: str) -> str:
    """Groups of all kinds below one prefix; `empty` and `expired` are the only ones that nothing uses."""
    for name, *rest in (("empty", 300), ("expired", 500, 14, 90), ("audit", 500, 0, 90), ("live", 400, 30, 0.04),
                        ("margin", 400, 30, 30.5), ("young", 5)):
        make(aws, f"/{unique}/{name}", *rest)  # type: ignore[arg-type]
    return f"/{unique}"


def names(aws: Aws, prefix: str) -> set[str]:
    pages = aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    return {group["logGroupName"].rpartition("/")[2] for page in pages for group in page["logGroups"]}


ALL = {"empty", "expired", "audit", "live", "margin", "young"}
USED = ALL - {"empty", "expired"}


def test_check_then_run_then_run_again(aws: Aws, operate: Operate, groups: str) -> None:
    with aws.calls() as calls:
        checked = operate("log_group_prune", check_mode=True, diff=True, log_groups=[f"{groups}/*"])
    assert changing(calls) == []
    assert [entry["before_header"] for entry in checked["diff"]] == [
        f"log-group:{groups}/empty (delete)", f"log-group:{groups}/expired (delete)"]
    assert {item["resource"].rpartition("/")[2]: item["reason"] for item in checked["kept"]} == {
        "audit": "no retention policy, and it has events",
        "live": "written to within its retention (30 d)",
        "margin": "written to within its retention (30 d)",
        "young": "created within the last 30 d",
    }
    assert names(aws, groups) == ALL

    done = operate("log_group_prune", log_groups=[f"{groups}/*"])
    assert "msg" not in done
    assert done["changed"] is True
    assert done["plan_digest"] == checked["plan_digest"]
    assert all(item["ok"] for item in done["evidence"])
    assert names(aws, groups) == USED

    with aws.calls() as calls:
        again = operate("log_group_prune", log_groups=[f"{groups}/*", f"{groups}/empty"])
    assert again["changed"] is False
    assert "msg" not in again
    assert changing(calls) == []


def test_keeps_groups_that_something_reads_or_writes_to(aws: Aws, operate: Operate, unique: str) -> None:
    role = aws.client("iam").create_role(RoleName=unique, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    function = aws.client("lambda").create_function(
        FunctionName=unique, Runtime="python3.12", Role=role, Handler="a.b", Code={"ZipFile": b"0"})["FunctionArn"]
    for name in (f"/aws/lambda/{unique}", f"/aws/lambda/{unique}-gone", f"/{unique}/subscribed"):
        make(aws, name, 300)
    aws.client("logs").put_subscription_filter(
        logGroupName=f"/{unique}/subscribed", filterName="to-function", filterPattern="", destinationArn=function)

    result = operate("log_group_prune", log_groups=[f"/aws/lambda/{unique}*", f"/{unique}/*"])
    assert [change["resource"] for change in result["changes"]] == [f"log-group:/aws/lambda/{unique}-gone"]
    assert {item["reason"] for item in result["kept"]} == {
        f"the Lambda function {unique} writes to it", "read by the subscription filter to-function"}


def test_a_group_written_to_since_the_plan_is_not_deleted_and_named(aws: Aws, groups: str) -> None:
    class Writer:
        """A journal at whose first word an application writes to the group."""

        def write(self, event: str, **fields: Any) -> None:
            if event == "change_started" and fields["change"]["resource"].endswith("/empty"):
                write(aws, f"{groups}/empty")

    run = Run(journal=Writer())
    once = connector(aws.connection, attempts=1)
    report = carry_out(prune(connector(aws.connection), once, run, [f"{groups}/*"], "30d"), run)
    assert [failure["resource"] for failure in report.failures] == [f"log-group:{groups}/empty"]
    assert "used after all: no retention policy, and it has events" in report.failures[0]["reason"]
    assert report.failed
    assert names(aws, groups) == USED | {"empty"}


def test_a_group_made_anew_since_the_plan_is_not_deleted(aws: Aws, groups: str) -> None:
    class Maker:
        """A journal at whose first word the group is deleted and made again."""

        def write(self, event: str, **fields: Any) -> None:
            if event == "change_started" and fields["change"]["resource"].endswith("/empty"):
                aws.client("logs").delete_log_group(logGroupName=f"{groups}/empty")
                aws.client("logs").create_log_group(logGroupName=f"{groups}/empty")

    run = Run(journal=Maker())
    once = connector(aws.connection, attempts=1)
    report = carry_out(prune(connector(aws.connection), once, run, [f"{groups}/*"], "30d"), run)
    assert "made anew" in report.failures[0]["reason"]
    assert names(aws, groups) == USED | {"empty"}


@pytest.mark.parametrize("action", ["DescribeLogStreams", "FilterLogEvents", "DescribeSubscriptionFilters"])
def test_a_denied_read_keeps_the_groups_and_is_a_gap(aws: Aws, operate: Operate, groups: str, action: str) -> None:
    aws.control("faults", {"faults": [{"service": "logs", "action": action, "kind": "deny"}]})
    with aws.calls() as calls:
        result = operate("log_group_prune", log_groups=[f"{groups}/*"])
    assert result["changes"] == []
    assert result["coverage"]["complete"] is False
    assert f"log-group:{groups}/empty" in {gap["resource"] for gap in result["coverage"]["missing"]}
    assert changing(calls) == []


def test_a_denied_look_for_the_function_keeps_its_group(aws: Aws, operate: Operate, unique: str) -> None:
    make(aws, f"/aws/lambda/{unique}", 300)
    aws.control("faults", {"faults": [{"service": "lambda", "action": "*", "kind": "deny"}]})
    result = operate("log_group_prune", log_groups=[f"/aws/lambda/{unique}"])
    assert result["changes"] == []
    assert "AccessDenied" in result["kept"][0]["reason"]


def test_a_denied_listing_is_an_error_not_an_empty_answer(aws: Aws, operate: Operate, groups: str) -> None:
    aws.control("faults", {"faults": [{"service": "logs", "action": "DescribeLogGroups", "kind": "deny"}]})
    assert "AccessDenied" in operate("log_group_prune", log_groups=[f"{groups}/*"])["msg"]


def test_a_denied_deletion_names_each_group_and_fails(aws: Aws, operate: Operate, groups: str) -> None:
    aws.control("faults", {"faults": [{"service": "logs", "action": "DeleteLogGroup", "kind": "deny"}]})
    result = operate("log_group_prune", log_groups=[f"{groups}/*"])
    assert result["changed"] is False
    assert [entry["resource"] for entry in result["failed_resources"]] == [
        f"log-group:{groups}/empty", f"log-group:{groups}/expired"]


def test_a_lost_answer_is_read_back_and_not_sent_again(aws: Aws, operate: Operate, groups: str) -> None:
    aws.control("faults", {"faults": [
        {"service": "logs", "action": "DeleteLogGroup", "kind": "drop", "when": "after"}]})
    with aws.calls() as calls:
        result = operate("log_group_prune", log_groups=[f"{groups}/*"])
    assert "msg" not in result
    assert len(carried_out(calls)) == len(changing(calls)) == 2
    assert names(aws, groups) == USED


def test_refuses_more_than_max_affected_before_anything_changes(aws: Aws, operate: Operate, groups: str) -> None:
    with aws.calls() as calls:
        result = operate("log_group_prune", log_groups=[f"{groups}/*"], max_affected="1")
    assert "max_affected (1) allows 1 of 6 log groups" in result["msg"]
    assert changing(calls) == []


def test_reaches_the_same_end_under_throttling(aws: Aws, operate: Operate, groups: str) -> None:
    aws.control("faults", {"seed": 7, "faults": [
        {"service": "logs", "action": "*", "kind": "throttle", "probability": 0.3}]})
    result = operate("log_group_prune", log_groups=[f"{groups}/*"])
    aws.control("faults", {"faults": []})
    assert "msg" not in result
    assert names(aws, groups) == USED


def test_an_empty_list_means_none(operate: Operate, groups: str) -> None:
    assert operate("log_group_prune", log_groups=[], max_affected="100%")["changes"] == []


def test_secrets_and_log_lines_stay_out_of_results(aws: Aws, operate: Operate, groups: str) -> None:
    planned = operate("log_group_prune", check_mode=True, diff=True, log_groups=[f"{groups}/*"])
    aws.control("faults", {"faults": [{"service": "logs", "action": "*", "kind": "deny"}]})
    denied = operate("log_group_prune", log_groups=[f"{groups}/*"])
    assert denied["failed"] is True
    for canary in ("canary-of-the-log", aws.connection["secret_key"]):
        assert canary not in str([planned, denied])
