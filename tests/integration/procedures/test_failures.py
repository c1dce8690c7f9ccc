"""What goes wrong is stopped at, named, taken back where it can be, noticed, and recorded; the lock is given back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.estate_state import end_state
from tests.support.labs import Lab
from tests.support.locks import lock_row
from tests.support.procedures import SERVICES, faults, maintain, titles

BROKEN = "registry.example/tiktok-commerce-product-service:stable"
CANNOT_PULL = "CannotPullContainerError: pull image manifest has been retried 5 time(s): not found"
DEPLOY = "Renew the running tasks of each service"
GATE = "Stop here unless everything is healthy"
FINAL_GATE = "Report failure unless everything is healthy"


@pytest.fixture
def unhealthy_endpoint(untouched_lab: Lab) -> str:
    """An endpoint that says it is degraded; returns what the message calls it."""
    untouched_lab.control("health", {"system": "commerce", "endpoint": "products", "status": "degraded"}, of="web")
    return "products health"


@pytest.fixture
def old_backup(untouched_lab: Lab) -> Iterator[str]:
    """A table whose newest backup is two days older than it was; returns the table's name."""
    table = "tiktok-commerce-products-prod"
    backups = untouched_lab.client("dynamodb").list_backups(TableName=table)["BackupSummaries"]

    def age(days: float) -> None:
        for backup in backups:
            untouched_lab.control("backdate", {"kind": "backup", "name": backup["BackupArn"], "days": days})

    age(2)
    yield table
    age(-2)


@pytest.mark.parametrize("ailing", ["unhealthy_endpoint", "old_backup"])
def test_a_failed_pre_check_stops_before_any_change(
    untouched_lab: Lab, records: Path, ailing: str, request: pytest.FixtureRequest
) -> None:
    named = request.getfixturevalue(ailing)
    run = maintain(untouched_lab, records)
    message = run.task(GATE)["message"]
    assert run.status != 0
    assert "Not beginning the maintenance: the verdict is unhealthy" in message
    assert named in message
    assert "Nothing was changed. Mend what is named, then start again" in message
    assert titles(untouched_lab)[-1] == "Weekly maintenance of commerce FAILED"
    assert "Weekly maintenance of commerce begins" not in titles(untouched_lab)
    assert run.changing() == []


def _denied(*actions: str) -> list[dict[str, Any]]:
    return [{"kind": "deny", "service": action.partition(":")[0], "action": action.partition(":")[2]} for action in actions]


@pytest.mark.parametrize("actions", [
    ["ecs:DescribeServices", "lambda:GetFunctionConfiguration", "dynamodb:ListBackups"],
    ["cloudwatch:DescribeAlarms"],
    ["cloudwatch:GetMetricData"],
], ids=lambda actions: "+".join(actions))
def test_a_denied_read_stops_the_maintenance_and_is_never_healthy(
    untouched_lab: Lab, records: Path, actions: list[str]
) -> None:
    faults(untouched_lab, *_denied(*actions))
    run = maintain(untouched_lab, records)
    assert run.status != 0
    assert all(action in run.said for action in actions)
    assert run.changing() == []
    assert not {task["verdict"] for task in run.record["tasks"] if task["status"] == "failed"} & {"healthy"}
    denied = [task for task in run.record["tasks"] if "not authorized" in str(task["message"]) + str(task["gaps"])]
    assert denied
    assert all(task["verdict"] != "healthy" for task in denied)


@pytest.mark.parametrize(("actions", "named"), [
    (["dynamodb:GetItem"], "read the run lock"), (["dynamodb:PutItem"], "write the run lock"),
    (["sts:GetCallerIdentity"], "ask for the AWS account"),
], ids=["lock-read", "lock-write", "account"])
def test_without_the_lock_or_the_account_nothing_begins(
    untouched_lab: Lab, records: Path, actions: list[str], named: str
) -> None:
    faults(untouched_lab, *_denied(*actions))
    run = maintain(untouched_lab, records)
    assert run.status != 0
    assert f"Could not {named}" in run.said
    assert actions[0] in run.said
    assert "Read the backups" not in run.output


def test_a_lock_that_cannot_be_renewed_or_released_stops_the_work_and_leaves_no_receipt(
    untouched_lab: Lab, records: Path
) -> None:
    faults(untouched_lab, *_denied("dynamodb:UpdateItem"))
    run = maintain(untouched_lab, records)
    assert run.status != 0
    assert run.changing() == []
    assert run.task(DEPLOY)["status"] == "failed"
    assert list(run.folder.glob(".receipt-*")) == []


def test_a_service_whose_new_tasks_fail_is_rolled_back_and_reported(lab: Lab, records: Path) -> None:
    before = end_state(lab)
    lab.control("ecs/failing-images", {"image": BROKEN, "reason": CANNOT_PULL})
    run = maintain(lab, records)
    summary = " ".join(" ".join(run.summary).split())
    task = run.task(DEPLOY)
    after = end_state(lab)

    assert run.status != 0
    assert "Weekly maintenance: FAILED" in summary
    assert "product-service" in summary
    assert "CannotPullContainerError" in summary
    assert "recovery: product-service: stopped and rolled back" in summary
    assert len(run.summary) <= 24
    assert run.record["status"] == "failed"
    assert "rolled back" in task["recovery"]
    assert CANNOT_PULL in task["message"]
    assert CANNOT_PULL in (run.folder / "record.html").read_text()
    assert [item["ok"] for item in run.record["evidence"]
            if item["check"] == "rollback" and item["resource"].endswith("/product-service")] == [True]
    services, earlier = after["commerce"]["services"], before["commerce"]["services"]
    assert all(services[name]["running"] == earlier[name]["running"] for name in SERVICES)
    assert all(services[name]["deployments"] == ["COMPLETED"] for name in SERVICES)
    assert services["ingestion-api"]["deployed"] == earlier["ingestion-api"]["deployed"] + 1
    assert all(after["commerce"][part] == before["commerce"][part] for part in ("versions", "secrets", "log groups"))
    assert after["terraform"] == before["terraform"]
    assert titles(lab)[-1] == "Weekly maintenance of commerce FAILED"
    assert lock_row(lab)["run"] == ""


def test_what_fails_only_after_the_work_is_a_failure_with_advice(lab: Lab, records: Path) -> None:
    lab.control("health", {"system": "commerce", "endpoint": "products", "status": "degraded", "after": 1,
                           "checks": {"redis": "timeout"}}, of="web")
    run = maintain(lab, records)
    task = run.task(FINAL_GATE)
    assert run.status != 0
    assert run.carried_out()
    assert run.record["status"] == "failed"
    assert task["status"] == "failed"
    assert "products health" in task["message"]
    assert "The changes are made; the record tells how to undo each. Investigate" in task["message"]
    assert run.record["undo"]
    assert titles(lab)[-1] == "Weekly maintenance of commerce FAILED"
    assert lock_row(lab)["run"] == ""
