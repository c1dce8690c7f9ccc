"""backup_info against the lab's AWS: fresh, old, missing, denied, on the second page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.operations.conftest import Aws, Operate
from tests.support.audit import changing


def back_up(aws: Aws, table: str, name: str, days: float = 0) -> str:
    arn = aws.client("dynamodb").create_backup(TableName=table, BackupName=name)["BackupDetails"]["BackupArn"]
    if days:
        aws.control("backdate", {"kind": "backup", "name": arn, "days": days})
    return str(arn)


@pytest.fixture
def table(aws: Aws, unique: str) -> str:
    """A table without any backup."""
    aws.client("dynamodb").create_table(
        TableName=unique, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    return unique


def faults(result: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(item["check"], item["actual"]) for item in result["evidence"] if item["ok"] is False]


def test_a_fresh_backup_is_healthy_also_in_check_mode(aws: Aws, operate: Operate, table: str) -> None:
    back_up(aws, table, "old", days=1.5)
    arn = back_up(aws, table, "fresh", days=0.25)
    with aws.calls() as calls:
        checked = operate("backup_info", check_mode=True, dynamodb_tables=[table])
    result = operate("backup_info", dynamodb_tables=[table])

    assert changing(calls) == []
    assert result["verdict"] == checked["verdict"] == "healthy"
    assert result["changed"] is False
    [described] = result["backups"]
    assert (described["source_type"], described["source"], described["count"]) == ("dynamodb_table", table, 2)
    assert (described["newest"]["name"], described["newest"]["arn"]) == ("fresh", arn)
    assert described["newest"]["age_hours"] == pytest.approx(6, abs=0.1)
    assert described["newest"]["size_bytes"] > 0


def test_an_old_backup_is_unhealthy_unless_it_may_be_so_old(aws: Aws, operate: Operate, table: str) -> None:
    back_up(aws, table, "old", days=2)

    result = operate("backup_info", dynamodb_tables=[table])
    assert result["verdict"] == "unhealthy"
    assert faults(result) == [("newest backup", "old, 2 d old")]
    assert operate("backup_info", dynamodb_tables=[table], max_age="3d")["verdict"] == "healthy"


def test_an_ancient_backup_is_found_and_told_apart_from_none(aws: Aws, operate: Operate, table: str) -> None:
    assert faults(operate("backup_info", dynamodb_tables=[table])) == [("newest backup", "there is no backup")]

    back_up(aws, table, "ancient", days=90)
    result = operate("backup_info", dynamodb_tables=[table])
    assert faults(result) == [("newest backup", "ancient, 90 d old")]


def test_asks_for_all_types_since_a_time(aws: Aws, operate: Operate, table: str) -> None:
    back_up(aws, table, "fresh")
    with aws.calls() as calls:
        operate("backup_info", dynamodb_tables=[table])

    [listed] = [call["parameters"] for call in calls if call["action"] == "ListBackups"]
    assert listed["BackupType"] == "ALL"
    assert listed["TimeRangeLowerBound"]


def test_reads_all_pages(aws: Aws, operate: Operate, table: str) -> None:
    for number in range(104):
        back_up(aws, table, f"backup-{number}", days=2)
    aws.control("backdate", {"kind": "backup", "name": back_up(aws, table, "fresh"), "days": 0.01})

    [described] = operate("backup_info", dynamodb_tables=[table])["backups"]
    assert (described["count"], described["newest"]["name"]) == (105, "fresh")


def test_a_missing_table_is_unhealthy(aws: Aws, operate: Operate, table: str) -> None:
    back_up(aws, table, "fresh")
    result = operate("backup_info", dynamodb_tables=[table, "no-such-table"])

    assert result["verdict"] == "unhealthy"
    assert [item["resource"] for item in result["evidence"] if item["ok"] is False] == ["dynamodb-table:no-such-table"]
    assert faults(result) == [("source", "does not exist")]


@pytest.mark.parametrize("action", ["ListBackups", "DescribeTable"])
def test_denied_is_unknown_and_named_never_no_backup(aws: Aws, operate: Operate, table: str, action: str) -> None:
    back_up(aws, table, "fresh")
    aws.control("faults", {"faults": [{"service": "dynamodb", "action": action, "kind": "deny"}]})
    result = operate("backup_info", dynamodb_tables=[table])

    assert result["verdict"] == "unknown"
    assert result["evidence"] == []
    [gap] = result["coverage"]["missing"]
    assert gap["resource"] == f"dynamodb-table:{table}"
    assert "AccessDenied" in gap["reason"]
    assert aws.connection["secret_key"] not in str(result)


def test_sees_the_same_under_throttling(aws: Aws, operate: Operate, table: str) -> None:
    back_up(aws, table, "fresh")
    aws.control("faults", {"seed": 7, "faults": [
        {"service": "dynamodb", "action": "*", "kind": "throttle", "probability": 0.3}]})

    assert operate("backup_info", dynamodb_tables=[table])["verdict"] == "healthy"
