"""The record of a run, built from its journal alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.change import digest_of
from ansible_collections.opsbook.runbooks.plugins.module_utils.incident.record import build_record, plan_of, seal
from tests.support.journals import FRONT, begun, ended, finished, gap, planned, play, seen, started, task

CHECK = {"check": True}


def write_run(folder: Path, *events: dict[str, Any], evidence: tuple[dict[str, Any], ...] = (), torn: str = "") -> None:
    (folder / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + torn)
    if evidence:
        (folder / "evidence.jsonl").write_text("".join(json.dumps(event) + "\n" for event in evidence))


@pytest.mark.parametrize(
    ("events", "status"),
    [
        pytest.param([started(), task(), finished()], "ok", id="ended_well"),
        pytest.param([started(), begun(), ended(), task(changed=True), finished()], "ok", id="ended_well_with_changes"),
        pytest.param([started(), task(status="failed"), finished(True)], "failed", id="failed"),
        pytest.param([started(), begun(), ended(event="change_failed", error="no"), finished()], "failed",
                     id="a_change_failed_and_the_task_hid_it"),
        pytest.param([started(), begun(), finished()], "failed", id="nobody_knows_of_a_change"),
        pytest.param([started(command=CHECK), task(planned=[planned()]), finished()], "checked", id="checked"),
        pytest.param([started(command=CHECK), task(status="failed"), finished(True)], "failed", id="check_failed"),
        pytest.param([started(), task()], "interrupted", id="killed"),
        pytest.param([started(command=CHECK), task()], "interrupted", id="check_killed"),
        pytest.param([started()], "interrupted", id="killed_at_once"),
        pytest.param([], "interrupted", id="killed_before_the_first_event"),
        pytest.param([{"event": "torn_line", "line": 1}], "interrupted", id="killed_in_the_first_event"),
    ],
)
def test_tells_how_a_run_ended(events: list[dict[str, Any]], status: str) -> None:
    assert build_record(events)["status"] == status


def test_a_killed_run_says_what_it_was_about_to_change() -> None:
    record = build_record([started(), play(), begun("lambda-version:f:1"), ended("lambda-version:f:1"),
                           begun("lambda-version:f:2"), {"event": "torn_line", "line": 6}])

    assert record["status"] == "interrupted"
    assert [(made["resource"], made["outcome"]) for made in record["changes"]] == [
        ("lambda-version:f:1", "done"), ("lambda-version:f:2", "unknown")]
    assert [entry["resource"] for entry in record["undo"]] == ["lambda-version:f:2", "lambda-version:f:1"]
    assert record["systems"] == ["commerce"]
    assert record["torn_lines"] == 1


def test_the_same_resource_changed_by_two_tasks_is_two_changes() -> None:
    record = build_record([
        started(), begun("service:web", "Deploy"), ended("service:web", "Deploy"), begun("service:web", "Deploy again"),
        ended("service:web", "Deploy again", event="change_failed", error="unstable"), finished(True)])

    assert [(made["task"], made["outcome"]) for made in record["changes"]] == [
        ("Deploy", "done"), ("Deploy again", "failed")]
    assert len(record["undo"]) == 1


def test_a_task_that_tried_again_is_told_by_its_last_attempt() -> None:
    record = build_record([started(), begun(), ended(event="change_failed", error="busy"), begun(), ended(), finished()])

    assert [(made["outcome"], made["error"]) for made in record["changes"]] == [("done", "")]
    assert record["status"] == "ok"


def test_the_same_resource_of_two_systems_is_two_changes() -> None:
    record = build_record([started(), begun("role:x"), begun("role:x", system="media"), ended("role:x", system="media")])

    assert [(made["system"], made["outcome"]) for made in record["changes"]] == [("commerce", "unknown"), ("media", "done")]


def test_an_end_without_a_beginning_is_passed_over() -> None:
    assert build_record([started(), ended("lambda-version:f:9"), finished()])["changes"] == []


def test_what_failed_needs_no_undo() -> None:
    record = build_record([started(), begun("a"), ended("a"), begun("b"), ended("b", event="change_failed", error="no")])

    assert record["undo"] == [
        {"system": "commerce", "resource": "a", "module": None, "arguments": {}, "reason": "deleted for good"}]


def test_says_by_whom_from_where_and_when() -> None:
    record = build_record([started(), play(), task(), {"event": "guard_passed", "time": "t", "system": "commerce",
                                                       "opening": "inside the maintenance window"}, finished()])

    assert {name: record[name] for name in ("id", "operator", "revision", "started", "finished", "title", "systems")} == {
        "id": "r1", "operator": "ada", "revision": "abc123", "started": "2026-11-21T02:00:00+00:00",
        "finished": "2026-11-21T02:01:00+00:00", "title": "Weekly maintenance", "systems": ["commerce"]}
    assert {name: record["procedure"][name] for name in ("ids", "purpose", "undo")} == {
        name: FRONT[name] for name in ("ids", "purpose", "undo")}
    assert record["guard"][0]["opening"] == "inside the maintenance window"


def test_a_killed_run_ends_at_its_last_event() -> None:
    assert build_record([started(), task()])["finished"] == "2026-11-21T02:00:09+00:00"


@pytest.mark.parametrize("front", [None, {}, {"title": ""}])
def test_a_playbook_without_a_title_has_its_files_name(front: Any) -> None:
    assert build_record([started(), play(front), finished()])["title"] == "weekly-maintenance"


def test_gaps_are_named_with_their_task() -> None:
    assert build_record([started(), task("Read the backups", gaps=[gap()]), finished()])["gaps"] == [
        {"system": "commerce", "task": "Read the backups", "resource": "table:orders", "reason": "AccessDenied"}]


def checked(*tasks: dict[str, Any], run: str = "r1", revision: str = "abc123") -> dict[str, Any]:
    return plan_of(build_record([started(command=CHECK, run=run, revision=revision), *tasks, finished()]))


def test_a_plan_is_the_same_for_two_checks_of_the_same_state() -> None:
    one = task("A", planned=[planned("a")], seconds=1.0)
    two = task("B", planned=[planned("b", summary="now")], seconds=2.0)
    again = task("B", planned=[planned("b", summary="then")], seconds=3.0, time="later")

    assert checked(one, two)["digest"] == checked(again, one, run="r2", revision="def")["digest"]
    assert checked(one, two)["digest"] != checked(one)["digest"]


@pytest.mark.parametrize("other", [{"task": "B"}, {"system": "media"}, {"item": "x"}, {"planned": [planned("b")]}])
def test_a_plan_binds_each_change_to_its_place(other: dict[str, Any]) -> None:
    one = task("A", planned=[planned("a")])

    assert checked(one)["digest"] != checked({**one, **other})["digest"]


def test_a_plan_states_the_digest_of_its_entries() -> None:
    plan = checked(task("A", planned=[planned("a")]), task("Nothing to do"))

    assert plan["digest"] == digest_of(plan["entries"])
    assert plan["entries"] == [{"system": "commerce", "task": "A", "item": "", "changes": [
        {"resource": "a", "action": "delete", "before": {"sha": "x"}, "after": None}]}]


def test_sealing_writes_the_record_and_the_page(tmp_path: Path) -> None:
    write_run(tmp_path, started(), play(), task(), finished(), evidence=(seen(),))
    record = seal(tmp_path)

    assert json.loads((tmp_path / "record.json").read_text()) == record
    assert record["journal_sha256"] == hashlib.sha256((tmp_path / "journal.jsonl").read_bytes()).hexdigest()
    assert record["evidence"][0]["check"] == "running tasks"
    assert (tmp_path / "record.html").read_text().startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "evidence.jsonl", "journal.jsonl", "record.html", "record.json"]


def test_a_check_leaves_its_plan_beside_the_record(tmp_path: Path) -> None:
    write_run(tmp_path, started(command=CHECK), task(planned=[planned()]), finished())
    record = seal(tmp_path)

    assert json.loads((tmp_path / "plan.json").read_text()) == plan_of(record)


def test_sealing_twice_gives_the_same_record(tmp_path: Path) -> None:
    write_run(tmp_path, started(), begun(), task(), finished(), evidence=(seen(),))
    seal(tmp_path)
    first = (tmp_path / "record.json").read_bytes()
    seal(tmp_path)

    assert (tmp_path / "record.json").read_bytes() == first


def test_a_torn_line_of_the_evidence_is_counted_and_is_no_evidence(tmp_path: Path) -> None:
    write_run(tmp_path, started(), task(), finished())
    (tmp_path / "evidence.jsonl").write_text(json.dumps(seen()) + "\n" + '{"event": "evid')
    record = seal(tmp_path)

    assert [entry["check"] for entry in record["evidence"]] == ["running tasks"]
    assert record["torn_lines"] == 1


@pytest.mark.parametrize("front", [
    "Weekly maintenance", ["000-09"], {"ids": [9]}, {"ids": "000-09"}, {"ids": None}, {"title": ["a"]}, {"purpose": None}, 7,
])
def test_a_record_is_written_whatever_the_front_matter_is(tmp_path: Path, front: Any) -> None:
    """Only the guard checks front matter; a playbook without it, or one that it refused, has a record all the same."""
    write_run(tmp_path, started(), play(front), task(status="failed", message="refused"), finished(True))

    assert seal(tmp_path)["status"] == "failed"
    assert (tmp_path / "record.json").exists()


@pytest.mark.parametrize("value", ["\udcff", "\x00\x1b[31m", "</script><script>", "x" * 100_000, [], {}, None],
                         ids=["no_unicode", "control", "markup", "long", "list", "map", "nothing"])
def test_a_record_is_written_whatever_a_system_returned(tmp_path: Path, value: Any) -> None:
    write_run(
        tmp_path, started(command=CHECK), play(),
        task(str(value), message=value, verdict=value, recovery=value, status="failed", gaps=[gap(value, value)],
             planned=[planned("r", before=value, after=[value])]),
        finished(), evidence=(seen(actual=value, expected=[value], resource=value),))
    seal(tmp_path)

    assert (tmp_path / "record.json").exists()
    assert (tmp_path / "record.html").exists()
