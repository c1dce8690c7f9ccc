"""notify against the lab's receivers: check, run, and channels that fail."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.notify import apprise_sender
from tests.support.modules import run_module

TOKENS = {"slack": "T0CANARYA/B0CANARYB/canaryCanaryCanaryCanary", "pagerduty": "canary0123456789canary0123456789",
          "statuspage": "unused"}
API_KEY = "canaryApiKey"


@dataclass(frozen=True)
class Receivers:
    """The lab's web side."""

    folder: Path
    web: str
    smtp: int

    @property
    def received(self) -> list[dict[str, Any]]:
        """What the receivers got, in order."""
        return [json.loads(line) for line in (self.folder / "received.jsonl").read_text().splitlines()]

    def fail(self, receiver: str, status: int | None) -> None:
        """Let a receiver answer with an error, or heal it."""
        request = urllib.request.Request(
            f"{self.web}/lab/receivers", json.dumps({"receiver": receiver, "status": status}).encode(),
            {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()

    def slack(self, tokens: str = TOKENS["slack"], **more: str) -> dict[str, str]:
        return {"name": "chat", "url": f"slack://{tokens}", "endpoint_url": f"{self.web}/receivers/slack", **more}

    def pagerduty(self, key: str = TOKENS["pagerduty"], **more: str) -> dict[str, str]:
        return {"name": "on-call", "url": f"pagerduty://{key}@{API_KEY}",
                "endpoint_url": f"{self.web}/receivers/pagerduty/v2/enqueue", **more}

    def mail(self) -> dict[str, str]:
        return {"name": "mail", "url": f"mailto://127.0.0.1:{self.smtp}/?from=opsbook@example.org&to=ops@example.org"
                                       "&mode=insecure"}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receivers]:
    """`python -m lab.web` on free ports."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "secrets.json").write_text(json.dumps({"receivers": TOKENS}))
    process = subprocess.Popen([sys.executable, "-m", "lab.web", "--folder", str(folder)],
                               cwd=Path(__file__).parents[3], stdout=subprocess.DEVNULL)
    ready = folder / "web.json"
    deadline = time.monotonic() + 30
    while not ready.exists():
        assert process.poll() is None, "the lab's web side did not start"
        assert time.monotonic() < deadline, "the lab's web side did not start in time"
        time.sleep(0.05)
    where = json.loads(ready.read_text())
    yield Receivers(folder, f"http://127.0.0.1:{where['port']}", where["smtp"])
    process.kill()
    process.wait()


@pytest.fixture
def receivers(web: Receivers) -> Iterator[Receivers]:
    """The receivers, with nothing received yet and all of them working."""
    (web.folder / "received.jsonl").write_text("")
    yield web
    for name in ("slack", "pagerduty", "smtp"):
        web.fail(name, None)


Notify = Callable[..., dict[str, Any]]


@pytest.fixture
def notify(capfd: pytest.CaptureFixture[str]) -> Iterator[Notify]:
    """Run the module; nothing it returns or prints may contain a token."""
    results: list[dict[str, Any]] = []

    def run(*channels: dict[str, str], check_mode: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {"channels": list(channels), "title": "Maintenance begins", "body": "until 04:00 UTC", **options}
        results.append(run_module("notify", arguments, check_mode, diff=True))
        return results[-1]

    yield run
    printed = capfd.readouterr()
    assert "canary" not in (json.dumps(results) + printed.out + printed.err).lower()


def failed(result: dict[str, Any]) -> dict[str, str]:
    return {entry["resource"]: entry["reason"] for entry in result["failed_resources"]}


def test_check_lists_the_messages_and_sends_none(receivers: Receivers, notify: Notify) -> None:
    result = notify(receivers.slack(), receivers.pagerduty(), receivers.mail(), check_mode=True)
    assert result["changed"] is True
    assert [change["resource"] for change in result["changes"]] == ["channel:chat", "channel:mail", "channel:on-call"]
    assert result["changes"][0]["after"]["title"] == "Maintenance begins"
    assert receivers.received == []


def test_sends_to_chat_pager_and_mail(receivers: Receivers, notify: Notify) -> None:
    result = notify(receivers.slack(), receivers.pagerduty(dedup_key="weekly-shop"), receivers.mail(),
                    severity="failure", fail_when_undelivered=True)
    assert result.get("failed", False) is False, result
    assert all(change["applied"] for change in result["changes"])
    got = {message["receiver"]: message for message in receivers.received}
    assert {name: message["status"] for name, message in got.items()} == {"slack": 200, "pagerduty": 202, "smtp": 250}
    assert "until 04:00 UTC" in json.dumps(got["slack"]["body"])
    assert got["pagerduty"]["body"]["dedup_key"] == "weekly-shop"
    assert got["pagerduty"]["body"]["event_action"] == "trigger"
    assert got["pagerduty"]["body"]["payload"]["severity"] == "critical"
    assert got["smtp"]["body"]["subject"] == "Maintenance begins"
    assert "github" not in json.dumps(receivers.received), "no picture of the library's in messages"


def test_a_success_with_the_same_key_resolves_the_incident(receivers: Receivers, notify: Notify) -> None:
    notify(receivers.pagerduty(dedup_key="weekly-shop"), severity="warning")
    notify(receivers.pagerduty(dedup_key="weekly-shop"), severity="success")
    notify(receivers.pagerduty(), severity="success")
    events = [message["body"] for message in receivers.received]
    assert [event["event_action"] for event in events] == ["trigger", "resolve", "trigger"]
    assert {event["dedup_key"] for event in events[:2]} == {"weekly-shop"}


def test_a_failed_channel_is_a_warning_and_hides_no_other(receivers: Receivers, notify: Notify) -> None:
    receivers.fail("slack", 500)
    result = notify(receivers.slack(), receivers.pagerduty(), receivers.mail())
    assert result.get("failed", False) is False
    assert list(failed(result)) == ["channel:chat"]
    assert "500" in failed(result)["channel:chat"]
    assert "channel:chat" in str(result["warnings"])
    assert {change["resource"]: change["applied"] for change in result["changes"]} == {
        "channel:chat": False, "channel:mail": True, "channel:on-call": True}


def test_a_failed_channel_fails_the_task_where_that_is_asked(receivers: Receivers, notify: Notify) -> None:
    receivers.fail("smtp", 451)
    result = notify(receivers.slack(), receivers.mail(), fail_when_undelivered=True)
    assert result["failed"] is True
    assert list(failed(result)) == ["channel:mail"]
    assert [message["receiver"] for message in receivers.received if message["status"] == 200] == ["slack"]


@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        pytest.param("slack", {"url": "slack://T0CANARYA/B0CANARYB/canaryWrong"}, id="unknown_tokens"),
        pytest.param("slack", {"url": "slack://canaryAlone"}, id="a_url_that_is_not_understood"),
        pytest.param("slack", {"url": "canary-scheme://canary"}, id="a_service_nobody_knows"),
        pytest.param("pagerduty", {"url": f"pagerduty://canaryOther@{API_KEY}"}, id="unknown_routing_key"),
        pytest.param("pagerduty", {"url": f"pagerduty://{API_KEY}"}, id="no_routing_key"),
        pytest.param("pagerduty", {"endpoint_url": "http://127.0.0.1:9/enqueue"}, id="nobody_listens"),
        pytest.param("mail", {"endpoint_url": "http://127.0.0.1:9/"}, id="no_endpoint_for_this_kind"),
    ],
)
def test_a_channel_that_cannot_be_reached_is_named_without_its_tokens(
    receivers: Receivers, notify: Notify, kind: str, channel: dict[str, str]
) -> None:
    result = notify({**getattr(receivers, kind)(), **channel, "name": "wrong"})
    assert list(failed(result)) == ["channel:wrong"]
    assert failed(result)["channel:wrong"]


def test_a_message_longer_than_a_service_allows_is_cut(receivers: Receivers, notify: Notify) -> None:
    result = notify(receivers.pagerduty(), body="long " * 1000)
    assert failed(result) == {}
    assert len(receivers.received[0]["body"]["payload"]["summary"]) <= 1024
    assert len(receivers.received) == 1


def test_without_the_library_the_task_warns_and_says_so(
    receivers: Receivers, notify: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apprise_sender, "HAS_APPRISE", False)
    result = notify(receivers.slack())
    assert result.get("failed", False) is False
    assert "apprise is not installed" in failed(result)["channel:chat"]


def test_no_channel_sends_nothing(notify: Notify) -> None:
    assert notify()["changed"] is False
