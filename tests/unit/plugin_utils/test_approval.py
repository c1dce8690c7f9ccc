"""An approved plan is the file that a check wrote, whole and unaltered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import digest_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.errors import Refused
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import build_record, plan_of
from ansible_collections.opsbook.runbooks.plugins.plugin_utils.approval import approved_changes
from tests.support.journals import finished, planned, play, started, task


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """What a check over two systems leaves, with a loop in one task."""
    record = build_record([
        started(command={"check": True}), play(), task("Prune", planned=[planned("a"), planned("b")]),
        task("Prune", "media", planned=[planned("c")]), task("Rotate", item="x", planned=[planned("d")]),
        task("Rotate", item="y", planned=[planned("e")]), finished()])
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan_of(record)))
    return path


@pytest.mark.parametrize(
    ("system", "name", "item", "resources"),
    [
        ("commerce", "Prune", "", ["a", "b"]), ("media", "Prune", "", ["c"]), ("commerce", "Rotate", "x", ["d"]),
        ("commerce", "Rotate", "y", ["e"]), ("commerce", "Rotate", "", []), ("commerce", "Prune", "x", []),
        ("media", "Rotate", "x", []), ("commerce", "prune", "", []),
    ],
)
def test_a_task_gets_what_was_approved_for_it_alone(
    plan: Path, system: str, name: str, item: str, resources: list[str]
) -> None:
    approved = approved_changes(str(plan), system, name, item)

    assert [change["resource"] for change in approved["changes"]] == resources


def alter(plan: dict[str, Any], how: str) -> None:
    if how == "another_resource":
        plan["entries"][0]["changes"][0]["resource"] = "z"
    elif how == "one_more":
        plan["entries"].append({"system": "commerce", "task": "Prune", "item": "", "changes": []})
    elif how == "one_less":
        plan["entries"].pop()
    elif how == "another_order":
        plan["entries"].reverse()
    elif how == "another_digest":
        plan["digest"] = "0" * 64
    else:
        plan["digest"] = None


@pytest.mark.parametrize("how", ["another_resource", "one_more", "one_less", "another_order", "another_digest", "no_digest"])
def test_an_altered_plan_is_refused(plan: Path, how: str) -> None:
    altered = json.loads(plan.read_text())
    alter(altered, how)
    plan.write_text(json.dumps(altered))

    with pytest.raises(Refused, match="altered"):
        approved_changes(str(plan), "commerce", "Prune", "")


def test_what_is_no_part_of_the_plan_may_differ(plan: Path) -> None:
    """Who looked at it, and when, do not change what was approved."""
    plan.write_text(json.dumps({**json.loads(plan.read_text()), "run": "other", "approved_by": "grace"}, indent=4))

    assert approved_changes(str(plan), "media", "Prune", "")["changes"]


def stated(entries: Any) -> str:
    return json.dumps({"entries": entries, "digest": digest_of(entries)})


@pytest.mark.parametrize("content", [
    pytest.param(None, id="no_file"),
    pytest.param("", id="empty"), pytest.param("{", id="torn"), pytest.param("[]", id="a_list"),
    pytest.param("{}", id="no_entries"), pytest.param('{"entries": 1, "digest": ""}', id="a_number_for_entries"),
    pytest.param('{"entries": [{"system": NaN}], "digest": ""}', id="no_number"),
    pytest.param(stated([{"system": "commerce"}]), id="an_entry_without_a_task"),
    pytest.param(stated([{"system": "commerce", "task": "Prune", "item": ""}]), id="an_entry_without_changes"),
    pytest.param(stated(["text"]), id="a_text_for_an_entry"),
])
def test_what_is_no_plan_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "plan.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(Refused, match=r"plan\.json"):
        approved_changes(str(path), "commerce", "Prune", "")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(Refused, match="read the approved plan"):
        approved_changes(str(tmp_path / "plan.json"), "commerce", "Prune", "")
