"""Reading a table's backups: against botocore's own model, since the lab's backups are all of one size and finished."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.backups import Source, evaluate_backups
from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.dynamodb_backups import collect_table_backups
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
DAY = timedelta(hours=24)


class Answers:
    """A DynamoDB that answers what it was told, and refuses any other request."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a",
                                        aws_secret_access_key="b")
        self.stub = Stubber(self.client)

    def table(self, name: str = "orders") -> None:
        """There is such a table."""
        self.stub.add_response("describe_table", {"Table": {"TableName": name}}, {"TableName": name})

    def backups(
        self, *summaries: dict[str, Any], of: str = "orders", days: float | None = 35, start: str = "", token: str = ""
    ) -> None:
        """A page of its backups."""
        request: dict[str, Any] = {"TableName": of, "BackupType": "ALL"}
        if days is not None:
            request["TimeRangeLowerBound"] = NOW - timedelta(days=days)
        if start:
            request["ExclusiveStartBackupArn"] = start
        reply: dict[str, Any] = {"BackupSummaries": list(summaries)}
        self.stub.add_response("list_backups", {**reply, **({"LastEvaluatedBackupArn": token} if token else {})}, request)

    def read(self, *names: str, max_age: timedelta = DAY) -> Collected[tuple[Source, ...]]:
        """Collect, making every call that was prepared, one after the other."""
        run = Run(now=lambda: NOW, workers=1)
        with self.stub:
            collected = collect_table_backups(lambda service: self.client, run, names or ["orders"], max_age)
            self.stub.assert_no_pending_responses()
        return collected


@pytest.fixture
def dynamodb() -> Answers:
    return Answers()


def summary(hours: float, size: int = 1000, status: str = "AVAILABLE") -> dict[str, Any]:
    return {"BackupName": f"h-{hours:g}", "BackupArn": f"arn:aws:dynamodb:us-east-1:1:table/orders/backup/{hours:06.1f}",
            "BackupCreationDateTime": NOW - timedelta(hours=hours), "BackupStatus": status, "BackupType": "USER",
            "BackupSizeBytes": size}


def test_reads_all_pages_newest_first(dynamodb: Answers) -> None:
    token = summary(29)["BackupArn"]
    dynamodb.table()
    dynamodb.backups(summary(53), summary(29), token=token)
    dynamodb.backups(summary(5), start=token)

    assert [backup.name for backup in dynamodb.read().state[0].backups] == ["h-5", "h-29", "h-53"]


def test_only_backups_that_can_be_restored_count(dynamodb: Answers) -> None:
    dynamodb.table()
    dynamodb.backups(summary(1, status="CREATING"), summary(2, status="DELETED"), summary(30))

    assert [backup.name for backup in dynamodb.read().state[0].backups] == ["h-30"]


def test_looks_further_back_only_where_there_is_none_of_late(dynamodb: Answers) -> None:
    dynamodb.table()
    dynamodb.backups()
    dynamodb.backups(summary(2400), days=None)

    assert [backup.name for backup in dynamodb.read().state[0].backups] == ["h-2400"]


def test_looks_back_far_enough_for_a_long_max_age(dynamodb: Answers) -> None:
    dynamodb.table()
    dynamodb.backups(summary(1000), days=120)

    assert len(dynamodb.read(max_age=timedelta(days=60)).state[0].backups) == 1


def test_a_table_that_does_not_exist_is_state_not_a_gap(dynamodb: Answers) -> None:
    dynamodb.stub.add_client_error("describe_table", "ResourceNotFoundException", "Requested resource not found")
    collected = dynamodb.read()

    assert collected.state == (Source("dynamodb_table", "orders", exists=False),)
    assert collected.coverage.complete


def test_a_denied_table_is_a_gap(dynamodb: Answers) -> None:
    dynamodb.table()
    dynamodb.stub.add_client_error("list_backups", "AccessDeniedException", "not authorized")
    collected = dynamodb.read()

    assert collected.state == ()
    assert [gap.resource for gap in collected.coverage.missing] == ["dynamodb-table:orders"]


@pytest.mark.parametrize(("before", "answers"), [
    pytest.param(1000, [True, False], id="of_a_table_that_held_something"),
    pytest.param(0, [True], id="of_a_table_that_is_always_empty"),
])
def test_an_empty_backup_is_judged_by_the_one_before(dynamodb: Answers, before: int, answers: list[bool]) -> None:
    dynamodb.table()
    dynamodb.backups(summary(5, size=0), summary(29, size=before))

    assert [item.ok for item in evaluate_backups(dynamodb.read(), DAY)] == answers


def test_a_pattern_chooses_among_the_tables_there_are(dynamodb: Answers) -> None:
    dynamodb.stub.add_response("list_tables", {"TableNames": ["users", "orders-old", "orders"]}, {})
    for name in ("orders", "orders-old"):
        dynamodb.table(name)
        dynamodb.backups(summary(5), of=name)
    dynamodb.stub.add_client_error("describe_table", "ResourceNotFoundException", "Requested resource not found")
    collected = dynamodb.read("orders*", "gone")

    assert [(source.name, source.exists) for source in collected.state] == [
        ("orders", True), ("orders-old", True), ("gone", False)]
    assert collected.coverage.complete


def test_tables_that_cannot_be_listed_are_a_gap(dynamodb: Answers) -> None:
    dynamodb.stub.add_client_error("list_tables", "AccessDeniedException", "not authorized")
    collected = dynamodb.read("orders*")

    assert collected.state == ()
    assert [gap.resource for gap in collected.coverage.missing] == ["dynamodb-tables matching orders*"]
