"""What the ledger writes down of a task's result, whichever module gave it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.page import render_page
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import build_record, plan_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.summary import summarize
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.events import task_events, undeclared
from tests.support.journals import finished, planned, seen, started, task

OURS: dict[str, Any] = {
    "changed": True, "changes": [planned("a"), planned("b")], "plan_digest": "d" * 64,
    "kept": [{"resource": "c", "reason": "in use"}],
    "evidence": [{"check": "state", "resource": "a", "expected": 1, "actual": 1, "ok": True}],
    "coverage": {"complete": False, "read": [], "missing": [{"resource": "t", "reason": "denied"}]},
    "failed_resources": [{"resource": "b", "reason": "no"}], "recovery": "put back", "verdict": "unhealthy"}


def event_of(status: str, result: dict[str, Any]) -> dict[str, Any]:
    events = list(task_events(status, result))
    assert len(events) == 1
    return events[0]


def test_keeps_what_an_operation_returned() -> None:
    event = event_of("ok", OURS)

    assert (event["status"], event["item"], event["changed"], event["verdict"]) == ("ok", "", True, "unhealthy")
    assert [entry["resource"] for entry in event["planned"]] == ["a", "b"]
    assert (event["evidence_total"], event["kept"], event["recovery"]) == (1, 1, "put back")
    assert event["gaps"] == [{"resource": "t", "reason": "denied"}]
    assert event["failed_resources"] == [{"resource": "b", "reason": "no"}]


@pytest.mark.parametrize(("status", "result", "expected"), [
    ("ok", {}, ("ok", "")), ("failed", {"msg": "boom"}, ("failed", "boom")),
    ("unreachable", {"msg": "no"}, ("unreachable", "no")),
    ("ok", {"msg": "all is well"}, ("ok", "")), ("skipped", {"skip_reason": "not declared"}, ("skipped", "not declared")),
    ("ok", {"skipped": True, "msg": "no terraform"}, ("skipped", "no terraform")), ("failed", {"msg": None}, ("failed", "")),
    ("failed", {"msg": ["a", 1]}, ("failed", "['a', 1]")),
])
def test_keeps_the_words_of_what_went_wrong(status: str, result: dict[str, Any], expected: tuple[str, str]) -> None:
    event = event_of(status, result)

    assert (event["status"], event["message"]) == expected


def test_a_long_message_and_much_evidence_are_cut() -> None:
    event = event_of("failed", {"msg": "x" * 100_000, "evidence": OURS["evidence"] * 1000})

    assert len(event["message"]) == 2000
    assert (len(event["evidence"]), event["evidence_total"]) == (50, 1000)


def test_a_loop_has_an_event_an_item() -> None:
    items = [{**OURS, "ansible_loop_var": "item", "item": "x", "_ansible_item_label": "x"},
             {"failed": True, "msg": "boom", "ansible_loop_var": "item", "item": "y"},
             {"skipped": True, "skip_reason": "not declared", "ansible_loop_var": "item", "item": {"name": "z"}}]
    events = list(task_events("failed", {"results": items, "msg": "One or more items failed"}))

    assert [(event["status"], event["item"], event["message"]) for event in events] == [
        ("ok", "x", ""), ("failed", "y", "boom"), ("skipped", "", "not declared")]
    assert len(events[0]["planned"]) == 2


def test_a_loops_own_variable_is_used() -> None:
    events = list(task_events("ok", {"results": [{"ansible_loop_var": "each", "each": "x", "item": "other"}]}))

    assert [event["item"] for event in events] == ["x"]


@pytest.mark.parametrize("results", [[], ["a", "b"], [1, 2], [None], [{"name": "a"}], "text", {"a": 1}, None])
def test_a_modules_own_results_are_no_loop(results: Any) -> None:
    assert event_of("ok", {"results": results})["item"] == ""


@pytest.mark.parametrize("result", [
    {"censored": "the output has been hidden", "changed": True, "msg": "canary", "changes": [planned("canary")]},
    {"_ansible_no_log": True, "changed": True, "msg": "canary", "evidence": [{"actual": "canary"}]},
])
@pytest.mark.parametrize("looped", [True, False])
def test_what_is_hidden_stays_hidden(result: dict[str, Any], looped: bool) -> None:
    if looped:
        result = {"results": [{**result, "ansible_loop_var": "item", "item": "canary", "_ansible_item_label": "canary"}]}
    event = event_of("failed", result)

    assert event["changed"] is True
    assert event["message"] == "hidden by no_log"
    assert "canary" not in json.dumps(event)


FOREIGN: tuple[dict[str, Any], ...] = (
    {"changes": [{"path": "/etc/hosts"}], "changed": True}, {"changes": {"added": 1}}, {"changes": ["line 1"]},
    {"evidence": [{"url": "https://x"}]}, {"evidence": [{"ok": "yes", "check": []}]}, {"evidence": "none"},
    {"coverage": {"missing": ["tests/x.py"]}}, {"coverage": {"missing": "all"}}, {"coverage": {"missing": [{"line": 1}]}},
    {"coverage": 98.5}, {"verdict": {"a": 1}}, {"verdict": ["guilty"]}, {"recovery": {"a": 1}}, {"kept": 3},
    {"failed_resources": {"a": 1}}, {"plan_digest": b"x"}, {"msg": b"\xff"}, {"_ansible_item_label": {"a": 1}},
)


@pytest.mark.parametrize("result", FOREIGN, ids=str)
@pytest.mark.parametrize("status", ["ok", "failed"])
@pytest.mark.parametrize("check", [True, False])
def test_any_modules_result_can_be_recorded(result: dict[str, Any], status: str, check: bool) -> None:
    """Modules of others use our words for other things; the record is written all the same."""
    event = json.loads(json.dumps({**task("Another's"), **event_of(status, result)}, default=str))
    evidence = [json.loads(json.dumps({**seen(), **item})) for item in event["evidence"]]
    record = build_record([started(command={"check": check}), event, finished()], evidence)

    assert render_page(record)
    assert summarize(record, "records/x")
    assert plan_of(record)["entries"] == []


@pytest.mark.parametrize(("condition", "names"), [
    ("sqs_queues is defined", "sqs_queues"),
    ("dynamodb_tables is defined or rds_instances is defined", "dynamodb_tables or rds_instances"),
    ("health_checks_backups | bool", ""), ("a is defined and b is defined", ""), ("a is not defined", ""), (None, ""),
    (False, ""),
])
def test_what_a_system_does_not_declare_is_read_off_the_condition(condition: Any, names: str) -> None:
    assert undeclared({"false_condition": condition}) == names
