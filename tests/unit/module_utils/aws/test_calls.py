"""How AWS is called: all pages, and changing calls that must not happen twice."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber

from ansible_collections.opsbook.runbooks.plugins.module_utils.aws.calls import all_pages, call_once, request_token
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import (
    Denied,
    OperationError,
    OutcomeUnknown,
    Stopped,
)
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from tests.support.clocks import ScriptedClock

THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "X")
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "X")


class Call:
    """A changing call that gives its answers in turn, the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        self.count = 0
        self._answers = answers

    def __call__(self) -> Any:
        self.count += 1
        answer = self._answers[min(self.count, len(self._answers)) - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def test_reads_every_page() -> None:
    client = boto3.client("logs", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        stubber.add_response("describe_log_groups", {"logGroups": [{"logGroupName": "a"}, {"logGroupName": "b"}],
                                                     "nextToken": "n1"}, {"logGroupNamePrefix": "/"})
        stubber.add_response("describe_log_groups", {"logGroups": [], "nextToken": "n2"},
                             {"logGroupNamePrefix": "/", "nextToken": "n1"})
        stubber.add_response("describe_log_groups", {"logGroups": [{"logGroupName": "c"}]},
                             {"logGroupNamePrefix": "/", "nextToken": "n2"})
        names = [group["logGroupName"] for group in
                 all_pages(client, "describe_log_groups", "logGroups", logGroupNamePrefix="/")]
        stubber.assert_no_pending_responses()

    assert names == ["a", "b", "c"]


def test_a_page_without_the_list_is_an_empty_page() -> None:
    client = boto3.client("logs", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        stubber.add_response("describe_log_groups", {})

        assert list(all_pages(client, "describe_log_groups", "logGroups")) == []


def test_a_page_that_is_denied_is_not_the_end_of_the_list() -> None:
    client = boto3.client("logs", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        stubber.add_response("describe_log_groups", {"logGroups": [{"logGroupName": "a"}], "nextToken": "n"})
        stubber.add_client_error("describe_log_groups", "AccessDeniedException")

        with pytest.raises(ClientError):
            list(all_pages(client, "describe_log_groups", "logGroups"))


def once(call: Callable[[], Any], timeout: float = 60.0, **more: Any) -> tuple[Any, ScriptedClock]:
    clock = ScriptedClock()
    return call_once(Run(timeout=timeout, clock=clock.clock(), **more), call, "delete a version", "f:3"), clock


@pytest.mark.parametrize("answer", [{"id": 1}, None, {}])
def test_a_call_that_is_answered_is_made_once(answer: Any) -> None:
    call = Call(answer)

    assert once(call)[0] == answer
    assert call.count == 1


def test_only_a_throttled_call_is_tried_again() -> None:
    call = Call(THROTTLED, THROTTLED, "done")
    answer, clock = once(call)

    assert (answer, call.count) == ("done", 3)
    assert clock.pauses == pytest.approx([0.1, 0.15])


@pytest.mark.parametrize(("error", "kind"), [
    (ReadTimeoutError(endpoint_url="x"), OutcomeUnknown), (DENIED, Denied), (ValueError("a defect"), ValueError),
    (ClientError({"Error": {"Code": "InternalServerError", "Message": "x"}}, "X"), OperationError),
])
def test_nothing_else_is_tried_again(error: Exception, kind: type[Exception]) -> None:
    call = Call(error, "done")

    with pytest.raises(kind) as raised:
        once(call)
    assert type(raised.value) is kind
    assert call.count == 1


def test_an_answer_lost_after_throttling_is_not_tried_again() -> None:
    call = Call(THROTTLED, ReadTimeoutError(endpoint_url="x"), "done")

    with pytest.raises(OutcomeUnknown):
        once(call)
    assert call.count == 2


def test_throttling_to_the_end_is_named_as_the_reason() -> None:
    call = Call(THROTTLED)

    with pytest.raises(OperationError, match=r"delete a version \(f:3\): throttled to the end"):
        once(call, timeout=30)
    assert call.count > 3


def test_no_call_is_made_without_a_permit() -> None:
    def lost() -> None:
        raise Stopped("go on", "this run", "lease lost")

    call = Call("done")
    with pytest.raises(Stopped):
        once(call, permit=lost)
    assert call.count == 0


def test_no_call_is_made_after_the_deadline() -> None:
    call = Call("done")

    with pytest.raises(Stopped):
        once(call, timeout=-1)
    assert call.count == 0


def test_the_lease_is_asked_for_before_every_attempt() -> None:
    asked: list[int] = []

    def lost_at_the_second_attempt() -> None:
        asked.append(call.count)
        if call.count == 1:
            raise Stopped("go on", "this run", "lease lost")

    call = Call(THROTTLED, "done")
    with pytest.raises(Stopped, match="lease lost"):
        once(call, permit=lost_at_the_second_attempt)
    assert call.count == 1


def test_progress_tells_of_throttling_only() -> None:
    told: list[str] = []
    once(Call("done"), progress=told.append)
    assert told == []
    once(Call(THROTTLED, THROTTLED, "done"), progress=told.append)

    assert [text for text in told if text] == ["f:3: throttled, waiting"]


def test_a_token_is_the_same_for_the_same_window_and_resource() -> None:
    token = request_token("2026-W47:commerce", "secret:db")

    assert token == request_token("2026-W47:commerce", "secret:db")
    assert uuid.UUID(token).version == 5


@pytest.mark.parametrize(("key", "resource"), [
    ("2026-W48:commerce", "secret:db"), ("2026-W47:media", "secret:db"), ("2026-W47:commerce", "secret:web"),
    pytest.param("2026-W47", "commerce:secret:db", id="a_border_moved"),
])
def test_another_window_or_resource_has_another_token(key: str, resource: str) -> None:
    assert request_token(key, resource) != request_token("2026-W47:commerce", "secret:db")


def test_without_a_key_every_token_is_new() -> None:
    assert request_token("", "secret:db") != request_token("", "secret:db")
