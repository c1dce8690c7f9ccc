"""What terraform's machine-readable output says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.terraform.messages import (
    Diagnostic,
    describe_progress,
    explain,
    hide,
    read_changes,
    read_diagnostics,
    read_events,
    read_progress,
    read_version,
)


def hook(kind: str, address: str, action: str = "create") -> dict[str, Any]:
    return {"type": kind, "hook": {"resource": {"addr": address}, "action": action}}


def output(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def test_plain_text_and_a_torn_line_are_left_out() -> None:
    text = output({"type": "version", "terraform": "1.11.4"}) + "Successfully configured\n" + '{"type": "plan'

    assert [event["type"] for event in read_events(text)] == ["version"]


@pytest.mark.parametrize(("event", "version"), [
    pytest.param({"type": "version", "terraform": "1.11.4"}, "1.11.4", id="terraform"),
    pytest.param({"type": "version", "tofu": "1.9.0"}, "1.9.0", id="tofu"),
    pytest.param({"type": "log"}, "", id="not_said"),
])
def test_reads_the_version(event: dict[str, Any], version: str) -> None:
    assert read_version([event]) == version


def test_a_diagnostic_never_quotes_the_source() -> None:
    event = {"type": "diagnostic", "diagnostic": {
        "severity": "error", "summary": "Invalid value", "detail": "a number is required",
        "snippet": {"code": 'token = "canary"'}}}

    (found,) = read_diagnostics([event], "error")

    assert found.text() == "Invalid value: a number is required"
    assert read_diagnostics([event], "warning") == []


def test_tells_drift_by_address() -> None:
    event = {"type": "resource_drift", "change": {"resource": {"addr": "r.a"}, "action": "update"}}

    assert read_changes([event], "resource_drift") == [{"address": "r.a", "action": "update"}]


def test_tells_how_far_an_apply_has_come() -> None:
    events = [hook("apply_start", "r.a"), hook("apply_complete", "r.a"), hook("apply_start", "r.b"),
              hook("apply_errored", "r.b"), hook("apply_start", "r.c")]

    progress = read_progress(events)

    assert progress.completed == {"r.a": frozenset({"create"})}
    assert progress.failed == {"r.b"}
    assert describe_progress(output(*events), 4) == "1 of 4 applied, now r.c"


@pytest.mark.parametrize(("summary", "advice"), [
    pytest.param("Saved plan is stale", "new plan", id="stale"),
    pytest.param("Error acquiring the state lock", "force-unlock", id="locked"),
])
def test_says_what_to_do(summary: str, advice: str) -> None:
    error = explain("apply", "/p", [Diagnostic("error", summary, "why")], "")

    assert summary in error.reason
    assert advice in error.advice


def test_an_error_told_only_to_people_is_read_without_its_frame() -> None:
    error = explain("init", "/p", [], "╷\n│ Error: no\n│ \n│ because\n╵\n")

    assert error.reason == "Error: no because"


@pytest.mark.parametrize(("text", "secret", "hidden"), [
    pytest.param("a canary here", "canary", "a *** here", id="plain"),
    pytest.param('value "can\\"ary"', 'can"ary', 'value "***"', id="as_json_writes_it"),
    pytest.param("line: second-line", "first-line\nsecond-line", "line: ***", id="a_line_of_it"),
    pytest.param("no by no", "no", "no by no", id="too_short_to_be_one"),
])
def test_hides_secrets_in_text(text: str, secret: str, hidden: str) -> None:
    assert hide(text, [secret]) == hidden


def test_hides_secrets_inside_structures() -> None:
    assert hide({"a": ["canary", 12345, True]}, ["canary", "12345"]) == {"a": ["***", "***", True]}
