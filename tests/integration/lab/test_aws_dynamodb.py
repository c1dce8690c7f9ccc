"""DynamoDB: backups by time and in pages, and the conditional writes that locks are made of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import AwsLab


def create_table(client: Any, name: str, key: str = "system") -> None:
    """An empty table with one string key."""
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def backups(clean_aws: AwsLab) -> Any:
    """A client, with backups of `products` that are 0 to 4 days old, and one of `videos`."""
    client = clean_aws.client("dynamodb")
    for table in ("products", "videos"):
        create_table(client, table)
    for days in reversed(range(5)):
        client.create_backup(TableName="products", BackupName=f"daily-{days}")
        clean_aws.control("backdate", kind="backup", name=f"daily-{days}", days=days)
    client.create_backup(TableName="videos", BackupName="daily-0")
    return client


def names(answer: dict[str, Any]) -> list[str]:
    """The names of the backups in one answer."""
    return [backup["BackupName"] for backup in answer["BackupSummaries"]]


def test_time_ranges_select(backups: Any) -> None:
    now = datetime.now(UTC)
    recent = backups.list_backups(TableName="products", TimeRangeLowerBound=now - timedelta(days=1.5))
    assert sorted(names(recent)) == ["daily-0", "daily-1"]
    old = backups.list_backups(TableName="products", TimeRangeUpperBound=now - timedelta(days=2.5))
    assert sorted(names(old)) == ["daily-3", "daily-4"]
    between = backups.list_backups(
        TimeRangeLowerBound=now - timedelta(days=3.5), TimeRangeUpperBound=now - timedelta(days=1.5)
    )
    assert sorted(names(between)) == ["daily-2", "daily-3"]
    assert names(backups.list_backups(TimeRangeLowerBound=now + timedelta(days=1))) == []


def test_pages_go_on_after_the_last_backup_also_when_it_was_deleted(backups: Any) -> None:
    first = backups.list_backups(TableName="products", Limit=2)
    assert len(names(first)) == 2
    last = first["LastEvaluatedBackupArn"]
    assert last == first["BackupSummaries"][-1]["BackupArn"]
    backups.delete_backup(BackupArn=last)
    rest = backups.list_backups(TableName="products", ExclusiveStartBackupArn=last)
    assert sorted(names(first) + names(rest)) == [f"daily-{days}" for days in range(5)]
    assert "LastEvaluatedBackupArn" not in rest


def test_limits_are_checked(backups: Any) -> None:
    with pytest.raises(ClientError) as error:
        backups.list_backups(Limit=101)
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_backups_are_aged_one_by_one(clean_aws: AwsLab, backups: Any) -> None:
    assert "say <table>/<name>" in clean_aws.control("backdate", kind="backup", name="daily-0", days=1)["error"]
    clean_aws.control("backdate", kind="backup", name="videos/daily-0", days=9)
    (videos,) = backups.list_backups(TableName="videos")["BackupSummaries"]
    assert (datetime.now(UTC) - videos["BackupCreationDateTime"]).days == 9
    described = backups.describe_backup(BackupArn=videos["BackupArn"])["BackupDescription"]["BackupDetails"]
    assert described["BackupCreationDateTime"] == videos["BackupCreationDateTime"]


@pytest.fixture
def locks(clean_aws: AwsLab) -> Any:
    """A client, with an empty lock table."""
    client = clean_aws.client("dynamodb")
    create_table(client, "opsbook-locks")
    return client


def take(client: Any, holder: str, now: int, until: int) -> bool:
    """Take the lock as a lease: only if nobody holds it, or the holder's time is over."""
    try:
        client.update_item(
            TableName="opsbook-locks",
            Key={"system": {"S": "commerce"}},
            UpdateExpression="SET holder = :holder, expires = :until ADD fence :one",
            ConditionExpression="attribute_not_exists(holder) OR expires < :now",
            ExpressionAttributeValues={
                ":holder": {"S": holder},
                ":until": {"N": str(until)},
                ":now": {"N": str(now)},
                ":one": {"N": "1"},
            },
        )
    except client.exceptions.ConditionalCheckFailedException:
        return False
    return True


def test_a_held_lock_is_not_taken_before_it_expires(locks: Any) -> None:
    assert take(locks, "ann", now=100, until=160)
    assert not take(locks, "bob", now=150, until=210)
    assert take(locks, "bob", now=161, until=221)
    item = locks.get_item(TableName="opsbook-locks", Key={"system": {"S": "commerce"}}, ConsistentRead=True)["Item"]
    assert (item["holder"], item["fence"]) == ({"S": "bob"}, {"N": "2"})


def test_of_many_takers_one_wins(clean_aws: AwsLab, locks: Any) -> None:
    def attempt(number: int) -> bool:
        return take(clean_aws.client("dynamodb"), f"holder-{number}", now=100, until=160)

    with ThreadPoolExecutor(12) as executor:
        assert sum(executor.map(attempt, range(24))) == 1


def test_only_the_holder_renews_and_releases(locks: Any) -> None:
    take(locks, "ann", now=100, until=160)
    key = {"TableName": "opsbook-locks", "Key": {"system": {"S": "commerce"}}}
    mine = {"ConditionExpression": "holder = :me AND fence = :fence"}
    for holder, fence in (("bob", "1"), ("ann", "2")):
        values = {":me": {"S": holder}, ":fence": {"N": fence}}
        with pytest.raises(locks.exceptions.ConditionalCheckFailedException):
            locks.delete_item(**key, **mine, ExpressionAttributeValues=values)
        with pytest.raises(locks.exceptions.ConditionalCheckFailedException):
            locks.update_item(
                **key,
                **mine,
                UpdateExpression="SET expires = :later",
                ExpressionAttributeValues={**values, ":later": {"N": "999"}},
            )
    values = {":me": {"S": "ann"}, ":fence": {"N": "1"}}
    locks.delete_item(**key, **mine, ExpressionAttributeValues=values)
    assert "Item" not in locks.get_item(**key)


def test_a_conditional_put_shows_who_was_first(locks: Any) -> None:
    put = {"TableName": "opsbook-locks", "ConditionExpression": "attribute_not_exists(#system)"}
    put["ExpressionAttributeNames"] = {"#system": "system"}
    locks.put_item(**put, Item={"system": {"S": "commerce"}, "holder": {"S": "ann"}})
    with pytest.raises(locks.exceptions.ConditionalCheckFailedException) as error:
        locks.put_item(
            **put,
            Item={"system": {"S": "commerce"}, "holder": {"S": "bob"}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert error.value.response["Item"]["holder"] == {"S": "ann"}
