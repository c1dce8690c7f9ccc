"""Every changing procedure is guarded, says what it is, releases its lock, and takes no verdict from a tag."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.opsbook.runbooks.plugins.plugin_utils.procedure import validate_front_matter
from opsbook.documentation import ROOT, pages
from tests.contract.tree import MODULES, PLAYBOOKS, is_changing, relative

GUARD = {"name": "opsbook.runbooks.guard"}
RELEASE = {"name": "opsbook.runbooks.guard", "tasks_from": "release"}


def play_of(path: Path) -> dict[str, Any]:
    plays = yaml.safe_load(path.read_text(encoding="utf-8"))
    # One procedure, one play: a second one would be neither guarded nor read by these tests.
    assert len(plays) == 1
    play: dict[str, Any] = plays[0]
    return play


def tasks_of(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        if "block" in entry:
            for part in ("block", "rescue", "always"):
                yield from tasks_of(entry.get(part, []))
        else:
            yield entry


@pytest.mark.parametrize("path", PLAYBOOKS, ids=relative)
def test_front_matter_is_complete(path: Path) -> None:
    front = validate_front_matter(play_of(path)["vars"]["opsbook_procedure"])
    assert front["ids"]


@pytest.mark.parametrize("path", PLAYBOOKS, ids=relative)
def test_a_changing_procedure_begins_with_the_guard_and_releases_its_lock(path: Path) -> None:
    play = play_of(path)
    if not play["vars"]["opsbook_procedure"]["changes"]:
        assert not [task for task in tasks_of(play["tasks"]) if changes(task)]
        return
    first = play["tasks"][0]
    assert first["ansible.builtin.import_role"] == GUARD
    assert first["tags"] == ["always"]
    releases = [task for task in tasks_of(play["tasks"]) if task.get("ansible.builtin.import_role") == RELEASE]
    assert [task["tags"] for task in releases] == [["always"]]
    assert not any("rescue" in entry for entry in play["tasks"]), "a rescue would turn failure into success"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=relative)
def test_no_work_can_be_picked_out_by_a_tag(path: Path) -> None:
    tagged = [task["name"] for task in tasks_of(play_of(path)["tasks"]) if task.get("tags", ["always"]) != ["always"]]
    assert tagged == []


@pytest.mark.parametrize("path", PLAYBOOKS, ids=relative)
def test_a_verdict_is_never_given_on_a_part_of_the_checks(path: Path) -> None:
    play = play_of(path)
    judged = not play["vars"]["opsbook_procedure"]["changes"]
    untagged = [task["name"] for task in tasks_of(play["tasks"]) if judged and task.get("tags") != ["always"]]
    assert untagged == []


@pytest.mark.parametrize("path", PLAYBOOKS, ids=relative)
def test_every_task_has_a_name_and_no_task_hides_itself(path: Path) -> None:
    for task in tasks_of(play_of(path)["tasks"]):
        assert task["name"][0].isupper()
        assert "no_log" not in task
        assert "ignore_errors" not in task


def changes(task: dict[str, Any]) -> bool:
    names = [name.rpartition(".")[2] for name in task if name.startswith("opsbook.runbooks.")]
    return any(name in MODULES and name not in ("guard", "guard_release") and is_changing(name) for name in names)


@pytest.mark.parametrize("path", list(pages()), ids=lambda path: str(path.relative_to(ROOT)))
def test_generated_pages_are_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == pages()[path], "run make docs"
