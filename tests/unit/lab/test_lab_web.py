"""The web side without a network: who is healthy, who fails, and what is noted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lab.web.application import WebApplication
from lab.web.dns import NameBook
from lab.web.health import HealthBook
from lab.web.inbox import Inbox
from lab.web.pages import Site
from lab.web.receivers import Receivers, Request, Tokens
from lab.web.reply import BadRequest
from lab.web.systems import ADDRESSES, ALIASES, SYSTEMS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
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
    condition = book.condition("commerce", "api")
    assert (condition.status, condition.code) == ("degraded", 503)
    assert condition.checks == {"dynamodb": "ok", "redis": "failed", "queue": "ok"}


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
        {"system": "nothing"},
        {"queues": {"media-processing": 1}},
        {"misspelt": 1},
    ],
)
def test_a_change_that_means_nothing_is_refused_and_changes_nothing(change: dict[str, Any]) -> None:
    book = HealthBook(SYSTEMS)
    with pytest.raises(BadRequest):
        book.change({"system": "commerce", "endpoint": "api", "status": "degraded", **change})
    assert book.condition("commerce", "api").code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"system": "media"},
        {"system": "media", "queues": {"nothing": 5}},
        {"system": "media", "queues": {"media-processing": -1}},
        {"system": "media", "queues": {"media-processing": "many"}},
        {"system": "media", "scheduler": "stopped"},
        {"system": "media", "status": "degraded"},
        {"system": "analytics", "scheduler": "asleep"},
        {"system": "analytics", "jobs": {"twitch-streams": "lost"}},
        {"system": "analytics", "jobs": {"nothing": "failed"}},
    ],
)
def test_a_change_of_a_systems_course_that_means_nothing_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        HealthBook(SYSTEMS).change(change)


def pages(*changes: dict[str, Any]) -> Site:
    book = HealthBook(SYSTEMS)
    for change in changes:
        book.change(change)
    return Site(SYSTEMS, book, clock=lambda: NOW)


def shown(site: Site, path: str) -> tuple[int, Any]:
    reply = site.answer("GET", path)
    return reply.status, json.loads(reply.body)


def test_metering_answers_as_its_runbook_expects() -> None:
    code, body = shown(pages(), "metering/health")
    assert code == 200
    assert body == {"status": "healthy", "timestamp": "2026-03-01T12:00:00.000Z", "service": "ioanyt-delivery-standard",
                    "version": "1.0.0"}


@pytest.mark.parametrize(
    ("system", "endpoint", "path"),
    [
        ("commerce", "api", "commerce/api/health"),
        ("analytics", "api", "analytics/health"),
        ("analytics", "api", "analytics/health/ready"),
        ("metering", "api", "metering/health"),
        ("media", "api", "media/api/health"),
        ("reviews", "api", "reviews/api/reviews"),
        ("reviews", "site", "reviews/"),
    ],
)
def test_every_application_can_be_broken_and_heals(system: str, endpoint: str, path: str) -> None:
    book = HealthBook(SYSTEMS)
    site = Site(SYSTEMS, book)
    assert site.answer("GET", path).status == 200
    book.change({"system": system, "endpoint": endpoint, "status": "broken", "code": 500, "after": 1})
    assert [site.answer("GET", path).status for _ in range(3)] == [200, 500, 500]
    assert b"broken" in site.answer("GET", path).body
    book.reset()
    assert site.answer("GET", path).status == 200


def test_a_scheduler_that_stopped_shows_in_readiness_and_in_every_job() -> None:
    site = pages({"system": "analytics", "scheduler": "stopped"})
    assert shown(site, "analytics/health") == (200, {"status": "degraded", "version": "2.8.3"})
    assert shown(site, "analytics/health/ready")[1]["checks"] == {"database": "ok", "redis": "ok", "scheduler": "stopped"}
    body = shown(site, "analytics/api/jobs")[1]
    assert (body["status"], {job["status"] for job in body["jobs"]}) == ("degraded", {"stalled"})
    last = shown(site, "analytics/api/jobs/twitch-streams/executions")[1][0]["started_at"]
    assert datetime.fromisoformat(last) < datetime.fromtimestamp(NOW, UTC) - timedelta(hours=23)


def test_jobs_run_by_their_interval_and_end_as_told() -> None:
    site = pages({"system": "analytics", "jobs": {"twitch-streams": "rate_limited"}})
    executions = shown(site, "analytics/api/jobs/twitch-streams/executions")[1]
    started = [datetime.fromisoformat(one["started_at"]) for one in executions]
    assert {earlier - later for earlier, later in pairwise(started)} == {timedelta(minutes=15)}
    assert started[0] <= datetime.fromtimestamp(NOW, UTC)
    assert [one["status"] for one in executions][:2] == ["rate_limited", "success"]
    jobs = shown(site, "analytics/api/jobs")[1]
    assert (jobs["status"], jobs["wrong"]) == ("degraded", 1)
    assert shown(pages(), "analytics/api/jobs")[1]["status"] == "ok"


@pytest.mark.parametrize(("depth", "status"), [(1000, "ok"), (1001, "overloaded")])
def test_a_queue_is_overloaded_above_a_thousand_jobs(depth: int, status: str) -> None:
    body = shown(pages({"system": "media", "queues": {"media-processing": depth}}), "media/api/admin/queues/stats")[1]
    assert (body["status"], body["queues"]["media-processing"]["status"]) == (status, status)
    assert body["queues"]["media-processing"]["waiting"] == depth
    assert body["queues"]["media-thumbnails"]["status"] == "ok"


def test_metrics_are_counters_that_grow_with_time() -> None:
    def counted(after: float) -> dict[str, float]:
        times = iter((NOW, NOW + after))
        reply = Site(SYSTEMS, HealthBook(SYSTEMS), clock=lambda: next(times)).answer("GET", "media/metrics")
        lines = [line for line in reply.body.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    early, late = counted(0), counted(600)
    good = 'http_requests_total{route="/api/search",status="200"}'
    every = 'http_request_duration_seconds_bucket{route="/api/search",le="+Inf"}'
    assert late[good] - early[good] == pytest.approx(9.4 * 600, abs=10)
    assert late[every] == late['http_request_duration_seconds_count{route="/api/search"}']
    assert all(late[name] >= value for name, value in early.items())


def test_the_site_comes_from_a_cache() -> None:
    assert pages().answer("GET", "reviews/").headers["x-cache"] == "Hit from cloudfront"
    broken = pages({"system": "reviews", "endpoint": "site", "status": "broken"})
    assert broken.answer("GET", "reviews/").headers["x-cache"] == "Error from cloudfront"


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
        ("GET", "/reviews", 200),
        ("GET", "/reviews/", 200),
        ("GET", "/commerce/", 404),
        ("GET", "/analytics/api/jobs/unknown/executions", 404),
        ("POST", "/analytics/api/jobs", 405),
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
