"""Logs Insights: results from the API's shape, and queries that must not go on when nobody waits."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.log_insights import (
    ScannedTooMuch,
    result_of,
    run_query,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from tests.support.clocks import ScriptedClock

START = datetime(2026, 11, 21, 20, tzinfo=UTC)


def reply(status: str, *rows: dict[str, str]) -> dict[str, Any]:
    results = [[{"field": field, "value": value} for field, value in row.items()] for row in rows]
    return {"status": status, "results": results,
            "statistics": {"recordsMatched": 3.0, "recordsScanned": 9.0, "bytesScanned": 1234.0}}


def test_rows_statistics_and_no_pointer() -> None:
    result = result_of(reply("Complete", {"@timestamp": "t", "@ptr": "secret"}), 10)
    assert result.rows == ({"@timestamp": "t"},)
    assert (result.matched, result.scanned, result.bytes_scanned, result.cut) == (3, 9, 1234, False)


def test_as_many_rows_as_were_asked_for_are_a_cut() -> None:
    assert result_of(reply("Complete", {"a": "1"}, {"a": "2"}), 2).cut


Scripted = Callable[..., tuple[Any, Stubber]]


@pytest.fixture
def scripted() -> Scripted:
    """A client of Logs that answers as told, held against AWS's own service model."""

    def make(*answers: tuple[str, Any]) -> tuple[Any, Stubber]:
        client = boto3.client("logs", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        stubber = Stubber(client)
        for operation, answer in answers:
            if isinstance(answer, str):
                stubber.add_client_error(operation, answer)
            else:
                stubber.add_response(operation, answer)
        stubber.activate()
        return client, stubber

    return make


def ask(client: Any, timeout: float = 60.0, most_bytes: float = math.inf) -> Any:
    run = Run(timeout=600, clock=ScriptedClock().clock())
    end = START + timedelta(hours=1)
    return run_query(lambda service: client, run, ["/ecs/api"], "fields @message", START, end, 100, timeout, most_bytes)


STARTED = ("start_query", {"queryId": "q"})
RUNNING = ("get_query_results", {"status": "Running", "results": []})
STOPPED = ("stop_query", {"success": True})


def test_waits_for_the_end_and_stops_nothing(scripted: Scripted) -> None:
    client, stubber = scripted(STARTED, RUNNING, RUNNING, ("get_query_results", reply("Complete", {"a": "1"})))
    assert ask(client).rows == ({"a": "1"},)
    stubber.assert_no_pending_responses()


def test_a_query_that_takes_too_long_is_stopped(scripted: Scripted) -> None:
    client, stubber = scripted(STARTED, *[RUNNING] * 2, STOPPED)
    with pytest.raises(OperationError, match="not done in time and was stopped"):
        ask(client, timeout=0.1)
    stubber.assert_no_pending_responses()


def test_a_query_that_scans_more_than_it_may_is_stopped(scripted: Scripted) -> None:
    scanning = ("get_query_results", {"status": "Running", "results": [], "statistics": {"bytesScanned": 501.0}})
    client, stubber = scripted(STARTED, RUNNING, scanning, STOPPED)
    with pytest.raises(ScannedTooMuch, match="scanned 501 bytes of the 500 that it might") as raised:
        ask(client, most_bytes=500)
    assert raised.value.bytes_scanned == 501
    stubber.assert_no_pending_responses()


def test_an_answer_that_is_there_is_taken_whatever_it_scanned(scripted: Scripted) -> None:
    client, _stubber = scripted(STARTED, ("get_query_results", reply("Complete", {"a": "1"})))
    assert ask(client, most_bytes=1).bytes_scanned == 1234


def test_a_query_whose_results_are_denied_is_stopped(scripted: Scripted) -> None:
    client, stubber = scripted(STARTED, ("get_query_results", "AccessDeniedException"), STOPPED)
    with pytest.raises(OperationError, match="AccessDeniedException"):
        ask(client)
    stubber.assert_no_pending_responses()


def test_a_query_that_cannot_be_stopped_any_more_hides_no_reason(scripted: Scripted) -> None:
    client, stubber = scripted(STARTED, ("get_query_results", "AccessDeniedException"),
                               ("stop_query", "ResourceNotFoundException"))
    with pytest.raises(OperationError, match="AccessDeniedException"):
        ask(client)
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize("status", ["Failed", "Cancelled", "Timeout"])
def test_a_query_that_ended_otherwise_is_no_empty_answer(scripted: Scripted, status: str) -> None:
    client, stubber = scripted(STARTED, ("get_query_results", {"status": status, "results": []}))
    with pytest.raises(OperationError, match=f"ended as {status}"):
        ask(client)
    stubber.assert_no_pending_responses()


def test_waits_while_too_many_queries_run(scripted: Scripted) -> None:
    client, stubber = scripted(("start_query", "LimitExceededException"), STARTED, ("get_query_results", reply("Complete")))
    assert ask(client).rows == ()
    stubber.assert_no_pending_responses()


def test_a_query_that_is_never_let_in_says_so(scripted: Scripted) -> None:
    client, _stubber = scripted(*[("start_query", "LimitExceededException")] * 40)
    with pytest.raises(OperationError, match="throttled to the end"):
        ask(client, timeout=10.0)


def test_the_end_is_not_included(scripted: Scripted) -> None:
    client, stubber = scripted()
    stubber.add_response("start_query", {"queryId": "q"}, {
        "logGroupNames": ["/ecs/api"], "queryString": "fields @message", "startTime": int(START.timestamp()),
        "endTime": int(START.timestamp()) + 3599, "limit": 100})
    stubber.add_response("get_query_results", reply("Complete"))
    assert ask(client).rows == ()
