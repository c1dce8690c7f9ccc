"""LookupEvents: the calls that were really made, newest first."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from .conftest import AwsLab


@pytest.fixture
def history(clean_aws: AwsLab) -> AwsLab:
    """A server that has answered some calls of two principals."""
    logs = clean_aws.client("logs")
    for name in ("one", "two", "three"):
        logs.create_log_group(logGroupName=name)
    clean_aws.client("logs", "SOMEBODYELSE").delete_log_group(logGroupName="two")
    with pytest.raises(ClientError):
        logs.delete_log_group(logGroupName="two")
    logs.describe_log_groups()
    return clean_aws


def lookup(lab: AwsLab, key: str | None = None, value: str = "", **arguments: object) -> list[dict]:
    """All events of a look-up, over all pages."""
    attributes = [{"AttributeKey": key, "AttributeValue": value}] if key else []
    pages = lab.client("cloudtrail").get_paginator("lookup_events")
    return [event for page in pages.paginate(LookupAttributes=attributes, **arguments) for event in page["Events"]]


def test_newest_events_come_first(history: AwsLab) -> None:
    names = [event["EventName"] for event in lookup(history)]
    assert names == ["DescribeLogGroups", "DeleteLogGroup", "DeleteLogGroup", *["CreateLogGroup"] * 3]


@pytest.mark.parametrize(
    ("key", "value", "count"),
    [
        ("EventName", "DeleteLogGroup", 2),
        ("EventSource", "logs.amazonaws.com", 6),
        ("Username", "SOMEBODYELSE", 1),
        ("AccessKeyId", "LABOPERATOR", 5),
        ("ReadOnly", "true", 1),
        ("ResourceName", "two", 3),
        ("ResourceType", "AWS::Logs::LogGroup", 5),
        ("EventName", "StopTask", 0),
    ],
)
def test_attributes_select(history: AwsLab, key: str, value: str, count: int) -> None:
    assert len(lookup(history, key, value, EndTime=datetime.now(UTC))) == count


def test_pages_are_whole(history: AwsLab) -> None:
    first = history.client("cloudtrail").lookup_events(MaxResults=2)
    assert [len(first["Events"]), "NextToken" in first] == [2, True]
    everything = lookup(history, "EventSource", "logs.amazonaws.com", PaginationConfig={"PageSize": 2})
    assert len({event["EventId"] for event in everything}) == 6


def test_time_ranges_select(history: AwsLab) -> None:
    now = datetime.now(UTC)
    assert lookup(history, StartTime=now + timedelta(seconds=5), EndTime=now + timedelta(seconds=9)) == []
    assert len(lookup(history, StartTime=now - timedelta(minutes=1), EndTime=now)) == 6


def test_failures_carry_their_error_code(history: AwsLab) -> None:
    newest = lookup(history, "EventName", "DeleteLogGroup")[0]
    detail = json.loads(newest["CloudTrailEvent"])
    assert detail["errorCode"] == "ResourceNotFoundException"
    assert detail["requestParameters"] == {"logGroupName": "two"}


def test_data_events_are_not_found(clean_aws: AwsLab) -> None:
    clean_aws.client("s3").create_bucket(Bucket="archive")
    clean_aws.client("s3").put_object(Bucket="archive", Key="k", Body=b"")
    assert [event["EventName"] for event in lookup(clean_aws)] == ["CreateBucket"]


def test_bad_requests_are_refused(history: AwsLab) -> None:
    cloudtrail, now = history.client("cloudtrail"), datetime.now(UTC)
    with pytest.raises(cloudtrail.exceptions.InvalidTimeRangeException):
        cloudtrail.lookup_events(StartTime=now, EndTime=now - timedelta(hours=1))
    with pytest.raises(cloudtrail.exceptions.InvalidNextTokenException):
        cloudtrail.lookup_events(NextToken="never-given-out")
