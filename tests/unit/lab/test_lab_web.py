"""The web side without a network: who is healthy, who fails, and what is noted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.web.application import WebApplication
from lab.web.dns import NameBook
from lab.web.health import HealthBook
from lab.web.inbox import Inbox
from lab.web.receivers import Receivers, Request, Tokens
from lab.web.reply import BadRequest
from lab.web.systems import ADDRESSES, ALIASES, SYSTEMS

TOKENS = Tokens(slack="part-one/part-two", pagerduty="key", statuspage="pass")


@pytest.fixture
def inbox_path(tmp_path: Path) -> Path:
    return tmp_path / "received.jsonl"


@pytest.fixture
def receivers(inbox_path: Path) -> Receivers:
    return Receivers(TOKENS, Inbox(inbox_path))


def slack(receivers: Receivers, body: bytes, path: str = TOKENS.slack) -> tuple[int, str]:
    reply = receivers.answer("slack", Request("POST", path, "", body))
    return reply.status, reply.body.decode()


def noted(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_checks_are_changed_by_name() -> None:
    book = HealthBook(SYSTEMS)
    book.change({"system": "commerce", "endpoint": "api", "status": "degraded", "checks": {"redis": "failed"}})
    code, body = book.answer("commerce", "api")
    assert code == 503
    assert body["checks"] == {"dynamodb": "ok", "redis": "failed", "queue": "ok"}


@pytest.mark.parametrize(
    "change",
    [
        {"status": 5},
        {"code": 99},
        {"code": True},
        {"after": -1},
        {"checks": {"unknown": "failed"}},
        {"checks": ["redis"]},
        {"endpoint": "nothing"},
        {"misspelt": 1},
    ],
)
def test_a_change_that_means_nothing_is_refused_and_changes_nothing(change: dict[str, Any]) -> None:
    book = HealthBook(SYSTEMS)
    with pytest.raises(BadRequest):
        book.change({"system": "commerce", "endpoint": "api", "status": "degraded", **change})
    assert book.answer("commerce", "api")[0] == 200


def test_slack_takes_a_token_of_several_parts_and_a_form(receivers: Receivers) -> None:
    assert slack(receivers, b'{"text": "hello"}') == (200, "ok")
    assert slack(receivers, b"payload=%7B%22text%22%3A%22hello%22%7D") == (200, "ok")
    assert slack(receivers, b"not json") == (400, "invalid_payload")


def test_a_failing_receiver_still_refuses_an_unknown_token(receivers: Receivers) -> None:
    receivers.change({"receiver": "slack", "status": 500})
    assert slack(receivers, b'{"text": "hello"}')[0] == 500
    assert slack(receivers, b'{"text": "hello"}', "other")[0] == 403


def test_no_token_is_noted_whatever_came(receivers: Receivers, inbox_path: Path) -> None:
    slack(receivers, b'{"text": "hello"}')
    event = {"routing_key": TOKENS.pagerduty, "event_action": "trigger", "payload": {}}
    for key in (TOKENS.pagerduty, "other-key"):
        body = json.dumps({**event, "routing_key": key}).encode()
        receivers.answer("pagerduty", Request("POST", "v2/enqueue", "", body))
    receivers.answer("statuspage", Request("POST", "v1/pages/p/incidents", f"OAuth {TOKENS.statuspage}", b"{}"))
    text = inbox_path.read_text()
    assert len(noted(inbox_path)) == 4
    assert not any(secret in text for secret in (TOKENS.slack, '"key"', "other-key", '"pass"'))


def test_a_leaked_secret_in_a_message_is_noted_as_it_came(receivers: Receivers, inbox_path: Path) -> None:
    # Masking it here would hide the leak from the tests that look for it.
    slack(receivers, b'{"text": "the password is canary"}')
    assert noted(inbox_path)[0]["body"] == {"text": "the password is canary"}


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"event_action": "resolve", "dedup_key": "run-1"}, 202),
        ({"event_action": "resolve"}, 400),
        ({"event_action": "explode"}, 400),
        ({"event_action": "trigger", "payload": {"summary": "s", "source": "x", "severity": "error"}}, 202),
        ({"event_action": "trigger", "payload": {"summary": "s"}}, 400),
    ],
)
def test_pagerduty_events_are_checked(receivers: Receivers, event: dict[str, Any], status: int) -> None:
    body = json.dumps({"routing_key": TOKENS.pagerduty, **event}).encode()
    assert receivers.answer("pagerduty", Request("POST", "v2/enqueue", "", body)).status == status


@pytest.fixture
def application(receivers: Receivers) -> WebApplication:
    return WebApplication(HealthBook(SYSTEMS), receivers, NameBook(ADDRESSES, ALIASES))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/commerce/api/health", 200),
        ("HEAD", "/commerce/api/health", 200),
        ("GET", "/commerce/api/links/demo", 200),
        ("GET", "/commerce/api/products/demo", 404),
        ("GET", "/other/api/health", 404),
        ("GET", "/", 404),
        ("POST", "/commerce/api/health", 405),
        ("POST", "/receivers/unknown/x", 404),
        ("GET", "/lab/health", 400),
    ],
)
def test_pages_are_where_they_belong(application: WebApplication, method: str, path: str, status: int) -> None:
    assert application.answer(method, path, "", b"").status == status


def test_reset_heals_everything_and_forgets_what_came(application: WebApplication, inbox_path: Path) -> None:
    degraded = b'{"system": "commerce", "endpoint": "api", "status": "degraded"}'
    application.answer("POST", "/lab/health", "", degraded)
    application.answer("POST", "/lab/receivers", "", b'{"receiver": "slack", "status": 500}')
    application.answer("POST", "/receivers/slack/x", "", b"{}")
    assert application.answer("POST", "/lab/reset", "", b"").status == 200
    assert application.answer("GET", "/commerce/api/health", "", b"").status == 200
    assert application.answer("POST", f"/receivers/slack/{TOKENS.slack}", "", b'{"text": "x"}').status == 200
    assert len(noted(inbox_path)) == 1
