"""Logs Insights and FilterLogEvents over the API, as plain moto does not have them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import AwsLab

HOUR = 3600


def now() -> int:
    """Milliseconds since the epoch."""
    return int(datetime.now(UTC).timestamp() * 1000)


@pytest.fixture
def logs(clean_aws: AwsLab) -> Any:
    """A client, with a group `g` that has one request a second of the last minute, one in five failed."""
    client = clean_aws.client("logs")
    client.create_log_group(logGroupName="g")
    client.create_log_stream(logGroupName="g", logStreamName="s")
    first = now() - 60_000
    lines = [f'{{"status":{500 if number % 5 == 0 else 200},"route":"/r{number % 3}","n":{number}}}' for number in range(60)]
    client.put_log_events(logGroupName="g", logStreamName="s", logEvents=[
        {"timestamp": first + 1000 * number, "message": line} for number, line in enumerate(lines)])  # fmt: skip
    return client


def start(client: Any, query: str, **options: Any) -> str:
    seconds = int(time.time())
    asked = {"startTime": seconds - HOUR, "endTime": seconds, "queryString": query, **options}
    if not {"logGroupNames", "logGroupIdentifiers"} & set(asked):
        asked["logGroupName"] = "g"
    return str(client.start_query(**asked)["queryId"])


def result(client: Any, query: str, **options: Any) -> dict[str, Any]:
    """The results of a query that has come to its end."""
    identity = start(client, query, **options)
    while (answer := client.get_query_results(queryId=identity))["status"] not in ("Complete", "Failed"):
        assert answer["status"] in ("Scheduled", "Running")
    return dict(answer)


def rows(answer: dict[str, Any]) -> list[dict[str, str]]:
    return [{cell["field"]: cell["value"] for cell in row} for row in answer["results"]]


def test_a_query_runs_before_it_is_complete(logs: Any) -> None:
    identity = start(logs, "fields n")
    first = logs.get_query_results(queryId=identity)
    assert (first["status"], first["results"]) == ("Running", [])
    assert logs.get_query_results(queryId=identity)["status"] == "Complete"


def test_statistics_by_a_discovered_field(logs: Any) -> None:
    answer = result(logs, "filter status >= 500 | stats count(*) as failed by route | sort route")
    assert rows(answer) == [{"route": f"/r{number}", "failed": "4"} for number in range(3)]
    assert answer["statistics"]["recordsMatched"] == 12
    assert answer["statistics"]["recordsScanned"] == 60
    assert answer["statistics"]["bytesScanned"] > 60 * 30


def test_times_are_written_as_aws_writes_them(logs: Any) -> None:
    row = rows(result(logs, "fields @timestamp, n | sort n desc | limit 1"))[0]
    assert row["n"] == "59"
    assert abs(datetime.strptime(row["@timestamp"] + "+0000", "%Y-%m-%d %H:%M:%S.%f%z").timestamp() - time.time()) < 60
    assert row["@ptr"]


def test_several_groups_and_only_the_range_that_was_asked_for(logs: Any) -> None:
    logs.create_log_group(logGroupName="h")
    logs.create_log_stream(logGroupName="h", logStreamName="s")
    logs.put_log_events(logGroupName="h", logStreamName="s", logEvents=[
        {"timestamp": now() - 2 * HOUR * 1000, "message": "old"}, {"timestamp": now() - 1000, "message": "new"},
    ])  # fmt: skip
    found = rows(result(logs, "stats count(*) as n by @log", logGroupNames=["g", "h"]))
    assert {row["@log"].partition(":")[2]: row["n"] for row in found} == {"g": "60", "h": "1"}


def test_more_than_ten_thousand_rows_are_cut(logs: Any) -> None:
    for batch in range(2):
        logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[
            {"timestamp": now() - 1000, "message": f"m{batch}-{number}"} for number in range(5500)])  # fmt: skip
    answer = result(logs, "fields @message")
    assert len(answer["results"]) == 10_000
    assert answer["statistics"]["recordsMatched"] == 11_060
    assert len(result(logs, "fields @message", limit=3)["results"]) == 3


def test_a_malformed_query_is_refused_when_it_is_started(logs: Any) -> None:
    with pytest.raises(logs.exceptions.MalformedQueryException) as refused:
        start(logs, "fields n | filter status ==> 5")
    assert refused.value.response["queryCompileError"]["location"]["startCharOffset"] > 10


def test_a_query_of_a_missing_group_is_refused(logs: Any) -> None:
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        start(logs, "fields n", logGroupNames=["g", "nowhere"])
    with pytest.raises(logs.exceptions.InvalidParameterException):
        start(logs, "fields n", endTime=1)


def test_a_stopped_query_is_cancelled_and_cannot_be_stopped_again(logs: Any) -> None:
    identity = start(logs, "fields n")
    assert logs.stop_query(queryId=identity)["success"] is True
    assert logs.get_query_results(queryId=identity)["status"] == "Cancelled"
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.stop_query(queryId=identity)
    assert [query["status"] for query in logs.describe_queries(logGroupName="g")["queries"]] == ["Cancelled"]


@pytest.mark.parametrize(("pattern", "count"), [
    ("", 60), ("{ $.status = 500 && $.route = \"/r1\" }", 4), ('"\\"status\\":500"', 12), ("%\"n\":5[0-9]%", 10),
    ("?r1 ?r2", 40), ("-r0", 40),
])  # fmt: skip
def test_events_are_filtered_by_a_pattern(logs: Any, pattern: str, count: int) -> None:
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName="g", startTime=now() - HOUR * 1000, filterPattern=pattern, PaginationConfig={"PageSize": 7}
    )
    found = [event for page in pages for event in page["events"]]
    assert len(found) == count
    assert [event["timestamp"] for event in found] == sorted(event["timestamp"] for event in found)
    assert len({event["eventId"] for event in found}) == count


def test_a_pattern_that_nobody_understands_is_refused(logs: Any) -> None:
    with pytest.raises(logs.exceptions.InvalidParameterException, match="pattern"):
        logs.filter_log_events(logGroupName="g", filterPattern="{ $.status >> 5 }")
    with pytest.raises(ClientError, match="does not exist"):
        logs.filter_log_events(logGroupName="nowhere")
