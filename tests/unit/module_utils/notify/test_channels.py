"""One message to several channels: each is tried, and no part of a URL is ever told."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.engine import carry_out
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import OperationError, Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.run import Run
from ansible_collections.opsbook.runbooks.plugins.module_utils.notify.channels import (
    Channel,
    Notice,
    Sends,
    notify,
    secret_parts,
)

NOTICE = Notice("Maintenance begins", "until 04:00 UTC")
URL = "slack://TOKENAAA/TOKENBBB/TOKENCCC/#ops"


class Recorder:
    """A service that notes what it is sent, or says what its name stands for."""

    def __init__(self, channel: Channel, sent: list[str]) -> None:
        self.channel = channel
        self.sent = sent

    def send(self, notice: Notice, seconds: float) -> None:
        if self.channel.name.startswith("refuses"):
            raise OperationError("send", "x", "403 for TOKENBBB at TOKENAAA/TOKENBBB")
        if self.channel.name.startswith("breaks"):
            raise RuntimeError(f"lost connection to {self.channel.url}")
        if self.channel.name.startswith("hangs"):
            threading.Event().wait(20)
        self.sent.append(self.channel.name)


@pytest.fixture
def sent() -> list[str]:
    return []


def report_of(sent: list[str], *names: str, only_plan: bool = False, timeout: float = 30.0):  # type: ignore[no-untyped-def]
    def open_channel(channel: Channel) -> Sends:
        if channel.name.startswith("invalid"):
            raise OperationError("notify", channel.name, f"invalid token TOKENCCC in {channel.url}")
        return Recorder(channel, sent)

    run = Run(timeout=timeout)
    channels = [Channel(name, URL) for name in names]
    return carry_out(notify(run, channels, NOTICE, open_channel), run, only_plan)


def test_sends_to_every_channel(sent: list[str]) -> None:
    report = report_of(sent, "a", "b")

    assert sorted(sent) == ["a", "b"]
    assert not report.failed
    assert report.plan.changes[0].after == {
        "title": "Maintenance begins", "body": "until 04:00 UTC", "severity": "info"}


def test_a_plan_sends_nothing(sent: list[str]) -> None:
    report = report_of(sent, "a", "invalid", only_plan=True)

    assert sent == []
    assert [change.resource for change in report.plan.changes] == ["channel:a", "channel:invalid"]
    assert [gap.resource for gap in report.coverage.missing] == ["channel:invalid"]


@pytest.mark.parametrize("bad", ["refuses", "breaks", "invalid"])
def test_a_channel_that_fails_hides_no_other(sent: list[str], bad: str) -> None:
    report = report_of(sent, "a", bad, "z")

    assert sorted(sent) == ["a", "z"]
    assert [failure["resource"] for failure in report.failures] == [f"channel:{bad}"]
    assert "TOKEN" not in str(report)


def test_a_channel_that_never_answers_is_given_up(sent: list[str]) -> None:
    report = report_of(sent, "a", "hangs", timeout=1)

    assert sent == ["a"]
    assert "no answer within 1 s" in report.failures[0]["reason"]
    assert "may have been delivered" in report.failures[0]["reason"]


def test_two_channels_of_one_name_are_refused(sent: list[str]) -> None:
    with pytest.raises(Refused, match="two channels have this name"):
        report_of(sent, "a", "a")


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        pytest.param(URL, ["TOKENAAA", "TOKENBBB", "TOKENCCC", URL], id="segments_and_the_whole"),
        pytest.param("pagerduty://intkey@apikey/source", ["intkey", "apikey"], id="user_and_host"),
        pytest.param("mailto://me:pass%2Fword@host", ["pass%2Fword", "pass/word"], id="decoded_too"),
        pytest.param("json://host/?+X-Token=abcdef", ["abcdef"], id="query_values"),
        pytest.param("json://token-with-dash:x@host", ["token-with-dash"], id="a_dash_does_not_divide"),
    ],
)
def test_knows_the_secret_parts_of_a_url(url: str, parts: list[str]) -> None:
    assert set(parts) <= set(secret_parts(url))
    assert url.partition("://")[0] not in secret_parts(url)


def test_a_channel_never_shows_its_url() -> None:
    assert "TOKEN" not in repr(Channel("a", URL))
