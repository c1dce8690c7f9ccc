"""The weekly maintenance as it should go: checked, approved, carried out, and again with nothing left to do."""

from __future__ import annotations

import json
import shutil
from html import escape
from pathlib import Path

import pytest

from tests.support.labs import Lab
from tests.support.locks import lock_row
from tests.support.procedures import SERVICES, Maintained, maintain, procedure, received, titles

SCREEN = 24


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of this file leave their records."""
    return tmp_path_factory.mktemp("maintenance")


@pytest.fixture(scope="module")
def checked(seeded_lab: Lab, place: Path) -> tuple[Maintained, Maintained]:
    """Two runs with --check --diff, one after the other."""
    return (maintain(seeded_lab, place / "first", "--check", "--diff"), maintain(seeded_lab, place / "second", "--check"))


@pytest.fixture(scope="module")
def plan(checked: tuple[Maintained, Maintained]) -> Path:
    """The plan that the first check wrote."""
    return checked[0].folder / "plan.json"


@pytest.fixture(scope="module")
def done(seeded_lab: Lab, place: Path, plan: Path) -> Maintained:
    """The run that applies the plan."""
    return maintain(seeded_lab, place / "run", "-e", f"approved_plan={plan}")


@pytest.fixture(scope="module")
def again(seeded_lab: Lab, place: Path, done: Maintained) -> Maintained:
    """A run at once after it."""
    return maintain(seeded_lab, place / "again")


def test_a_check_changes_nothing_sends_nothing_and_takes_no_lock(
    seeded_lab: Lab, checked: tuple[Maintained, Maintained]
) -> None:
    for run in checked:
        assert run.status == 0, run.output
        assert run.changing(None) == []
    assert received(seeded_lab) == []
    assert lock_row(seeded_lab) == {}


def test_a_check_shows_the_plan_and_writes_it_with_a_digest(checked: tuple[Maintained, Maintained]) -> None:
    first, second = (json.loads((run.folder / "plan.json").read_text()) for run in checked)
    operations = {entry["task"] for entry in first["entries"]}
    assert len(operations) == 6
    assert first["digest"] == second["digest"]
    assert first["entries"] == second["entries"]
    assert "Weekly maintenance: was checked, nothing was changed" in checked[0].output
    assert "--- before" in checked[0].output
    assert checked[0].record["status"] == "checked"


def test_an_altered_plan_is_refused(seeded_lab: Lab, place: Path, plan: Path) -> None:
    altered = json.loads(plan.read_text())
    altered["entries"][0]["changes"].pop()
    (place / "altered.json").write_text(json.dumps(altered))
    run = maintain(seeded_lab, place / "altered", "-e", f"approved_plan={place / 'altered.json'}")
    assert run.status != 0
    assert "its entries do not have the digest it states. It was altered: run with --check again" in run.said
    assert run.changing() == []


def test_an_approved_plan_is_applied_exactly(done: Maintained, plan: Path) -> None:
    approved = {(entry["task"], change["resource"], change["action"])
                for entry in json.loads(plan.read_text())["entries"] for change in entry["changes"]}
    made = {(change["task"], change["resource"], change["action"]) for change in done.record["changes"]}
    # What an earlier task of the same run has deleted needs no policy any more.
    deleted = {resource for _task, resource, action in made if action == "delete"}
    assert done.status == 0, done.output
    assert made <= approved
    assert {resource for _task, resource, _action in approved - made} <= deleted


def test_a_run_makes_its_changes_and_says_so_on_one_screen(done: Maintained) -> None:
    assert done.carried_out()
    assert "failed=0" in done.summary[0]
    assert "Weekly maintenance: ended well" in done.output
    assert len(done.summary) <= SCREEN
    assert f"{done.folder.name}/record.html" in done.output


def test_both_services_run_on_new_deployments(seeded_lab: Lab, done: Maintained) -> None:
    services = seeded_lab.client("ecs").describe_services(cluster="production-cluster", services=list(SERVICES))["services"]
    assert done.carried_out().count("ecs:UpdateService") == 2
    assert [[entry["rolloutState"] for entry in service["deployments"]] for service in services] == [["COMPLETED"]] * 2


def test_beginning_and_end_are_noticed(seeded_lab: Lab, done: Maintained) -> None:
    assert titles(seeded_lab)[-2:] == ["Weekly maintenance of commerce begins", "Weekly maintenance of commerce is complete"]


def test_the_lock_is_given_back_and_no_receipt_is_left(seeded_lab: Lab, done: Maintained) -> None:
    assert lock_row(seeded_lab)["run"] == ""
    assert sorted(path.name for path in done.folder.iterdir()) == [
        "attestation.json", "evidence.jsonl", "journal.jsonl", "record.html", "record.json"]
    assert done.folder.stat().st_mode & 0o077 == 0


def test_the_record_says_what_was_planned_changed_verified_by_whom_and_how_to_undo_it(done: Maintained) -> None:
    record = done.record
    changes = record["changes"]
    assert (record["status"], record["title"], record["procedure"]["ids"]) == ("ok", "Weekly maintenance", ["000-09"])
    assert record["operator"]
    assert record["command"]["parameters"] == ["approved_plan"]
    assert record["started"] < record["finished"]
    assert {change["outcome"] for change in changes} == {"done"}
    assert {change["resource"] for change in record["planned"]} == {change["resource"] for change in changes}
    assert all(entry["seconds"] >= 0 for entry in record["tasks"])
    assert {entry["resource"] for entry in record["undo"]} == {change["resource"] for change in changes}
    assert all(entry["module"] or entry["reason"] for entry in record["undo"])
    assert all(item["ok"] is True for item in record["evidence"])
    assert [entry["opening"] for entry in record["guard"]] == ["no maintenance window is declared"]


def test_the_page_shows_the_same_to_a_person(done: Maintained) -> None:
    page = (done.folder / "record.html").read_text()
    for section in ("Changes", "Verification and checks", "Undo, last change first", "Course of the run"):
        assert f"<h2>{section}</h2>" in page
    assert done.record["operator"] in page
    assert [change["summary"] for change in done.record["changes"] if escape(change["summary"]) not in page] == []
    assert "<script" not in page
    assert "src=" not in page


def test_run_again_at_once_it_changes_nothing(again: Maintained) -> None:
    assert again.status == 0, again.output
    assert again.changing() == []
    assert "changed=0" in again.summary[0]
    assert "nothing to change" in again.output
    assert again.record["changes"] == []


def test_a_plan_that_no_longer_fits_is_refused_before_anything_changes(
    seeded_lab: Lab, place: Path, again: Maintained
) -> None:
    function = "tiktok-commerce-video-indexer"
    playbook = procedure(place, [{
        "name": "Delete old versions", "opsbook.runbooks.lambda_version_prune": {"function_names": [function], "keep": 2}}])
    planned = maintain(seeded_lab, place / "planned", "--check", playbook=playbook)
    client = seeded_lab.client("lambda")
    client.update_function_configuration(FunctionName=function, Description="changed by somebody else")
    client.publish_version(FunctionName=function)
    run = maintain(seeded_lab, place / "unfit", "-e", f"approved_plan={planned.folder / 'plan.json'}", playbook=playbook)
    assert run.status != 0
    assert f"lambda-version:{function}:" in run.said
    assert "it differs from the approved plan. Run with --check, have the new plan approved" in run.said
    assert run.changing() == []


def test_the_revision_is_recorded_where_the_project_has_one(done: Maintained) -> None:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    assert done.record["revision"]
