"""CloudWatch Logs: legal retention, expiry, pages, patterns, ages."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from .conftest import AwsLab

DAY = 86_400_000


def now() -> int:
    """Milliseconds since the epoch."""
    return int(datetime.now(UTC).timestamp() * 1000)


def write(client: Any, group: str, *events: tuple[int, str]) -> Any:
    """Put events into the group's stream `s`, which is created with the group if need be."""
    if not client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        client.create_log_group(logGroupName=group)
        client.create_log_stream(logGroupName=group, logStreamName="s")
    return client.put_log_events(
        logGroupName=group,
        logStreamName="s",
        logEvents=[{"timestamp": moment, "message": text} for moment, text in events],
    )


def describe(client: Any, group: str) -> dict[str, Any]:
    """The description of one group."""
    (found,) = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    return dict(found)


def test_only_legal_retention_values_are_accepted(clean_aws: AwsLab) -> None:
    client = clean_aws.client("logs")
    client.create_log_group(logGroupName="g")
    client.put_retention_policy(logGroupName="g", retentionInDays=30)
    for days in (31, 0, 15):
        with pytest.raises(client.exceptions.InvalidParameterException):
            client.put_retention_policy(logGroupName="g", retentionInDays=days)
    assert describe(client, "g")["retentionInDays"] == 30


def test_groups_come_in_pages_of_fifty(clean_aws: AwsLab) -> None:
    client = clean_aws.client("logs")
    for number in range(53):
        client.create_log_group(logGroupName=f"/app/{number:03d}")
    assert len(client.describe_log_groups()["logGroups"]) == 50
    pages = client.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 20})
    names = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    assert names == [f"/app/{number:03d}" for number in range(53)]
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.describe_log_groups(nextToken="never given out")


def test_a_page_survives_deletions_between_pages(clean_aws: AwsLab) -> None:
    client = clean_aws.client("logs")
    for name in "abcdef":
        client.create_log_group(logGroupName=name)
    first = client.describe_log_groups(limit=3)
    for name in "bc":
        client.delete_log_group(logGroupName=name)
    second = client.describe_log_groups(limit=3, nextToken=first["nextToken"])
    assert [group["logGroupName"] for group in second["logGroups"]] == ["d", "e", "f"]


def test_a_pattern_is_a_part_of_the_name_whatever_its_case(clean_aws: AwsLab) -> None:
    client = clean_aws.client("logs")
    for name in ("/ecs/Commerce-api", "/ecs/other", "commerce"):
        client.create_log_group(logGroupName=name)
    found = client.describe_log_groups(logGroupNamePattern="COMMERCE")["logGroups"]
    assert [group["logGroupName"] for group in found] == ["/ecs/Commerce-api", "commerce"]
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.describe_log_groups(logGroupNamePattern="a", logGroupNamePrefix="b")


def test_events_past_retention_are_gone_but_the_stream_remembers_its_last_use(clean_aws: AwsLab) -> None:
    client = clean_aws.client("logs")
    write(client, "g", (now() - 5 * DAY, "old"), (now() - DAY // 2, "new"))
    assert describe(client, "g")["storedBytes"] == 2 * (3 + 26)
    client.put_retention_policy(logGroupName="g", retentionInDays=3)
    assert describe(client, "g")["storedBytes"] == 3 + 26
    read = client.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True)["events"]
    found = client.filter_log_events(logGroupName="g")["events"]
    assert [event["message"] for event in read] == [event["message"] for event in found] == ["new"]
    clean_aws.control("backdate", kind="log-stream", name="g:s", days=10)
    assert client.filter_log_events(logGroupName="g")["events"] == []
    assert describe(client, "g")["storedBytes"] == 0
    (stream,) = client.describe_log_streams(logGroupName="g")["logStreams"]
    assert now() - stream["lastEventTimestamp"] == pytest.approx(10.5 * DAY, abs=60_000)


def test_queries_do_not_see_expired_events(clean_aws: AwsLab) -> None:
    client = clean_aws.client("logs")
    write(client, "g", (now() - 5 * DAY, "old"), (now() - DAY // 2, "new"))
    client.put_retention_policy(logGroupName="g", retentionInDays=3)
    seconds = int(time.time())
    query = client.start_query(
        logGroupName="g", startTime=seconds - 10 * 86_400, endTime=seconds, queryString="fields @message"
    )["queryId"]
    client.get_query_results(queryId=query)
    rows = client.get_query_results(queryId=query)["results"]
    assert [field["value"] for row in rows for field in row if field["field"] == "@message"] == ["new"]


def test_expired_events_are_refused(clean_aws: AwsLab) -> None:
    client = clean_aws.client("logs")
    write(client, "g", (now(), "first"))
    client.put_retention_policy(logGroupName="g", retentionInDays=3)
    reply = write(client, "g", (now() - 5 * DAY, "old"), (now() - 4 * DAY, "old"), (now(), "new"))
    assert reply["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 2}
    assert [event["message"] for event in client.filter_log_events(logGroupName="g")["events"]] == ["first", "new"]


def test_groups_and_streams_are_aged_apart(clean_aws: AwsLab) -> None:
    client = clean_aws.client("logs")
    write(client, "g", (now(), "text"))
    clean_aws.control("backdate", kind="log-group", name="g", days=400)
    clean_aws.control("backdate", kind="log-stream", name="g:s", days=200)
    (stream,) = client.describe_log_streams(logGroupName="g")["logStreams"]
    assert now() - describe(client, "g")["creationTime"] == pytest.approx(400 * DAY, abs=60_000)
    for name in ("creationTime", "firstEventTimestamp", "lastEventTimestamp", "lastIngestionTime"):
        assert now() - stream[name] == pytest.approx(200 * DAY, abs=60_000)
    assert "there is no log stream" in clean_aws.control("backdate", kind="log-stream", name="g:x", days=1)["error"]
