"""Which log groups are asked for, and when one was last written to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_groups import common_prefix, last_written

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "prefix"),
    [
        pytest.param(["/ecs/a*"], "/ecs/a", id="up_to_the_pattern"),
        pytest.param(["/ecs/a", "/ecs/b*"], "/ecs/", id="what_all_share"),
        pytest.param(["/ecs/ab", "/ecs/a"], "/ecs/a", id="one_begins_the_other"),
        pytest.param(["/ecs/*", "*"], "", id="everything"),
        pytest.param(["/ecs/[ab]", "/ecs/?"], "/ecs/", id="all_signs_of_patterns"),
    ],
)
def test_narrows_the_listing_to_the_shared_prefix(wanted: list[str], prefix: str) -> None:
    assert common_prefix(wanted) == prefix


def milliseconds(days_ago: float) -> int:
    return int((NOW - timedelta(days=days_ago)).timestamp() * 1000)


class FakeLogs:
    """Logs of one group: its streams as AWS lists them, and events that may be younger than the streams tell."""

    def __init__(self, streams: list[dict[str, Any]], event: float | None = None) -> None:
        self.streams = streams
        self.event = event

    def describe_log_streams(self, **request: Any) -> dict[str, Any]:
        assert request["orderBy"] == "LastEventTime"
        assert request["descending"] is True
        return {"logStreams": self.streams}

    def get_paginator(self, operation: str) -> FakeLogs:
        assert operation == "filter_log_events"
        return self

    def paginate(self, startTime: int, **request: Any) -> Iterator[dict[str, Any]]:
        # AWS may answer empty pages before one that has an event.
        yield {"events": []}
        if self.event is not None and milliseconds(self.event) >= startTime:
            yield {"events": [{"timestamp": milliseconds(self.event)}]}


@pytest.mark.parametrize(
    ("fake", "days_ago"),
    [
        pytest.param(FakeLogs([]), None, id="never"),
        pytest.param(FakeLogs([{"creationTime": milliseconds(1)}]), None, id="a_stream_without_events_is_no_event"),
        pytest.param(FakeLogs([{"lastEventTimestamp": milliseconds(90), "lastIngestionTime": milliseconds(80)}]), 80,
                     id="by_arrival_where_that_is_later"),
        pytest.param(FakeLogs([{"lastEventTimestamp": milliseconds(90)}, {"lastEventTimestamp": milliseconds(60)}]), 60,
                     id="the_newest_of_the_streams"),
        pytest.param(FakeLogs([{"lastEventTimestamp": milliseconds(90)}], event=0.01), 0.01,
                     id="an_event_that_the_streams_do_not_tell_yet"),
        pytest.param(FakeLogs([{"creationTime": milliseconds(90)}], event=13.9), 13.9,
                     id="an_old_event_that_arrived_just_now"),
    ],
)
def test_tells_when_a_group_was_last_written_to(fake: FakeLogs, days_ago: float | None) -> None:
    written = last_written(fake, "/shop/a", NOW)

    assert written == (None if days_ago is None else datetime.fromtimestamp(milliseconds(days_ago) / 1000, UTC))
