"""Events of a log group: every page, empty ones too, up to a bound that is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_events import LogEvents, find_events
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Missing
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run

START = datetime(2026, 11, 21, 20, tzinfo=UTC)
END = START + timedelta(minutes=1)


def page(*seconds: float, more: str = "") -> dict[str, Any]:
    events = [{"timestamp": int((START.timestamp() + at) * 1000), "message": f"at {at:g}", "logStreamName": "s"}
              for at in seconds]
    return {"events": events, **({"nextToken": more} if more else {})}


def find(*pages: Any, most: int = 100) -> LogEvents:
    client = boto3.client("logs", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        for one in pages:
            if isinstance(one, str):
                stubber.add_client_error("filter_log_events", one)
            else:
                stubber.add_response("filter_log_events", one)
        return find_events(lambda service: client, Run(), "/ecs/api", "?ERROR", START, END, most)


def said(found: LogEvents) -> list[str]:
    return [event.message for event in found.events]


def test_reads_all_pages_also_behind_an_empty_one_and_sorts_by_time() -> None:
    found = find(page(30, more="a"), page(more="b"), page(10, 20))
    assert (said(found), found.cut) == (["at 10", "at 20", "at 30"], "")


def test_the_end_is_not_included() -> None:
    assert said(find(page(59, 60))) == ["at 59"]


@pytest.mark.parametrize(("pages", "read", "cut"), [
    ([page(1, 2, more="a")], 2, True),
    ([page(1, 2)], 2, False),
    ([page(1, 2, 3)], 2, True),
])
def test_a_bound_that_was_met_is_told(pages: list[Any], read: int, cut: bool) -> None:
    found = find(*pages, most=2)
    assert (len(found.events), bool(found.cut)) == (read, cut)


def test_a_group_that_does_not_exist_is_an_error_not_empty() -> None:
    with pytest.raises(Missing, match="ResourceNotFoundException"):
        find("ResourceNotFoundException")
