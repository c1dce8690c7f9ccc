"""Signs in logs: what a message says is wrong, at whom, and which of all lines are new."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsbook.diagnosis.noticing.logs import log_signs, message_of
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.service_map import Component, ServiceMap
from opsbook.evidence.limits import InvestigationLimits
from opsbook.evidence.log_text import LogLine
from opsbook.evidence.pieces import Span
from tests.unit.notebooks.diagnosis.making import at

SHOP = ServiceMap((
    Component("front", "load_balancer", "app/front/1", ("api",), entry=True),
    Component("api", "ecs_service", "api", ("orders", "postgres", "redis", "pay")),
    Component("worker", "lambda_function", "worker", ("orders", "stock")),
    Component("orders", "dynamodb_table", "orders-prod"),
    Component("stock", "dynamodb_table", "stock-prod"),
    Component("postgres", "postgres", "postgres"),
    Component("redis", "redis", "redis"),
    Component("pay", "external", "pay", owned=False),
))
SCENE = Scene("shop", SHOP, Span(at(180), at(240)), Span(at(0), at(180)), at(240), InvestigationLimits())


def lines(message: str, component: str = "api", minute: int = 200, times: int = 5, exception: str = "") -> list[LogLine]:
    return [LogLine(at(minute) + timedelta(seconds=number), component, "ERROR", "app", message, exception)
            for number in range(times)]


def noticed(*given: list[LogLine]) -> set[tuple[str, str]]:
    signs = log_signs(SCENE, [line for some in given for line in some], "lines of trouble")
    return {(sign.component, sign.kind) for sign in signs}


@pytest.mark.parametrize(("message", "component", "expected"), [
    pytest.param("TypeError: 'NoneType' object is not subscriptable", "api", {("api", "new-errors")}, id="its own error"),
    pytest.param("Task timed out after 3.00 seconds", "worker", {("worker", "says-timed-out")}, id="cut off"),
    pytest.param("RequestId: 1 Error: Runtime exited with error: signal: killed", "worker", {("worker", "says-killed")},
                 id="killed"),
    pytest.param("An error occurred (AccessDeniedException) when calling PutItem", "worker", {("worker", "says-denied")},
                 id="denied"),
    pytest.param("ProvisionedThroughputExceededException on table orders-prod", "worker",
                 {("worker", "blames-others"), ("orders", "blamed")}, id="a table that is named"),
    pytest.param("ProvisionedThroughputExceededException: rate", "worker",
                 {("worker", "blames-others"), ("worker", "new-errors")}, id="one of two tables, nobody knows which"),
    pytest.param("ProvisionedThroughputExceededException: rate", "api", {("api", "blames-others"), ("orders", "blamed")},
                 id="the only table that it calls"),
    pytest.param("FATAL: remaining connection slots are reserved", "api",
                 {("api", "blames-others"), ("postgres", "says-connections-out")}, id="no connection left"),
    pytest.param("QueuePool limit of size 5 overflow 10 reached, connection timed out", "api",
                 {("api", "blames-others"), ("postgres", "pool-exhausted")}, id="a pool that is empty"),
    pytest.param("FATAL: sorry, too many clients already", "api",
                 {("api", "blames-others"), ("postgres", "says-connections-out")}, id="no client more"),
    pytest.param("TimeoutError: summary of customer 17", "api", {("api", "blames-others"), ("api", "new-errors")},
                 id="its own or that of any that it calls"),
    pytest.param("TimeoutError: pay did not answer", "api", {("api", "blames-others"), ("pay", "blamed")},
                 id="a callee that is named"),
    pytest.param("ERROR: deadlock detected", "postgres", {("postgres", "blames-others"), ("postgres", "says-lock")},
                 id="a database about itself"),
    pytest.param("OOM command not allowed when used memory > 'maxmemory'", "api",
                 {("api", "blames-others"), ("redis", "says-no-memory")}, id="a cache without memory"),
    pytest.param("pay: 503 Service Unavailable", "api", {("api", "blames-others"), ("pay", "blamed")}, id="a provider"),
    pytest.param("Connection refused by redis:6379", "api", {("api", "blames-others"), ("redis", "says-refused-connection")},
                 id="named, of two that can be meant"),
])
def test_a_message_says_what_is_wrong_and_at_whom(message: str, component: str, expected: set[tuple[str, str]]) -> None:
    assert noticed(lines(message, component)) == expected


def test_what_was_always_logged_is_no_sign() -> None:
    noise = [lines("TypeError: the old one", minute=minute, times=3) for minute in range(0, 240, 10)]

    assert noticed(*noise) == set()


def test_what_is_much_more_frequent_is_a_sign() -> None:
    noise = [lines("TypeError: the old one", minute=minute, times=3) for minute in range(0, 240, 10)]

    assert noticed(*noise, lines("TypeError: the old one", minute=210, times=200)) == {("api", "new-errors")}


def test_the_onset_is_the_first_of_the_new_lines() -> None:
    [sign] = log_signs(SCENE, [*lines("ValueError: x=1", minute=203), *lines("ValueError: x=2", minute=230)], "lines")

    assert sign.onset == at(203)


def test_lines_of_unknown_components_and_other_levels_are_passed_over() -> None:
    chatter = [LogLine(at(200), "api", "INFO", "app", f"no ERROR here {number}") for number in range(9)]

    assert noticed(chatter, lines("KeyError: 1", "nobody")) == set()


@pytest.mark.parametrize(("exception", "message", "whole"), [
    ("ValueError", "bad", "ValueError: bad"), ("ValueError", "ValueError: bad", "ValueError: bad"), ("", "bad", "bad"),
])
def test_an_exception_is_said_once(exception: str, message: str, whole: str) -> None:
    assert message_of(LogLine(at(0), "api", "ERROR", "", message, exception)) == whole


def test_hostile_messages_are_text() -> None:
    hostile = "<script>alert(1)</script> \x1b[2J (.*)+$ %s {0} " + "A" * 5000
    [sign] = log_signs(SCENE, lines(hostile), "lines")

    assert sign.kind == "new-errors"
    assert len(sign.text) < 1000
    assert "\x1b" not in sign.text
